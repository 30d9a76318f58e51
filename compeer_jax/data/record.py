"""A record: what was said so far, and one turn that may follow it, with gold labels as far as they are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compeer_jax.dialogue.reasoning import FORMATS, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import check_language
from compeer_jax.errors import UserError, unknown

_LABELS = {label.name: label.category for format in FORMATS.values() for label in format.labels}


@dataclass(frozen=True)
class Record:
    """One prompt and its reference answer.

    Attributes:
        id: "<dialogue id>#<index of the supporter's turn>".
        language: of the dialogue and of the reasoning.
        source: "silver:<corpus>" for silver records.
        licence: the corpus's.
        situation: the seeker's own summary, if the corpus has one.
        history: the turns so far; the last one is the seeker's.
        reference: a reply, the reasoning steps that lead to it, and gold labels. Steps are all there or, where nobody
            has reasoned for this reply, none; a label that isn't there is not known.
        problem_type: as the corpus calls it.
        provenance: where it comes from, an object for each stage that made or changed it, oldest first.
    """

    id: str
    language: str
    source: str
    licence: str
    situation: str | None
    history: tuple[Turn, ...]
    reference: ReasonedTurn
    problem_type: str | None = None
    provenance: tuple[Mapping, ...] = ()

    def lacks(self, labels: Iterable[str]) -> list[str]:
        """Which of these gold labels are not known."""
        return [name for name in labels if name not in self.reference.labels]

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Record":
        """The record that `obj` describes.

        Raises:
            UserError: naming `where` and the field, for anything missing, of the wrong type or unknown.
        """
        for name in obj:
            if name not in cls.__dataclass_fields__:
                raise unknown("field", name, cls.__dataclass_fields__, where)
        return cls(
            id=text_field(obj, "id", where),
            language=check_language(text_field(obj, "language", where), where),
            source=text_field(obj, "source", where),
            licence=text_field(obj, "licence", where),
            situation=text_field(obj, "situation", where) if obj.get("situation") is not None else None,
            history=history_field(obj, where),
            reference=_reasoned_turn(obj.get("reference"), where),
            problem_type=text_field(obj, "problem_type", where) if obj.get("problem_type") is not None else None,
            provenance=provenance_field(obj, where),
        )

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        obj = {
            "id": self.id,
            "language": self.language,
            "source": self.source,
            "licence": self.licence,
            "situation": self.situation,
            "problem_type": self.problem_type,
            "history": [turn.to_json() for turn in self.history],
            "reference": {
                "steps": dict(self.reference.steps),
                "labels": dict(self.reference.labels),
                "response": self.reference.response,
            },
            "provenance": [dict(entry) for entry in self.provenance] or None,
        }
        return {name: value for name, value in obj.items() if value is not None}


def _reasoned_turn(obj: object, where: str) -> ReasonedTurn:
    if not isinstance(obj, dict):
        raise UserError(f"{where}: field 'reference' must be an object with steps, labels and response.")
    steps, labels = obj.get("steps"), obj.get("labels")
    if not isinstance(steps, dict) or not isinstance(labels, dict):
        raise UserError(f"{where}: fields 'steps' and 'labels' of the reference must be objects.")
    for name in labels:
        if name not in _LABELS:
            raise unknown("label", name, _LABELS, where)
    return ReasonedTurn(
        steps={tag: text_field(steps, tag, where) for tag in steps},
        labels={name: _LABELS[name].require(text_field(labels, name, where), where) for name in labels},
        response=text_field(obj, "response", where),
    )


def history_field(obj: Mapping, where: str) -> tuple[Turn, ...]:
    """The turns under "history", the seeker's last; UserError that begins with `where` for anything else."""
    history = obj.get("history")
    if not isinstance(history, list) or not history:
        raise UserError(f"{where}: field 'history' must be a list of at least one turn.")
    turns = tuple(Turn.from_json(turn, f"{where}, turn {index}") for index, turn in enumerate(history))
    if turns[-1].role != "seeker":
        raise UserError(f"{where}: the history must end with the seeker's turn.")
    return turns


def provenance_field(obj: Mapping, where: str) -> tuple[Mapping, ...]:
    """The objects under "provenance", () without; UserError that begins with `where` for anything else."""
    value = obj.get("provenance") or []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise UserError(f"{where}: field 'provenance' must be a list of objects.")
    return tuple(value)


def text_field(obj: Mapping, name: str, where: str) -> str:
    """The text under `name`; UserError that begins with `where` if it is missing, empty or no text."""
    value = obj.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: field {name!r} must be a string that is not empty.")
    return value
