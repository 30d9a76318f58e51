"""Danger to the seeker in dialogues and records: found by their words, or marked in their provenance.

A dialogue tells of danger where any of the seeker's turns does (`dialogue.danger.find`), or where whoever built the
data has marked it: an entry {"danger": {"kinds", "level"}} in the provenance.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue import danger
from compeer_jax.dialogue.danger.find import find_danger
from compeer_jax.dialogue.danger.kinds import KINDS, in_order, level_of
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

MARK = "danger"
DIGITS = 16  # of a hash, hexadecimal


@dataclass(frozen=True)
class Talk:
    """A dialogue, or a record of one, as it is looked at.

    Attributes:
        id: the dialogue's.
        content: hash of all that would be learned from.
        said: what the seeker says, in order.
        replies: what supporters or models say to it.
        marked: kinds of danger that the data is marked with.
    """

    id: str
    content: str
    said: tuple[str, ...]
    replies: tuple[str, ...]
    marked: tuple[str, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of danger, found or marked."""
        return frozenset(self.marked).union(*map(kinds_in, self.said))


@lru_cache(maxsize=1 << 17)
def kinds_in(text: str) -> tuple[str, ...]:
    """Kinds of danger in one turn of a seeker. Records of a dialogue have turns in common: each is read once."""
    return find_danger(text).kinds


def danger_mark(turns: Iterable[Turn]) -> dict[str, Any] | None:
    """What marks a dialogue: {"kinds": the most urgent first, "level": "serious"}; None where there is no danger."""
    kinds = in_order(kind for turn in turns if turn.role == "seeker" for kind in kinds_in(turn.content))
    return {"kinds": list(kinds), "level": level_name(kinds)} if kinds else None


class DangerTally:
    """Marks dialogues with danger, and counts them by split and kind."""

    def __init__(self):
        self._dialogues: Counter[str] = Counter()
        self._kinds: dict[str, Counter[str]] = {}

    def marked(self, dialogue: Dialogue, split: str, stage: str) -> Dialogue:
        """The dialogue, with what was found in its provenance; as it is where nothing was."""
        mark = danger_mark(dialogue.turns)
        if mark is None:
            return dialogue
        self.add(mark, split)
        return replace(dialogue, provenance=(*dialogue.provenance, {"stage": stage, MARK: mark}))

    def add(self, mark: Mapping[str, Any], split: str) -> None:
        """Counts a dialogue by its mark."""
        self._dialogues[split] += 1
        for kind in mark["kinds"]:
            self._kinds.setdefault(kind, Counter())[split] += 1

    def counts(self) -> dict[str, Any]:
        """Dialogues with danger by split, and of each kind; a dialogue may have several."""
        kinds = {kind: self._kinds[kind] for kind in in_order(self._kinds)}
        return {
            "dialogues": {split: self._dialogues[split] for split in SPLITS},
            "kinds": {kind: {split: count[split] for split in SPLITS} for kind, count in kinds.items()},
        }


@cache
def finder_version() -> str:
    """Of all that decides where danger is found, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted(resources.files(danger).iterdir(), key=lambda file: file.name):
        if file.name.endswith((".py", ".yaml", ".npz")):
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def record_withheld(record: Record | JudgeRecord) -> str | None:
    """Why a record is left out of what is handed on, for what supporter or model say in it; see `why_withheld`."""
    steps, replies = _steps_and_replies(record)
    said = record.critiques.values() if isinstance(record, JudgeRecord) else ()
    return why_withheld(*steps.values(), *replies, *said, turns=record.history)


def level_name(kinds: Iterable[str]) -> str:
    """The highest level of `kinds`: "none", "concern", "serious" or "emergency"."""
    return level_of(kinds).name.lower()


def dialogue_talk(dialogue: Dialogue) -> Talk:
    """What of a dialogue is looked at."""
    replies = tuple(turn.content for turn in dialogue.turns if turn.role == "supporter")
    turns = _plain(dialogue.turns)
    return Talk(dialogue.id, _hash(turns), _said(dialogue.turns), replies, _marked(dialogue))


def record_talk(record: Record | JudgeRecord) -> Talk:
    """What of a record is looked at. Its dialogue's id is the record's before the last "#"."""
    steps, replies = _steps_and_replies(record)
    content = _hash([_plain(record.history), steps, list(replies)])
    dialogue = record.id.rpartition("#")[0] or record.id
    return Talk(dialogue, content, _said(record.history), replies, _marked(record))


def dangers(talks: Iterable[Talk]) -> dict[str, tuple[str, ...]]:
    """Dialogue -> kinds of danger in any talk of it, the most urgent first; only where there are any."""
    found: dict[str, set[str]] = {}
    for talk in talks:
        if kinds := talk.kinds:
            found.setdefault(talk.id, set()).update(kinds)
    return {id: in_order(kinds) for id, kinds in found.items()}


def _steps_and_replies(record: Record | JudgeRecord) -> tuple[dict[str, str], tuple[str, ...]]:
    if isinstance(record, JudgeRecord):
        return dict(record.steps), record.responses
    return dict(record.reference.steps), (record.reference.response,)


def _said(turns: Iterable[Turn]) -> tuple[str, ...]:
    return tuple(turn.content for turn in turns if turn.role == "seeker")


def _plain(turns: Iterable[Turn]) -> list[list[str]]:
    return [[turn.role, turn.content] for turn in turns]


def _marked(item: Dialogue | Record | JudgeRecord) -> tuple[str, ...]:
    kinds: list[str] = []
    for entry in item.provenance:
        mark = entry.get(MARK)
        if mark is None:
            continue
        named = mark.get("kinds") if isinstance(mark, Mapping) else None
        if not isinstance(named, list) or not set(map(str, named)) <= set(KINDS):
            raise UserError(
                f"{item.id!r}: {MARK!r} in its provenance must be an object with kinds, a list of {', '.join(KINDS)}."
            )
        kinds += named
    return in_order(kinds)


def _hash(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
