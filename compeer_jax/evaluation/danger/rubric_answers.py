"""Answers of chat models that are asked, by the rubric, whether talks show danger."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from compeer_jax.chat.models import Malformed, Parsed, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.dialogue.danger.rubric import read_rubric, rubric_messages
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.progress import Progress


class SeekerTurns(NamedTuple):
    """What the seeker has said so far in a talk; a sentence is a talk of one turn."""

    turns: tuple[str, ...]
    language: Language


class RubricFindings(NamedTuple):
    """What a model finds.

    Attributes:
        kinds: in each talk; none where no answer can be read.
        unread: how many answers can't be read, asked for a second time either.
    """

    kinds: list[frozenset[str]]
    unread: int


def ask_rubric(model: ChatModel, talks: Sequence[SeekerTurns]) -> RubricFindings:
    """A model's answers to the rubric on each of the talks."""

    def messages(talk: SeekerTurns) -> Sequence[Mapping]:
        return rubric_messages([Turn("seeker", turn) for turn in talk.turns], talk.language)

    with Progress(len(talks), model.name) as progress:
        asked = ask_each(model, talks, messages, _kinds, progress=lambda done: progress.update(done, {}))
        answers = [answer for _, answer in asked]
    read = [answer.value if isinstance(answer, Parsed) else frozenset() for answer in answers]
    return RubricFindings(read, sum(not isinstance(answer, Parsed) for answer in answers))


def _kinds(talk: SeekerTurns, text: str) -> frozenset[str]:
    kinds = read_rubric(text)
    if kinds is None:
        raise Malformed("no answer")
    return frozenset(kinds)
