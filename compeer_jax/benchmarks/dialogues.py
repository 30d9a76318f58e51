"""Dialogues of a benchmark's run: a JSON object a line, in `dialogues.jsonl`, in the order of the scenarios.

    {"benchmark": "esc-eval"|"sage", "id", "language": "en"|"zh", "model", "card": {name: text, …},
     "turns": [{"role": "seeker"|"supporter", "content",
                "text"?, "steps"?: {tag: text}, "labels"?: {name: label}, "problems"?: [code], "truncated"?, (supporter)
                "emotion"?, "change"?, "analysis"?, "thinking"?}],                     (seeker)
     "ending": "rounds"|"success"|"failure"|"goodbye"|"no reply"|"budget", "emotion"?,
     "scores"?: {scorer: {dimension: 0..4|null}}, "missing"?: {scorer: {dimension: why}}, "provenance": {…}}

What a scorer did not say is null, never a number; only the official reading of ESC-Eval's scores has -1 there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.schema import Role, Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, one_of, structured, unstructured

FILE = "dialogues.jsonl"

Benchmark = Literal["esc-eval", "sage"]
Ending = Literal["rounds", "success", "failure", "goodbye", "no reply", "budget"]
UNFINISHED = ("no reply", "budget")  # of these there is no result

DIMENSIONS: Mapping[str, str] = {
    "fluency": "Fluency",
    "diversity": "Expression",
    "empathy": "Empathy",
    "suggestion": "Information",
    "tech": "Skillful",
    "human": "Humanoid",
    "overall": "Overall",
}
"""ESC-Eval's dimensions, and what the paper's table calls them."""

HIGHEST = 4  # of a score


def _check_score(score: int) -> int:
    if not -1 <= score <= HIGHEST:
        raise ValueError(f"must be 0 to {HIGHEST}, or null, found {score}")
    return score


Dimension = Annotated[str, Check(lambda name: one_of("dimension", name, DIMENSIONS))]
Score = Annotated[int, Check(_check_score)]

SCALE = 25  # of a score in tables
SILENCE = "…"  # what the others are shown of a turn without words


class Scenario(NamedTuple):
    """Scenario of a dialogue. `card` says who the seeker is, as plain texts by name."""

    id: str
    language: Language
    card: Mapping[str, str]


class Rejected(NamedTuple):
    """A row of a file that is no scenario: its place, why, and the row."""

    where: str
    reason: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class BenchTurn:
    """One turn.

    Attributes:
        role: who speaks.
        content: what the other one reads; "" where nothing was said.
        text: a supporter's output as it was written.
        steps: a supporter's reasoning by tag.
        labels: of that reasoning.
        problems: what is wrong with the output's format, by the codes of `dialogue/reasoning.py`.
        truncated: whether the output was cut at its longest.
        emotion: a seeker's emotion value at this turn.
        change: by how much it changed.
        analysis: why, in the words of who decided it.
        thinking: what the seeker thought.
    """

    role: Role
    content: str
    text: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict, hash=False)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    problems: tuple[str, ...] = ()
    truncated: bool = False
    emotion: int | None = None
    change: int | None = None
    analysis: str | None = None
    thinking: str | None = None

    @property
    def shown(self) -> Turn:
        """The turn as the other one and scorers see it."""
        return Turn(self.role, self.content or SILENCE)


@dataclass(frozen=True)
class BenchDialogue:
    """One dialogue of a benchmark, as far as it went.

    Attributes:
        benchmark: which.
        id: of the scenario.
        language: of the dialogue.
        model: what tables call the tested model.
        card: who the seeker is, as plain texts by name.
        turns: what was said.
        ending: why it went no further.
        emotion: SAGE's last emotion value.
        scores: ESC-Eval's, by scorer and dimension; None for what is missing.
        missing: why it is, by scorer and dimension.
        provenance: models, prompts with their versions, and the seed.
    """

    benchmark: Benchmark
    id: str
    language: Language
    model: str
    card: Mapping[str, str]
    turns: Sequence[BenchTurn]
    ending: Ending
    emotion: int | None = None
    scores: Mapping[str, Mapping[Dimension, Score | None]] = field(default_factory=dict)
    missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it went to its end, so that it has a result."""
        return self.ending not in UNFINISHED

    @property
    def responses(self) -> list[str]:
        """Replies of the supporter, turn by turn."""
        return [turn.content for turn in self.turns if turn.role == "supporter"]


def read_dialogues(path: str | Path) -> list[BenchDialogue]:
    """The dialogues of a run's folder, or of its `dialogues.jsonl`.

    Raises:
        UserError: no such file, a line that is no such dialogue, or two of one id.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path /= FILE
    rows: dict[str, BenchDialogue] = {}
    for where, obj in read_jsonl(path):
        row = structured(BenchDialogue, obj, where, unknown_fields="ignore")
        if row.id in rows:
            raise UserError(f"{where}: a second dialogue of id {row.id!r}; keep one of them.")
        rows[row.id] = row
    return list(rows.values())


def write_dialogues(folder: Path, rows: Iterable[BenchDialogue]) -> Path:
    """Writes a run's `dialogues.jsonl`, whole or not at all, and returns its path."""
    write_jsonl(folder / FILE, (unstructured(row) for row in rows))
    return folder / FILE


def reply_counts(turns: Iterable[BenchTurn]) -> dict[str, Any]:
    """How many of the turns are the tested model's, and what is wrong with how many of them."""
    replies = [turn for turn in turns if turn.role == "supporter"]
    return {
        "replies": len(replies),
        "broken format": sum(bool(turn.problems) for turn in replies),
        "problems": counted(problem for turn in replies for problem in turn.problems),
        "empty": sum(not turn.content for turn in replies),
        "truncated": sum(turn.truncated for turn in replies),
    }


def counted(values: Iterable[str]) -> dict[str, int]:
    """Counts, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
