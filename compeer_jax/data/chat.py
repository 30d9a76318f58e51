"""Dialogues as tokens, through the model's own chat template, and which of them the model learns to write.

A prompt has the same ids in supervised training and in a rollout, and dropping an old turn never changes the ids of the
others.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.schema import Dialogue, Turn, merge_adjacent
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError, unknown
from compeer_jax.models.chat_template import ANSWER_HEADER, TURN_END, message_tokens
from compeer_jax.models.control_tokens import defuse

Overlong = Literal["drop_oldest", "error"]


class DoesNotFit(UserError):
    """A talk that is too long, whatever is dropped."""


class Example(NamedTuple):
    """Tokens to learn from. `loss_mask` is True on the supporter's words and the <|im_end|> that closes them."""

    tokens: Int[np.ndarray, " T"]
    loss_mask: Bool[np.ndarray, " T"]


def prompt_tokens(
    tokenizer,
    source: Record | Sequence[Turn],
    *,
    prompt: str,
    max_tokens: int,
    language: str | None = None,
    overlong: Overlong = "drop_oldest",
    instructions: str = "",
) -> list[int]:
    """The ids of a talk so far, up to where the supporter's answer begins.

    Args:
        source: a record, or the turns so far, the seeker's last.
        language: of the system prompt; a record's own by default.
        overlong: for a longer talk, drop its oldest turns until it fits, or refuse it.
        instructions: for this turn, added to the system prompt.

    Raises:
        DoesNotFit: naming the record, when it doesn't fit: even with the last seeker's turn alone, or as it is when
            `overlong` is "error".
    """
    turns, where = (source.history, source.id) if isinstance(source, Record) else (source, "the talk")
    language = language or (source.language if isinstance(source, Record) else "en")
    messages = chat_messages(turns, prompt=prompt, language=language, instructions=instructions)
    pieces = message_tokens(tokenizer, messages, answer_next=True)
    return list(chain.from_iterable(_fit(pieces, max_tokens, overlong, where)))


def answer_tokens(tokenizer, record: Record, format: ReasoningFormat) -> list[int]:
    """The ids of the record's reference answer as the model should write it, <|im_end|> included."""
    text = defuse(tokenizer, format.render(record.reference, record.language))
    return tokenizer(text + TURN_END, add_special_tokens=False)["input_ids"]


def example_tokens(
    tokenizer,
    record: Record,
    *,
    format: ReasoningFormat,
    prompt: str,
    max_tokens: int,
    max_prompt_tokens: int | None = None,
    overlong: Overlong = "drop_oldest",
) -> Example:
    """A record's prompt and its reference answer; only the answer trains.

    Args:
        max_tokens: the most that prompt and answer may have together.
        max_prompt_tokens: the most that the prompt may have, if that is less; give the rollout's, and the model
            learns from the very prompts that it will be asked.

    Raises:
        DoesNotFit: naming the record; see `prompt_tokens`.
    """
    answer = answer_tokens(tokenizer, record, format)
    room = max_tokens - len(answer)
    if room <= 0:
        raise DoesNotFit(f"{record.id}: the answer has {len(answer)} tokens and leaves no room in {max_tokens}.")
    room = min(room, max_prompt_tokens or room)
    before = prompt_tokens(tokenizer, record, prompt=prompt, max_tokens=room, overlong=overlong)
    return joined_example([(before, False), (answer, True)])


def dialogue_example(
    tokenizer, dialogue: Dialogue, *, prompt: str, max_tokens: int, overlong: Overlong = "drop_oldest"
) -> Example:
    """A plain dialogue up to the supporter's last turn; every supporter's turn trains.

    Raises:
        UserError: naming the dialogue, when no supporter's turn follows one of the seeker's, or (DoesNotFit) it is too
            long.
    """
    turns, _ = merge_adjacent(dialogue.turns)
    if turns[-1].role == "seeker":
        turns = turns[:-1]
    if len(turns) < 2:
        raise UserError(f"{dialogue.id}: no supporter's turn follows one of the seeker's; leave the dialogue out.")
    messages = chat_messages(turns[:-1], prompt=prompt, language=dialogue.language)
    messages += [{"role": "assistant", "content": turns[-1].content}]
    pieces = _fit(message_tokens(tokenizer, messages), max_tokens, overlong, dialogue.id)
    header = tokenizer(ANSWER_HEADER, add_special_tokens=False)["input_ids"]
    end = tokenizer.convert_tokens_to_ids(TURN_END)
    parts = []
    for piece in pieces:
        is_answer = piece[: len(header)] == header
        start, stop = (len(header), piece.index(end) + 1) if is_answer else (0, 0)
        parts += [(piece[:start], False), (piece[start:stop], True), (piece[stop:], False)]
    return joined_example(parts[:-1])  # without the line end after the last <|im_end|>


def joined_example(parts: Sequence[tuple[Sequence[int], bool]]) -> Example:
    """The ids of all parts in a row; those of a part with True train."""
    tokens = np.fromiter(chain.from_iterable(ids for ids, _ in parts), np.int32)
    return Example(tokens, np.repeat([trains for _, trains in parts], [len(ids) for ids, _ in parts]))


def _fit(pieces: list[list[int]], max_tokens: int, overlong: Overlong, where: str) -> list[list[int]]:
    """The pieces without the oldest turns: the first (the system's) and the last two always stay."""
    if overlong not in ("drop_oldest", "error"):
        raise unknown("way with overlong talks", overlong, ("drop_oldest", "error"))
    excess = sum(map(len, pieces)) - max_tokens
    if excess > 0 and overlong == "error":
        raise DoesNotFit(
            f"{where}: {max_tokens + excess} tokens, but at most {max_tokens} may be; raise it or cut the talk."
        )
    first = 1
    while excess > 0 and first < len(pieces) - 2:
        excess -= len(pieces[first])
        first += 1
    if excess > 0:
        raise DoesNotFit(
            f"{where}: even with the last exchange alone it has {max_tokens + excess} tokens, more than {max_tokens}; "
            "raise that or take a shorter prompt."
        )
    return [pieces[0], *pieces[first:]]


class CachingTokenizer:
    """`tokenizer`, but each text of a list is encoded once and its ids are kept as long as this object lives.

    Wrap the tokenizer before `chat.prompt_tokens` and its kin run over a whole corpus: on ESConv with a long system
    prompt they are about eight times faster so. Everything else is the tokenizer's own.
    """

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {}

    def __call__(self, texts: str | Sequence[str], *, add_special_tokens: bool = False) -> Mapping[str, list]:
        """The ids under "input_ids"; a single text is not remembered."""
        if isinstance(texts, str) or add_special_tokens:
            return self._tokenizer(texts, add_special_tokens=add_special_tokens)
        new = [text for text in dict.fromkeys(texts) if text not in self._ids]
        if new:
            self._ids.update(zip(new, self._tokenizer(new, add_special_tokens=False)["input_ids"], strict=True))
        return {"input_ids": [self._ids[text] for text in texts]}

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)
