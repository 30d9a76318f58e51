"""Tasks for annotators and their items.

A task is one candidate without its model's name and with the two replies in an order of their own; an item is one
question about it, on a step or on the replies.

A task's key and order are drawn from the seed and the candidate's id. What comes back is matched by drawing them again,
so that no list of who is who needs to be kept, or can be lost.

Who is shown several outputs for one round can still tell the reference from them: it is the reply that comes again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.data.jsonl import parse_json
from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.structure import structured

KEY = "key"
ASKED = "asked"
ANNOTATOR = "annotator"
DEALT_TO = "dealt_to"
PREFERENCE = "preference"


@dataclass(frozen=True)
class Task:
    """One candidate as it is given to annotators.

    Attributes:
        key: what they know it by; nothing can be read from it.
        swapped: whether the output is shown first, and the reference second.
        candidate: what it is.
    """

    key: str
    swapped: bool
    candidate: Candidate

    @property
    def responses(self) -> tuple[str, str]:
        """The replies in the order shown."""
        kept = self.candidate.reference.response, self.candidate.response
        return kept[::-1] if self.swapped else kept

    def case(self, format: ReasoningFormat) -> JudgeCase:
        """The task as a judge is shown it."""
        candidate = self.candidate
        return JudgeCase(candidate.language, candidate.history, candidate.sections(format), self.responses)


def shown_media(turn: Turn) -> list[str]:
    """What stands for a turn's pictures where there is text alone: a name each, and what they show, if known."""
    names = [f"[image: {Path(path).name}]" for path in turn.images]
    return [*names, f"[{' '.join(turn.caption.split())}]"] if turn.caption else names


def task_key(seed: int, id: str) -> str:
    """The key of a candidate's task: a letter, so that no spreadsheet takes it for a number, and 15 hex digits."""
    return "t" + hashlib.sha256(f"{seed}/{id}/key".encode()).hexdigest()[:15]


def is_swapped(seed: int, id: str) -> bool:
    """Whether a candidate's output is shown before the reference: a fair coin."""
    return bool(np.random.default_rng([*f"{seed}/{id}/order".encode()]).random() < 0.5)


def make_task(candidate: Candidate, seed: int) -> Task:
    """The task of a candidate."""
    return Task(task_key(seed, candidate.id), is_swapped(seed, candidate.id), candidate)


def verdict_field(tag: str) -> str:
    """What the verdict on an item is called in forms that annotators fill in: "history_verdict", "preference"."""
    return PREFERENCE if tag == RESPONSE else f"{tag}_verdict"


VERDICT_FIELDS = tuple(dict.fromkeys(verdict_field(tag) for format in FORMATS.values() for tag in format.tags))


class Tasks:
    """The tasks of a candidates' file, by key. Only keys and places are kept in memory.

    Args:
        path: the candidates, one a line; the file may be empty.
        seed: of keys and orders.

    Attributes:
        ids: key -> the candidate's id.
        withheld: the id of a candidate that nobody is shown -> why.

    Raises:
        UserError: naming file, line and field of a candidate that is none, or an id that is there twice.
    """

    def __init__(self, path: Path, seed: int):
        self.path, self.seed = path, seed
        self.ids: dict[str, str] = {}
        self.withheld: dict[str, str] = {}
        self._places: dict[str, int] = {}
        place = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                candidate = _candidate(line, where)
                key = task_key(seed, candidate.id)
                if key in self.ids:
                    raise UserError(f"{where}: the id {candidate.id!r} is there twice; give each candidate its own.")
                if why := candidate.withheld:
                    self.withheld[candidate.id] = why
                else:
                    self.ids[key], self._places[key] = candidate.id, place
                place += len(line)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Task]:
        """The tasks in the candidates' order."""
        return self._read(self._places)

    def shuffled(self, keys: set[str] | None = None) -> Iterator[Task]:
        """The tasks in the order of their keys, in which no model's outputs stand together; those of `keys` only."""
        return self._read(sorted(self._places if keys is None else keys))

    def _read(self, keys) -> Iterator[Task]:
        with self.path.open("rb") as file:
            for key in keys:
                file.seek(self._places[key])
                candidate = _candidate(file.readline(), str(self.path))
                yield make_task(candidate, self.seed)


def _candidate(line: bytes, where: str) -> Candidate:
    return structured(Candidate, parse_json(line, where), where)
