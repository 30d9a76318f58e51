"""Rewriting of a talk and two replies: numbered lines asked for in other words and read back, and their strategies."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from compeer_jax.chat.models import Malformed
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.personality.traits import Side, Traits, persona_text
from compeer_jax.data.record import History, Provenance
from compeer_jax.dialogue.picture_parts import PICTURE_WORDS
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import SPEAKERS, one_line, talk_text
from compeer_jax.dialogue.taxonomy import STRATEGIES, Language
from compeer_jax.structure import Text

Variant = Literal["r", "p"]
PROMPTS: Mapping[Variant, str] = {"r": "rewrite", "p": "rewrite_persona"}
"""Of each variant: rewritten as it is, and to the manner of somebody else."""

STRATEGY_PROMPT = "strategy"

_LINE = re.compile(r"(\d{1,4}) ?[.．、)）:：] ?(.*)")
_AROUND = re.compile(r"```\w*|</?(?:conversation|second)>")  # lines that models put around what they were asked for
_FIRST = re.compile(r"(?:first|第一个) ?: ?(.+)", re.IGNORECASE)
_SECOND = re.compile(r"(?:second|第二个) ?: ?(.+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A candidate's talk and its two answers in other words, as a row.

    Attributes:
        id: the candidate's.
        variant: "r" without a persona, "p" with one.
        persona: side -> whose manner it was given, and their traits.
        history: the turns so far.
        responses: reference and output.
        steps: tag -> the step's free text, its quotes those of the new words; None where steps were left as they were.
    """

    id: Text
    variant: Variant
    persona: Mapping[str, Mapping[str, str]] | None = None
    history: History
    responses: tuple[str, str]
    steps: Mapping[str, Text] | None = None
    provenance: Provenance = ()


@dataclass(frozen=True)
class Talk:
    """What is rewritten.

    Attributes:
        language: of it.
        history: the turns, the last one the seeker's.
        responses: the reference, and the reply of the output.
    """

    language: Language
    history: tuple[Turn, ...]
    responses: tuple[str, str]

    @classmethod
    def of(cls, candidate: Candidate) -> "Talk":
        """A candidate's talk."""
        return cls(candidate.language, candidate.history, (candidate.reference.response, candidate.response))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The history, then the two replies as the supporter's turns, all on one line each: what is shown."""
        replies = (Turn("supporter", response) for response in self.responses)
        return tuple(
            replace(turn, content=one_line(turn.content) or PICTURE_WORDS[self.language])
            for turn in (*self.history, *replies)
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """Their words, a line each."""
        return tuple(turn.content for turn in self.turns)

    def said_as(self, lines: Sequence[str]) -> "Talk":
        """The talk in other words: roles, order, strategies and images stay, and a turn without words has none."""
        if len(lines) != len(self.lines):
            raise ValueError(f"{len(lines)} lines for {len(self.lines)}")
        history = tuple(
            replace(turn, content=line if turn.content.strip() else turn.content)
            for turn, line in zip(self.history, lines[:-2], strict=True)
        )
        return replace(self, history=history, responses=tuple(lines[-2:]))


def rewrite_messages(talk: Talk, persona: Mapping[Side, Traits] | None = None) -> list[dict[str, str]]:
    """The chat that asks for a talk in other words: to the manner of `persona`, if it is given."""
    shown = {"conversation": talk_text(talk.turns, talk.language, numbered=True), "lines": str(len(talk.turns))}
    if persona is None:
        return load_task_prompt(PROMPTS["r"], talk.language).messages(**shown)
    personas = {f"{side}_persona": persona_text(traits, talk.language) for side, traits in persona.items()}
    return load_task_prompt(PROMPTS["p"], talk.language).messages(**shown, **personas)


def parse_rewrite(talk: Talk, text: str) -> tuple[str, ...]:
    """The rewritten lines in a chat model's answer, without numbers and speakers.

    Every line but empty ones must have its number, from 1 without gaps. Its speaker may be left out, but not be
    another one than it was.

    Raises:
        Malformed: anything else.
    """
    turns = talk.turns
    lines = numbered_lines(text, len(turns))
    return tuple(_words(line, turn, talk.language) for line, turn in zip(lines, turns, strict=True))


def numbered_lines(text: str, count: int) -> list[str]:
    """The `count` lines of a chat model's answer without their numbers; empty lines and frames don't count.

    Raises:
        Malformed: a line without its number, or other numbers than 1 to `count` in order.
    """
    lines: list[str] = []
    for row in map(str.strip, text.strip().splitlines()):
        if not row or _AROUND.fullmatch(row):
            continue
        match = _LINE.fullmatch(row)
        if match is None:
            raise Malformed("a line without its number")
        if int(match[1]) != len(lines) + 1:
            raise Malformed("lines that are not numbered in order")
        if len(lines) == count:
            raise Malformed("more lines than were asked for")
        lines.append(match[2].strip())
    if len(lines) < count:
        raise Malformed("fewer lines than were asked for")
    return lines


def strategy_messages(talk: Talk) -> list[dict[str, str]]:
    """The chat that asks for the strategies of a talk's two replies."""
    first, second = map(one_line, talk.responses)
    shown = {"conversation": talk_text(talk.history, talk.language), "first": first, "second": second}
    return load_task_prompt(STRATEGY_PROMPT, talk.language).messages(**shown)


def parse_strategies(text: str) -> tuple[str, str]:
    """The canonical names in a chat model's answer of two lines, of the first reply and of the second.

    Raises:
        Malformed: there are other lines, or a name that is none of the eight.
    """
    lines = [line.strip() for line in unicodedata.normalize("NFKC", text).strip().splitlines() if line.strip()]
    matches = [pattern.fullmatch(line) for pattern, line in zip((_FIRST, _SECOND), lines, strict=False)]
    if len(lines) != 2 or not all(matches):
        raise Malformed("not one line with a strategy for each reply")
    first, second = (STRATEGIES.canonical(match[1]) for match in matches)
    if first is None or second is None:
        raise Malformed("a strategy that is not on the list")
    return first, second


def _words(text: str, turn: Turn, language: Language) -> str:
    """A line's words, its speaker taken away if it is there, in the talk's language or the other."""
    for names in (SPEAKERS[language], *SPEAKERS.values()):
        head, sign, rest = _split(text)
        role = next((role for role, name in names.items() if sign and head == _bare(name)), None)
        if role is not None and role != turn.role:
            raise Malformed("a line with another speaker than it had")
        if role is not None:
            text = rest
            break
    text = text.strip()
    if not text or (_has_words(turn.content) and not _has_words(text)):
        raise Malformed("a line without words")
    return text


def _split(text: str) -> tuple[str, str, str]:
    """What stands before the first colon of either width, bare; the colon; and the rest."""
    match = re.match(r"([^:：]{0,20})([:：])(.*)", text)
    return (_bare(match[1]), match[2], match[3]) if match else ("", "", text)


def _bare(name: str) -> str:
    return name.strip(" :：").casefold()


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))
