"""Consensus of annotators: an item's verdict is that of at least two of them, or there is none.

Whose votes count: first people's, all of them. Where fewer than `annotators` people have voted, models take the places
that are left, in the order that the settings name them in; if those votes differ, one more model has a vote, where
there is one. So no model's vote weighs against those of `annotators` people, or settles what they differ on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compeer_jax.curation.annotation.votes import MODEL, Verdict, Vote

State = Literal["settled", "third", "excluded", "waiting"]


@dataclass(frozen=True)
class Outcome:
    """Outcome of an item.

    Attributes:
        state: "settled": it has a verdict; "third": the votes differ, and a third annotator is to be asked;
            "excluded": they still differ after that; "waiting": fewer than `annotators` have voted.
        value: the verdict; None if there is none.
        votes: those that count.
    """

    state: State
    value: Verdict | None
    votes: tuple[Vote, ...]

    @property
    def drafted(self) -> bool:
        """Whether a model's vote is among those that made the verdict."""
        return any(vote.by_model and vote.value == self.value for vote in self.votes)


def consensus(votes: Sequence[Vote], *, models: Sequence[str] = (), annotators: int = 2) -> Outcome:
    """What the votes on one item come to.

    The verdict is the value that at least two votes have, and more votes than any other value has.

    Args:
        votes: all votes on the item, at most one of each annotator.
        models: the chat models' names, in their order.
        annotators: how many vote before a verdict is made.
    """
    counted = counted_votes(votes, models=models, annotators=annotators)
    if len(counted) < annotators:
        return Outcome("waiting", None, counted)
    value = _most(counted)
    if value is not None:
        return Outcome("settled", value, counted)
    return Outcome("third" if len(counted) == annotators else "excluded", None, counted)


def counted_votes(votes: Sequence[Vote], *, models: Sequence[str] = (), annotators: int = 2) -> tuple[Vote, ...]:
    """The votes that count, in the order that they count in; see above."""
    counted = [vote for vote in votes if not vote.by_model]
    by_name = {vote.annotator: vote for vote in votes if vote.by_model}
    drafts = [by_name[MODEL + name] for name in models if MODEL + name in by_name]
    if len(counted) >= annotators:
        return tuple(counted)
    places = annotators - len(counted)
    counted += drafts[:places]
    if len(counted) == annotators and _most(counted) is None:
        counted += drafts[places : places + 1]
    return tuple(counted)


def _most(votes: Sequence[Vote]) -> Verdict | None:
    (value, most), *others = [*Counter(vote.value for vote in votes).most_common(2), (None, 0)]
    return value if most >= 2 and most > others[0][1] else None
