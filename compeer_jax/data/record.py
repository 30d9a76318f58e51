"""Records of prompts: what was said so far, one turn that may follow it, and gold labels as far as they are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError, unknown
from compeer_jax.structure import Check, Text

LABELS = {label.name: label.category for format in FORMATS.values() for label in format.labels}
"""Name of a gold label -> the category that its values are from."""


def ends_with_seeker(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The check that a history has turns, and the seeker's stands last."""
    if not turns:
        raise ValueError("must be a list of at least one turn")
    if turns[-1].role != "seeker":
        raise UserError("the history must end with the seeker's turn.")
    return turns


def known_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The check that gold labels are ones we know, made canonical."""
    for name in labels:
        if name not in LABELS:
            raise unknown("label", name, LABELS)
    return {name: LABELS[name].require(text) for name, text in labels.items()}


def _gold(turn: ReasonedTurn) -> ReasonedTurn:
    for part, text in {**turn.steps, RESPONSE: turn.response}.items():
        if not text.strip():
            raise UserError(f"field 'reference.{part}' must be a string that is not empty.")
    return replace(turn, labels=known_labels(turn.labels))


History = Annotated[tuple[Turn, ...], Check(ends_with_seeker)]
"""The turns so far; the last one is the seeker's."""

Provenance = tuple[Mapping[str, Any], ...]
"""An object for each stage that made or changed something, oldest first."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One prompt and its reference answer.

    Attributes:
        id: "<dialogue id>#<index of the supporter's turn>".
        language: of the dialogue and of the reasoning.
        source: "silver:<corpus>" for silver records.
        licence: the corpus's.
        situation: the seeker's own summary, if the corpus has one.
        problem_type: as the corpus calls it.
        reference: a reply, the reasoning steps that lead to it, and gold labels. Steps are all there or, where nobody
            has reasoned for this reply, none; a label that isn't there is not known.
    """

    id: Text
    language: Language
    source: Text
    licence: Text
    situation: Text | None = None
    problem_type: Text | None = None
    history: History
    reference: Annotated[ReasonedTurn, Check(_gold)]
    provenance: Provenance = ()

    def lacks(self, labels: Iterable[str]) -> list[str]:
        """Which of these gold labels are not known."""
        return [name for name in labels if name not in self.reference.labels]
