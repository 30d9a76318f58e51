"""Diversity of a model's replies over turns: how they repeat themselves, and resemble those to other people.

Replies are compared as Eq. 6 compares them: cosines of word counts, a Chinese character being a word. `within` is the
mean cosine of a reply with the model's earlier replies in the same dialogue, `across` that of two replies at the same
turn of different dialogues: a model that says the same to everybody has a high one.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from compeer_jax.benchmarks.dialogues import BenchDialogue
from compeer_jax.evaluation.diversity import distinct_n
from compeer_jax.rewards.rules import word_list

Vector = Mapping[str, float]
"""Word -> weight; of length 1, or empty for a reply without words."""


class TurnDiversity(NamedTuple):
    """The replies at one turn of all dialogues of one language.

    Attributes:
        turn: from 1; 0 stands for all turns.
        replies: how many there are.
        within: redundancy with earlier replies of the same dialogue; None at the first turn.
        across: redundancy with the replies at that turn of other dialogues; None where there is no other. For all
            turns, the mean over the pairs at each.
        distinct_1, distinct_2: share of different words, and pairs of words, among all; None where there are none.
            It falls with the number of replies, so compare it only between as many.
        words: mean length.
    """

    turn: int
    replies: int
    within: float | None
    across: float | None
    distinct_1: float | None
    distinct_2: float | None
    words: float


MEASURES = {
    "within": "redundancy within",
    "across": "redundancy across",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "words": "words",
}
"""Field of `TurnDiversity` -> its heading."""


def diversity_over_turns(rows: Sequence[BenchDialogue]) -> list[TurnDiversity]:
    """One entry a turn, then one for all turns; nothing where there are no replies.

    Args:
        rows: dialogues, all of one language: words of two languages are never alike.
    """
    return turn_diversity([row.responses for row in rows])


def turn_diversity(dialogues: Sequence[Sequence[str]]) -> list[TurnDiversity]:
    """The same of the replies of each dialogue, in their order."""
    words = [[word_list(reply) for reply in replies] for replies in dialogues]
    vectors = [[unit_counts(one) for one in replies] for replies in words]
    within = [[_with_earlier(replies, at) for at in range(len(replies))] for replies in vectors]
    entries, pairs, alike = [], 0, 0.0
    for at in range(max(map(len, dialogues), default=0)):
        there = [number for number, replies in enumerate(dialogues) if at < len(replies)]
        total = likeness_sum([vectors[number][at] for number in there])
        pairs, alike = pairs + _pairs(len(there)), alike + total
        entries.append(
            _entry(
                at + 1,
                [words[number][at] for number in there],
                [within[number][at] for number in there if at],
                total / _pairs(len(there)) if len(there) > 1 else None,
            )
        )
    if entries:
        every = [one for replies in words for one in replies]
        later = [value for replies in within for value in replies[1:]]
        entries.append(_entry(0, every, later, alike / pairs if pairs else None))
    return entries


def unit_counts(words: Sequence[str]) -> Vector:
    """Counts of words, as a vector of length 1."""
    counts = Counter(words)
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {word: count / length for word, count in counts.items()}


def cosine(one: Vector, other: Vector) -> float:
    """Of two unit vectors; 0 where one is empty."""
    few, many = sorted((one, other), key=len)
    return sum(weight * many.get(word, 0.0) for word, weight in few.items())


def likeness_sum(vectors: Sequence[Vector]) -> float:
    """The sum of the cosines of all pairs of unit vectors, in time that grows with their number, not with the pairs:

    Σ over i < j of u_i · u_j = (|Σ u_i|² − Σ |u_i|²) / 2
    """
    total: dict[str, float] = {}
    for vector in vectors:
        for word, weight in vector.items():
            total[word] = total.get(word, 0.0) + weight
    return max(0.0, (sum(weight * weight for weight in total.values()) - sum(map(bool, vectors))) / 2)


def _with_earlier(vectors: Sequence[Vector], at: int) -> float:
    return sum(cosine(vectors[at], earlier) for earlier in vectors[:at]) / at if at else 0.0


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _entry(turn: int, words: Sequence[Sequence[str]], within: Sequence[float], across: float | None) -> TurnDiversity:
    return TurnDiversity(
        turn=turn,
        replies=len(words),
        within=float(np.mean(within)) if within else None,
        across=across,
        distinct_1=distinct_n(words, 1) if any(words) else None,
        distinct_2=distinct_n(words, 2) if any(len(one) > 1 for one in words) else None,
        words=float(np.mean([len(one) for one in words])),
    )
