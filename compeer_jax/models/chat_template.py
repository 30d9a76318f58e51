"""Chats as tokens, through a model's own chat template.

The templates of Qwen2.5 and of our small tokenizer write a message as <|im_start|>, its role, a line end, its content,
<|im_end|>, a line end. As special tokens cut the text, messages can be tokenized one by one: the ids are those of the
whole text.
"""

import re
from collections.abc import Mapping, Sequence

from compeer_jax.errors import UserError
from compeer_jax.models.control_tokens import defuse

TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
ANSWER_HEADER = f"{TURN_START}assistant\n"


def message_tokens(tokenizer, messages: Sequence[Mapping[str, str]], answer_next: bool = False) -> list[list[int]]:
    """The ids of each message in the chat template; with `answer_next`, those that open the answer come last.

    Qwen2.5's template puts a system text of its own before a chat without one; its ids then come first.

    Args:
        tokenizer: with a chat template as above.
        messages: `{"role", "content"}`; what reads like a special token in a content is made harmless, see `defuse`.
        answer_next: whether the assistant's answer is to follow.

    Raises:
        UserError: the chat template is of another kind, or fails.
    """
    messages = [{**message, "content": defuse(tokenizer, message["content"].strip())} for message in messages]
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
    return tokenizer(pieces[1:], add_special_tokens=False)["input_ids"]
