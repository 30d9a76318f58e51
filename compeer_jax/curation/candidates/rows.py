"""Rows of candidates: what a chat model reasoned and answered in a sampled round, beside the reply really given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from compeer_jax.curation.rounds.rows import RoundContext
from compeer_jax.data.record import Provenance, known_labels
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.reasoning import FORMATS, ReasonedTurn, ReasoningFormat
from compeer_jax.errors import unknown
from compeer_jax.structure import Check, Text

CANDIDATES = "candidates.jsonl"

_STEPS = tuple(dict.fromkeys(step.tag for format in FORMATS.values() for step in format.steps))


def known_steps(steps: Mapping[str, str]) -> Mapping[str, str]:
    """The check that there are steps, each of some reasoning format."""
    if not steps:
        raise ValueError("must be an object of texts by tag")
    for tag in steps:
        if tag not in _STEPS:
            raise unknown("step", tag, _STEPS)
    return steps


@dataclass(frozen=True, kw_only=True)
class Candidate(RoundContext):
    """One output for one round.

    Attributes:
        id: that of the round, and "/<model name>".
        steps: tag -> the free text of the output's step.
        labels: label name -> canonical name, of all labels that the output's steps close with.
        response: the output's reply.
        provenance: what made it and what it was made from, oldest first.
    """

    steps: Annotated[Mapping[str, Text], Check(known_steps)]
    labels: Annotated[Mapping[str, str], Check(known_labels)]
    response: Text
    provenance: Provenance = ()

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
        return why_withheld(*self.steps.values(), self.response, self.reference.response, turns=self.history)

    def sections(self, format: ReasoningFormat) -> dict[str, str]:
        """Tag -> the step as it was written, free text and labelled line; "" for a step that is not there."""
        return {step.tag: format.section(self.turn, step.tag, self.language) for step in format.steps}
