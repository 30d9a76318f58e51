"""Chats as tokens, through a model's own chat template.

The templates of Qwen2.5 and of our small tokenizer write a message as <|im_start|>, its role, a line end, its content,
<|im_end|>, a line end. As special tokens cut the text, messages can be tokenized one by one: the ids are those of the
whole text. A picture is <|vision_start|>, an <|image_pad|> for each token that stands for it, <|vision_end|>, as in
Qwen2.5-VL's template, wherever it comes among the words.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from compeer_jax.dialogue.picture_parts import Part, content_of, is_picture, parts_of
from compeer_jax.errors import UserError
from compeer_jax.models.control_tokens import defuse

TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
ANSWER_HEADER = f"{TURN_START}assistant\n"
PICTURE_TOKENS = PICTURE_START, PICTURE_PAD, PICTURE_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"


def message_tokens(tokenizer, messages: Sequence[Mapping[str, Any]], answer_next: bool = False) -> list[list[int]]:
    """The ids of each message in the chat template; with `answer_next`, those that open the answer come last.

    Qwen2.5's template puts a system text of its own before a chat without one; its ids then come first.

    Args:
        tokenizer: with a chat template as above.
        messages: `{"role", "content"}`; a content is a text, or parts as `dialogue.picture_parts` has them, where a
            picture's also has the number of "tokens" that stand for it. What reads like a special token in words is
            made harmless, see `defuse`.
        answer_next: whether the assistant's answer is to follow.

    Raises:
        UserError: the chat template is of another kind, or fails; there are pictures and the tokenizer has no tokens
            for them.
    """
    sizes = [part["tokens"] for message in messages for part in parts_of(message["content"]) if is_picture(part)]
    messages = [{**message, "content": _text(tokenizer, message["content"])} for message in messages]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer_next)
    except Exception as error:  # whatever a template raises, of its own or of Jinja's
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"the tokenizer's chat template fails ({reason}); use a Qwen2.5 one.") from error
    pieces = re.split(f"(?={re.escape(TURN_START)})", text)
    roles = [message["role"] for message in messages] + ["assistant"] * answer_next
    openings = [piece.split("\n")[0].removeprefix(TURN_START) for piece in pieces[1:]]
    if pieces[0] or openings not in (roles, ["system", *roles]):
        raise UserError(
            f"the tokenizer's chat template doesn't write messages as {TURN_START}role …; use a Qwen2.5 one."
        )
    ids = tokenizer(pieces[1:], add_special_tokens=False)["input_ids"]
    return _with_pads(ids, picture_pad(tokenizer), sizes) if sizes else ids


def picture_pad(tokenizer) -> int:
    """The id that stands for a part of a picture.

    Raises:
        UserError: the tokenizer's model sees no pictures.
    """
    known = tokenizer.get_vocab()
    for token in PICTURE_TOKENS:
        if token not in known:
            raise UserError(
                f"the talk has pictures and the tokenizer no {token}, so its model can't see; take a Qwen2.5-VL, or "
                "set pictures.most to 0."
            )
    return known[PICTURE_PAD]


def _text(tokenizer, content: str | list[Part]) -> str:
    """A message's content as the template writes it, with one pad for each picture."""
    joined = parts_of(content_of(parts_of(content)))  # so that no two texts make a control token together
    marks = "".join(PICTURE_TOKENS)
    return "".join(marks if is_picture(part) else defuse(tokenizer, part["text"]) for part in joined).strip()


def _with_pads(pieces: Sequence[Sequence[int]], pad: int, sizes: Sequence[int]) -> list[list[int]]:
    """The ids with as many pads in place of each as the picture in its turn has tokens."""
    size = iter(sizes)
    return [[id for one in piece for id in ([one] * next(size) if one == pad else [one])] for piece in pieces]
