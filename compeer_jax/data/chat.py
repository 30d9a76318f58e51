"""Dialogues as tokens, through the model's own chat template, and which of them the model learns to write.

A prompt has the same ids in supervised training and in a rollout, and dropping an old turn never changes the ids of the
others. Where pictures are shown, the tokens that stand for them count like any, and go with the turn that they are in.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from compeer_jax.data.pictures import Picture, PictureLimits, inspect_picture
from compeer_jax.data.record import Record
from compeer_jax.dialogue.picture_parts import is_picture, parts_of, pictures_in
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.schema import Dialogue, Turn, merge_adjacent
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError, unknown
from compeer_jax.models.chat_template import ANSWER_HEADER, TURN_END, message_tokens
from compeer_jax.models.control_tokens import defuse

Overlong = Literal["drop_oldest", "error"]
WORDS_ALONE = PictureLimits()


class DoesNotFit(UserError):
    """A talk that is too long, whatever is dropped."""


class Prompt(NamedTuple):
    """The ids of a prompt, and the pictures that its pads stand for, in their order."""

    tokens: list[int]
    pictures: tuple[Picture, ...] = ()


class Example(NamedTuple):
    """Tokens to learn from, and the pictures that pads among them stand for, in their order.

    `loss_mask` is True on the supporter's words and the <|im_end|> that closes them.
    """

    tokens: Int[np.ndarray, " T"]
    loss_mask: Bool[np.ndarray, " T"]
    pictures: tuple[Picture, ...] = ()


def read_prompt(
    tokenizer,
    source: Record | Sequence[Turn],
    *,
    prompt: str,
    max_tokens: int,
    language: str | None = None,
    overlong: Overlong = "drop_oldest",
    instructions: str = "",
    pictures: PictureLimits = WORDS_ALONE,
) -> Prompt:
    """A talk so far, up to where the supporter's answer begins.

    Args:
        source: a record, or the turns so far, the seeker's last.
        language: of the system prompt; a record's own by default.
        overlong: for a longer talk, drop its oldest turns until it fits, or refuse it.
        instructions: for this turn, added to the system prompt.
        pictures: how many are shown, and how large; a talk with more is too long.

    Raises:
        DoesNotFit: naming the record, when it doesn't fit: even with the last seeker's turn alone, or as it is when
            `overlong` is "error".
        UserError: a picture can't be used, see `pictures.inspect_picture`, or the model can't see.
    """
    turns, where = (source.history, source.id) if isinstance(source, Record) else (source, "the talk")
    language = language or (source.language if isinstance(source, Record) else "en")
    shown = {"prompt": prompt, "language": language, "instructions": instructions, "pictures": pictures.most > 0}
    pieces = read_messages(tokenizer, chat_messages(turns, **shown), pictures, where, answer_next=True)
    kept = _fit(pieces, max_tokens, pictures.most, overlong, where)
    return joined_prompt(kept)


def prompt_tokens(tokenizer, source: Record | Sequence[Turn], **settings: Any) -> list[int]:
    """The ids alone of `read_prompt`."""
    return read_prompt(tokenizer, source, **settings).tokens


def read_messages(
    tokenizer, messages: Sequence[Mapping[str, Any]], limits: PictureLimits, where: str, *, answer_next: bool = False
) -> list[Prompt]:
    """The ids of each message and the pictures in it; with `answer_next`, those that open the answer come last.

    Args:
        messages: `{"role", "content"}`, the content as `picture_parts` has it.
        limits: how large pictures are seen; all of them are.
        where: the record, for what is wrong with a picture.

    Raises:
        UserError: see `read_prompt`.
    """
    seen: list[tuple[Picture, ...]] = []
    sized = []
    for message in messages:
        seen.append(tuple(inspect_picture(path, where) for path in pictures_in(message["content"])))
        picture = iter(seen[-1])
        parts = [
            {**part, "tokens": limits.tokens(next(picture))} if is_picture(part) else part
            for part in parts_of(message["content"])
        ]
        sized.append({**message, "content": parts})
    pieces = message_tokens(tokenizer, sized, answer_next)
    before: list[tuple[Picture, ...]] = [()] * (len(pieces) - len(messages) - answer_next)  # a system text of its own
    return list(map(Prompt, pieces, [*before, *seen, *[()] * answer_next]))


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
    pictures: PictureLimits = WORDS_ALONE,
) -> Example:
    """A record's prompt and its reference answer; only the answer trains.

    Args:
        max_tokens: the most that prompt and answer may have together.
        max_prompt_tokens: the most that the prompt may have, if that is less; give the rollout's, and the model
            learns from the very prompts that it will be asked.
        pictures: as of the prompt.

    Raises:
        DoesNotFit: naming the record; see `read_prompt`.
    """
    answer = answer_tokens(tokenizer, record, format)
    room = max_tokens - len(answer)
    if room <= 0:
        raise DoesNotFit(f"{record.id}: the answer has {len(answer)} tokens and leaves no room in {max_tokens}.")
    room = min(room, max_prompt_tokens or room)
    settings = {"prompt": prompt, "max_tokens": room, "overlong": overlong, "pictures": pictures}
    before = read_prompt(tokenizer, record, **settings)
    return joined_example([(before.tokens, False), (answer, True)], before.pictures)


def dialogue_example(
    tokenizer,
    dialogue: Dialogue,
    *,
    prompt: str,
    max_tokens: int,
    overlong: Overlong = "drop_oldest",
    pictures: PictureLimits = WORDS_ALONE,
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
    shown = {"prompt": prompt, "language": dialogue.language, "pictures": pictures.most > 0}
    messages = [*chat_messages(turns[:-1], **shown), {"role": "assistant", "content": turns[-1].content}]
    read = read_messages(tokenizer, messages, pictures, dialogue.id)
    pieces = _fit(read, max_tokens, pictures.most, overlong, dialogue.id)
    header = tokenizer(ANSWER_HEADER, add_special_tokens=False)["input_ids"]
    end = tokenizer.convert_tokens_to_ids(TURN_END)
    parts = []
    for piece, _ in pieces:
        is_answer = piece[: len(header)] == header
        start, stop = (len(header), piece.index(end) + 1) if is_answer else (0, 0)
        parts += [(piece[:start], False), (piece[start:stop], True), (piece[stop:], False)]
    return joined_example(parts[:-1], _pictures(pieces))  # without the line end after the last <|im_end|>


def joined_example(parts: Sequence[tuple[Sequence[int], bool]], pictures: Sequence[Picture] = ()) -> Example:
    """The ids of all parts in a row; those of a part with True train."""
    tokens = np.fromiter(chain.from_iterable(ids for ids, _ in parts), np.int32)
    trains = np.repeat([trains for _, trains in parts], [len(ids) for ids, _ in parts])
    return Example(tokens, trains, tuple(pictures))


def joined_prompt(pieces: Sequence[Prompt]) -> Prompt:
    """The pieces as one."""
    return Prompt(list(chain.from_iterable(piece.tokens for piece in pieces)), _pictures(pieces))


def _pictures(pieces: Sequence[Prompt]) -> tuple[Picture, ...]:
    return tuple(picture for piece in pieces for picture in piece.pictures)


def _fit(pieces: list[Prompt], max_tokens: int, most_pictures: int, overlong: Overlong, where: str) -> list[Prompt]:
    """The pieces without the oldest turns: the first (the system's) and the last two always stay."""
    if overlong not in ("drop_oldest", "error"):
        raise unknown("way with overlong talks", overlong, ("drop_oldest", "error"))
    excess = sum(len(piece.tokens) for piece in pieces) - max_tokens
    too_many = len(_pictures(pieces)) - most_pictures
    if excess > 0 and overlong == "error":
        raise DoesNotFit(
            f"{where}: {max_tokens + excess} tokens, but at most {max_tokens} may be; raise it or cut the talk."
        )
    if too_many > 0 and overlong == "error":
        raise DoesNotFit(
            f"{where}: {most_pictures + too_many} pictures, but pictures.most is {most_pictures}; raise it or cut the "
            "talk."
        )
    first = 1
    while (excess > 0 or too_many > 0) and first < len(pieces) - 2:
        excess -= len(pieces[first].tokens)
        too_many -= len(pieces[first].pictures)
        first += 1
    if too_many > 0:
        raise DoesNotFit(
            f"{where}: the last exchange alone has {most_pictures + too_many} pictures, more than pictures.most = "
            f"{most_pictures}; raise it, or leave some out."
        )
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
