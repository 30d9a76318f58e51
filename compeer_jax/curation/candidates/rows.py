"""A candidate: what one chat model reasoned and answered in a sampled round, beside the reply that was really given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compeer_jax.curation.rounds.rows import Round
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import text_field
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.reasoning import FORMATS, ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError, unknown

CANDIDATES = "candidates.jsonl"

_LABELS = {label.name: label.category for format in FORMATS.values() for label in format.labels}
_STEPS = tuple(dict.fromkeys(step.tag for format in FORMATS.values() for step in format.steps))


@dataclass(frozen=True)
class Candidate:
    """One output for one round.

    Attributes:
        id: "<dialogue id>#<turn index>/<model name>".
        dialogue: id of the dialogue.
        language: of the dialogue and of the reasoning.
        source: the corpus's name.
        licence: the corpus's.
        history: the turns so far; the last one is the seeker's.
        reference: the reply that was really given.
        steps: tag -> the free text of the output's step.
        labels: label name -> canonical name, of all labels that the output's steps close with.
        response: the output's reply.
        round: which of the dialogue's rounds this is, from 1.
        rounds: how many rounds the dialogue has.
        strategy: of the reference, where the corpus gives it; a canonical name.
        situation: what the seeker wrote before the talk, if the corpus has it.
        emotion_type: as the corpus has it, if it does.
        problem_type: likewise.
        provenance: what made it and what it was made from, oldest first.
    """

    id: str
    dialogue: str
    language: Language
    source: str
    licence: str
    history: tuple[Turn, ...]
    reference: str
    steps: Mapping[str, str]
    labels: Mapping[str, str]
    response: str
    round: int
    rounds: int
    strategy: str | None = None
    situation: str | None = None
    emotion_type: str | None = None
    problem_type: str | None = None
    provenance: tuple[Mapping, ...] = ()

    @property
    def of_round(self) -> str:
        """The id of the round."""
        return self.dialogue + self.id.removeprefix(self.dialogue).partition("/")[0]

    @property
    def model(self) -> str:
        """What the chat model that wrote it is called in the settings."""
        return self.id.removeprefix(self.dialogue).partition("/")[2]

    @property
    def turn(self) -> ReasonedTurn:
        """The output as reasoning and reply."""
        return ReasonedTurn(self.steps, self.labels, self.response)

    @property
    def withheld(self) -> str | None:
        """Why it is left out for what supporter or model say in it; see `why_withheld`."""
        return why_withheld(*self.steps.values(), self.response, self.reference, turns=self.history)

    def sections(self, format: ReasoningFormat) -> dict[str, str]:
        """Tag -> the step as it was written, free text and labelled line; "" for a step that is not there."""
        return {step.tag: format.section(self.turn, step.tag, self.language) for step in format.steps}

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Candidate":
        """The candidate that `obj` describes.

        Raises:
            UserError: naming `where` and the field, for anything missing, of the wrong type or unknown.
        """
        own = ("steps", "labels", "response")
        asked = Round.from_json({name: value for name, value in obj.items() if name not in own}, where)
        shared = {name: getattr(asked, name) for name in _SHARED}
        return cls(
            **shared,
            reference=asked.reference.response,
            strategy=asked.reference.strategy,
            steps=_steps(obj.get("steps"), where),
            labels=_labels(obj.get("labels"), where),
            response=text_field(obj, "response", where),
        )

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        reference = {"response": self.reference, "strategy": self.strategy}
        obj = {
            "id": self.id,
            "dialogue": self.dialogue,
            "language": self.language,
            "source": self.source,
            "licence": self.licence,
            "situation": self.situation,
            "emotion_type": self.emotion_type,
            "problem_type": self.problem_type,
            "history": [turn.to_json() for turn in self.history],
            "reference": {name: value for name, value in reference.items() if value is not None},
            "round": self.round,
            "rounds": self.rounds,
            "steps": dict(self.steps),
            "labels": dict(self.labels),
            "response": self.response,
            "provenance": [dict(entry) for entry in self.provenance],
        }
        return {name: value for name, value in obj.items() if value is not None}


# What a candidate has from its round; the reference is taken apart.
_SHARED = tuple(name for name in Round.__dataclass_fields__ if name != "reference")


def read_candidates(path: str | Path) -> Iterator[Candidate]:
    """The candidates of a JSONL file, one a line; none if it is empty.

    Raises:
        UserError: naming file, line and field; see `Candidate.from_json`.
    """
    if Path(path).is_file() and not Path(path).stat().st_size:
        return
    for where, obj in read_jsonl(path):
        yield Candidate.from_json(obj, where)


def _steps(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise UserError(f"{where}: field 'steps' must be an object of texts by tag.")
    for tag in value:
        if tag not in _STEPS:
            raise unknown("step", tag, _STEPS, where)
    return {tag: text_field(value, tag, where) for tag in value}


def _labels(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: field 'labels' must be an object of labels by name.")
    for name in value:
        if name not in _LABELS:
            raise unknown("label", name, _LABELS, where)
    return {name: _LABELS[name].require(text_field(value, name, where), where) for name in value}
