"""What a benchmark leaves of each dialogue: a JSON object a line, in `dialogues.jsonl`, in the order of the scenarios.

    {"benchmark": "esc-eval"|"sage", "id", "language": "en"|"zh", "model", "card": {name: text, …},
     "turns": [{"role": "seeker"|"supporter", "content",
                "text"?, "steps"?: {tag: text}, "labels"?: {name: label}, "problems"?: [code], "truncated"?, (supporter)
                "emotion"?, "change"?, "analysis"?, "thinking"?}],                     (seeker)
     "ending": "rounds"|"success"|"failure"|"goodbye"|"no reply"|"budget", "emotion"?,
     "scores"?: {scorer: {dimension: 0..4|null}}, "missing"?: {scorer: {dimension: why}}, "provenance": {…}}

What a scorer did not say is null, never a number; only the official reading of ESC-Eval's scores has -1 there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.schema import Role, Turn
from compeer_jax.dialogue.taxonomy import Language, check_language
from compeer_jax.errors import UserError, unknown

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
SCALE = 25  # of a score in tables
SILENCE = "…"  # what the others are shown of a turn without words


class Scenario(NamedTuple):
    """What a dialogue is played from. `card` says who the seeker is, as plain texts by name."""

    id: str
    language: Language
    card: Mapping[str, str]


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

    @classmethod
    def from_json(cls, obj: object, where: str) -> "BenchTurn":
        """The turn that `obj` describes; UserError naming `where` for one that is none."""
        if not isinstance(obj, dict) or not isinstance(obj.get("content"), str):
            raise UserError(f"{where}: expected a turn with 'role' and 'content'.")
        if obj.get("role") not in get_args(Role):
            raise unknown("role", obj.get("role"), get_args(Role), where)
        known = {name: obj[name] for name in cls.__dataclass_fields__ if name in obj}
        return cls(**known | {"problems": tuple(obj.get("problems", ()))})

    def to_json(self) -> dict[str, Any]:
        """The JSON form, without what there is nothing of."""
        obj = {"role": self.role, "content": self.content}
        for name in list(self.__dataclass_fields__)[2:]:
            value = getattr(self, name)
            if value is not None and value is not False and value not in ({}, ()):
                obj[name] = list(value) if isinstance(value, tuple) else value
        return obj

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
    scores: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, obj: Mapping[str, Any], where: str) -> "BenchDialogue":
        """The dialogue that `obj` describes; unknown fields are left out.

        Raises:
            UserError: naming `where` and the field, for one that is missing or can't be.
        """
        for name in ("benchmark", "id", "language", "model", "card", "turns", "ending"):
            if name not in obj:
                raise UserError(f"{where}: field {name!r} is missing; is it a line of a benchmark's {FILE}?")
        for name, options in (("benchmark", get_args(Benchmark)), ("ending", get_args(Ending))):
            if obj[name] not in options:
                raise unknown(name, obj[name], options, where)
        if not isinstance(obj["turns"], list) or not isinstance(obj["card"], dict):
            raise UserError(f"{where}: 'turns' must be a list, and 'card' an object.")
        scores = obj.get("scores", {})
        for scorer, given in scores.items():
            for dimension, score in given.items():
                if dimension not in DIMENSIONS:
                    raise unknown("dimension", dimension, DIMENSIONS, f"{where}, scores of {scorer}")
                if score is not None and (type(score) is not int or not -1 <= score <= HIGHEST):
                    raise UserError(
                        f"{where}: {scorer}'s score of {dimension} is {score!r}; it can be 0 to {HIGHEST}, or null."
                    )
        turns = tuple(BenchTurn.from_json(turn, f"{where}, turn {n}") for n, turn in enumerate(obj["turns"], start=1))
        known = {name: obj[name] for name in cls.__dataclass_fields__ if name in obj}
        return cls(**known | {"turns": turns, "language": check_language(obj["language"], where)})

    def to_json(self) -> dict[str, Any]:
        """The JSON form, without what there is nothing of."""
        obj = {name: getattr(self, name) for name in self.__dataclass_fields__}
        obj["turns"] = [turn.to_json() for turn in self.turns]
        return {name: value for name, value in obj.items() if name == "card" or (value is not None and value != {})}

    @property
    def finished(self) -> bool:
        """Whether it went to its end, so that it has a result."""
        return self.ending not in UNFINISHED

    @property
    def responses(self) -> list[str]:
        """What the supporter said, turn by turn."""
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
        row = BenchDialogue.from_json(obj, where)
        if row.id in rows:
            raise UserError(f"{where}: a second dialogue of id {row.id!r}; keep one of them.")
        rows[row.id] = row
    return list(rows.values())


def write_dialogues(folder: Path, rows: Iterable[BenchDialogue]) -> Path:
    """Writes a run's `dialogues.jsonl`, whole or not at all, and returns its path."""
    write_jsonl(folder / FILE, (row.to_json() for row in rows))
    return folder / FILE
