"""Rows of rounds: the talk up to a seeker's turn, and the reply that was really given."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from compeer_jax.data.record import History, Provenance, Record
from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import STRATEGIES, Language
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, at_least

ROUNDS = "rounds.jsonl"

Count = Annotated[int, Check(at_least(1))]


@dataclass(frozen=True)
class Reference:
    """What the supporter really said, and with which strategy (a canonical name) if the corpus says."""

    response: Text
    strategy: Annotated[str | None, Check(lambda name: name and STRATEGIES.require(name))] = None


@dataclass(frozen=True, kw_only=True)
class RoundContext:
    """What a round and an output for it have in common.

    Attributes:
        id: "<dialogue id>#<index of the supporter's turn>", as the ids of silver records; more may follow.
        dialogue: id of the dialogue.
        language: of the dialogue.
        source: the corpus.
        licence: the corpus's.
        situation: the seeker's own summary, if the corpus has one.
        emotion_type: canonical name, if the corpus has one.
        problem_type: as the corpus calls it.
        reference: the reply that was really given.
        round: which one of the dialogue's it is, from 1.
        rounds: how many the dialogue has.
    """

    id: Text
    dialogue: Text
    language: Language
    source: Text
    licence: Text
    situation: Text | None = None
    emotion_type: Text | None = None
    problem_type: Text | None = None
    history: History
    reference: Reference
    round: Count
    rounds: Count

    def __post_init__(self):
        if self.round > self.rounds:
            raise UserError(f"round {self.round} of {self.rounds} can't be; mend the row.")


@dataclass(frozen=True, kw_only=True)
class Round(RoundContext):
    """One round.

    Attributes:
        provenance: what made it, oldest first.
    """

    provenance: Provenance = ()


def policy_record(context: RoundContext, id: str, reference: ReasonedTurn, provenance: Provenance) -> Record:
    """A round or candidate as a prompt with a reference answer."""
    return Record(
        id=id,
        language=context.language,
        source=context.source,
        licence=context.licence,
        situation=context.situation,
        problem_type=context.problem_type,
        history=context.history,
        reference=reference,
        provenance=provenance,
    )


def rounds_of(dialogue: Dialogue) -> list[Round]:
    """All rounds of a dialogue: each supporter's turn with words in it that answers a seeker's turn.

    Neighbours of one role must have been merged. A supporter who speaks first opens no round.
    """
    answers = list(_answers(dialogue))
    return [
        Round(
            id=f"{dialogue.id}#{index}",
            dialogue=dialogue.id,
            language=dialogue.language,
            source=dialogue.source,
            licence=dialogue.licence,
            situation=dialogue.situation,
            emotion_type=dialogue.emotion_type,
            problem_type=dialogue.problem_type,
            history=dialogue.turns[:index],
            reference=Reference(dialogue.turns[index].content.strip(), dialogue.turns[index].strategy),
            round=place,
            rounds=len(answers),
            provenance=dialogue.provenance,
        )
        for place, index in enumerate(answers, start=1)
    ]


def _answers(dialogue: Dialogue) -> Iterator[int]:
    """The indices of the turns that answer."""
    for index in range(1, len(dialogue.turns)):
        before, turn = dialogue.turns[index - 1 : index + 1]
        if (before.role, turn.role) == ("seeker", "supporter") and turn.content.strip():
            yield index
