"""Assignment of tasks to annotators: each goes to some of the people, and what they differ on to somebody else.

The paper has 20 annotators, two for each task, and a third where these differ.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Dealer:
    """Deals tasks out, one after the other. The same tasks in the same order are dealt the same way.

    Whoever has the fewest tasks so far is next, so no two people's numbers differ by more than one; among those that
    have equally many, a hash of the seed, the task and the name decides, so that everybody works with everybody.

    Attributes:
        counts: how many tasks each person has so far.
    """

    people: Sequence[str]
    seed: int
    counts: dict[str, int] = field(init=False)

    def __post_init__(self):
        self.counts = dict.fromkeys(self.people, 0)

    def deal(self, key: str, count: int, seen: Collection[str] = ()) -> tuple[str, ...]:
        """Who is given a task: `count` people or, where fewer may be, all of those."""
        free = [name for name in self.people if name not in seen]
        chosen = sorted(free, key=lambda name: (self.counts[name], self._draw(key, name)))[:count]
        for name in chosen:
            self.counts[name] += 1
        return tuple(sorted(chosen, key=self.people.index))

    def _draw(self, key: str, name: str) -> bytes:
        return hashlib.sha256(f"{self.seed}/{key}/{name}/dealt".encode()).digest()


def deal_all(keys: Iterable[str], people: Sequence[str], each: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Task -> the people who are given it."""
    dealer = Dealer(people, seed)
    return {key: dealer.deal(key, each) for key in keys} if people else {}


def deal_third(
    asked: Iterable[str],
    dealt: Mapping[str, tuple[str, ...]],
    voted: Mapping[str, Collection[str]],
    people: Sequence[str],
    seed: int,
) -> dict[str, str]:
    """Task -> who is asked about it where others differ: one who was not given it and has not voted on it.

    Those who have seen a task are known from the first deal, whoever's account the votes came from. Where there is
    nobody left, the task is absent.

    Args:
        asked: keys of the tasks that are open.
        dealt: whom each was given to.
        voted: annotators by task, as votes name them.
    """
    dealer, found = Dealer(people, seed), {}
    for key in asked:
        for name in dealer.deal(key, 1, {*dealt.get(key, ()), *voted.get(key, ())}):
            found[key] = name
    return found
