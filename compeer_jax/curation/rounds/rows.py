"""A round of a dialogue as the pipeline's stages hand it on: the talk up to the seeker's turn, and the real reply."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compeer_jax.data.record import Record, history_field, text_field
from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.dialogue.taxonomy import STRATEGIES, check_language
from compeer_jax.errors import UserError, unknown


@dataclass(frozen=True)
class Reference:
    """What the supporter really said, and with which strategy (a canonical name) if the corpus says."""

    response: str
    strategy: str | None = None


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        id: "<dialogue id>#<index of the supporter's turn>", as the ids of silver records.
        dialogue: id of the dialogue.
        language: of the dialogue.
        source: the corpus.
        licence: the corpus's.
        history: the turns so far; the last one is the seeker's.
        reference: the reply.
        round: which one of the dialogue's it is, from 1.
        rounds: how many the dialogue has.
        situation: the seeker's own summary, if the corpus has one.
        emotion_type: canonical name, if the corpus has one.
        problem_type: as the corpus calls it.
        provenance: an object for each stage that made or changed it, oldest first.
    """

    id: str
    dialogue: str
    language: str
    source: str
    licence: str
    history: tuple[Turn, ...]
    reference: Reference
    round: int
    rounds: int
    situation: str | None = None
    emotion_type: str | None = None
    problem_type: str | None = None
    provenance: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Round":
        """The round that `obj` describes.

        Raises:
            UserError: naming `where` and the field, for anything missing, of the wrong type or unknown.
        """
        for name in obj:
            if name not in cls.__dataclass_fields__:
                raise unknown("field", name, cls.__dataclass_fields__, where)
        place, count = _whole_number(obj, "round", where), _whole_number(obj, "rounds", where)
        if place > count:
            raise UserError(f"{where}: round {place} of {count} can't be; mend the row.")
        return cls(
            id=text_field(obj, "id", where),
            dialogue=text_field(obj, "dialogue", where),
            language=check_language(text_field(obj, "language", where), where),
            source=text_field(obj, "source", where),
            licence=text_field(obj, "licence", where),
            history=history_field(obj, where),
            reference=_reference(obj.get("reference"), where),
            round=place,
            rounds=count,
            **{
                name: text_field(obj, name, where) if obj.get(name) is not None else None
                for name in ("situation", "emotion_type", "problem_type")
            },
            provenance=provenance_field(obj, where),
        )

    def record(self, reference: ReasonedTurn, provenance: Sequence[Mapping]) -> Record:
        """The round as a prompt with a reference answer."""
        return Record(
            id=self.id,
            language=self.language,
            source=self.source,
            licence=self.licence,
            situation=self.situation,
            history=self.history,
            reference=reference,
            problem_type=self.problem_type,
            provenance=tuple(provenance),
        )

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        obj: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        obj["history"] = [turn.to_json() for turn in self.history]
        obj["reference"] = {"response": self.reference.response, "strategy": self.reference.strategy}
        if self.reference.strategy is None:
            del obj["reference"]["strategy"]
        obj |= {"round": self.round, "rounds": self.rounds, "provenance": [dict(entry) for entry in self.provenance]}
        return {name: value for name, value in obj.items() if value is not None}


_PLAIN = ("id", "dialogue", "language", "source", "licence", "situation", "emotion_type", "problem_type")


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
            history=dialogue.turns[:index],
            reference=Reference(dialogue.turns[index].content.strip(), dialogue.turns[index].strategy),
            round=place,
            rounds=len(answers),
            situation=dialogue.situation,
            emotion_type=dialogue.emotion_type,
            problem_type=dialogue.problem_type,
            provenance=dialogue.provenance,
        )
        for place, index in enumerate(answers, start=1)
    ]


def provenance_field(obj: Mapping, where: str) -> tuple[Mapping[str, Any], ...]:
    """The objects under "provenance", if any; UserError that begins with `where` for anything else."""
    entries = obj.get("provenance", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{where}: field 'provenance' must be a list of objects.")
    return tuple(entries)


def _answers(dialogue: Dialogue) -> Iterator[int]:
    """The indices of the turns that answer."""
    for index in range(1, len(dialogue.turns)):
        before, turn = dialogue.turns[index - 1 : index + 1]
        if (before.role, turn.role) == ("seeker", "supporter") and turn.content.strip():
            yield index


def _reference(obj: object, where: str) -> Reference:
    if not isinstance(obj, dict):
        raise UserError(f"{where}: field 'reference' must be an object with a response.")
    for name in obj:
        if name not in Reference.__dataclass_fields__:
            raise unknown("field", name, Reference.__dataclass_fields__, f"{where}, reference")
    strategy = obj.get("strategy")
    if strategy is not None:
        strategy = STRATEGIES.require(text_field(obj, "strategy", where), where)
    return Reference(text_field(obj, "response", where), strategy)


def _whole_number(obj: Mapping, name: str, where: str) -> int:
    value = obj.get(name)
    if type(value) is not int or value < 1:
        raise UserError(f"{where}: field {name!r} must be a whole number from 1.")
    return value
