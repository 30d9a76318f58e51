"""Metrics of strategies: how often the right one is taken, and which ones are preferred whatever is right."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.evaluation.estimates import library

ROUNDS = 20  # of the Bradley-Terry iteration, as in the published script


class StrategyTable(NamedTuple):
    """How often strategy s was taken where strategy g was right.

    Attributes:
        counts: [..., 8 right, 9 taken] in the taxonomy's order; the last column is for outputs without a strategy.
    """

    counts: Int[np.ndarray, "*R 8 9"]

    @classmethod
    def of(cls, right: Sequence[str], taken: Sequence[str | None]) -> "StrategyTable":
        """Counts canonical names; None where an output names no strategy."""
        return cls(pairs_of(right, taken).sum(axis=0))

    @property
    def accuracy(self) -> Float[np.ndarray, "*R"]:
        """Share of outputs with the right strategy; an output without one is wrong."""
        return _hits(self.counts).sum(axis=-1) / self.counts.sum(axis=(-2, -1))

    @property
    def macro_f1(self) -> Float[np.ndarray, "*R"]:
        """Mean F1 over the strategies that are right or taken anywhere, as scikit-learn has it."""
        either = self.counts.sum(axis=-1) + self.counts.sum(axis=-2)[..., :-1]
        f1 = np.divide(2 * _hits(self.counts), either, out=np.zeros(either.shape), where=either > 0)
        return f1.sum(axis=-1) / (either > 0).sum(axis=-1)


def pairs_of(right: Sequence[str], taken: Sequence[str | None]) -> Int[np.ndarray, "N 8 9"]:
    """A table of one output each: their sums, over any of them, are the tables of those outputs."""
    names = STRATEGIES.names()
    table = np.zeros((len(right), len(names), len(names) + 1), dtype=np.int64)
    for row, (gold, said) in enumerate(zip(right, taken, strict=True)):
        table[row, names.index(gold), len(names) if said is None else names.index(said)] = 1
    return table


def strategy_scores(right: Sequence[str], taken: Sequence[str | None]) -> tuple[float, float]:
    """Accuracy and macro-F1, scikit-learn's.

    Macro-F1 is the mean over the strategies that are right or taken anywhere. Both count None as wrong.
    """
    sklearn = library("sklearn.metrics")
    said = ["" if one is None else one for one in taken]
    labels = sorted({*right, *said} - {""})
    return (
        float(sklearn.accuracy_score(list(right), said)),
        float(sklearn.f1_score(list(right), said, labels=labels, average="macro", zero_division=0)),
    )


def preference_bias(counts: Int[np.ndarray, "8 9"]) -> float | None:
    """How unevenly a policy prefers strategies: the standard deviation of `preferences`, 0 when it prefers none.

    It is at most √7 ≈ 2.65, when all eight are right somewhere and every mistake ends in one of them. None where
    preferences are not determined.

    Source: Kang et al., "Can Large Language Models be Good Emotional Supporter?" (ACL 2024), preference bias B.
    """
    preferred = preferences(counts)
    return None if preferred is None else float(np.std(preferred))


def preferences(counts: Int[np.ndarray, "8 9"]) -> Float[np.ndarray, " 8"] | None:
    """How much a policy prefers each strategy, 1 on the mean: strengths of the Bradley-Terry model on its mistakes.

    A mistake, strategy i taken where j was right, is a win of i over j. Where w_ij counts them, 20 rounds of

        p_i ← Σ_j w_ij p_j / (p_i + p_j)  /  Σ_j w_ji / (p_i + p_j),    j ≠ i,

    each p_i used as soon as it is there, are what the authors' script does (github.com/1eastar/EmotionalSupport), and
    give the same numbers here. It divides by 0 where the model has no finite solution; then this is the limit: all
    preference lies with the strategies that win against all others, directly or through others, and are never beaten
    from outside. A strategy without a mistake, either way, counts as neither preferred nor avoided, 1. Outputs without
    a strategy prefer none, and are left out.

    Returns:
        None if two groups of strategies are never beaten from outside, as their strengths can't be compared.
    """
    wins = np.array(counts[:, :-1].T, dtype=float)
    np.fill_diagonal(wins, 0)
    compared = np.flatnonzero(wins.sum(axis=0) + wins.sum(axis=1))
    result = np.ones(len(wins))
    if not len(compared):
        return result
    result[compared] = 0
    groups = library("scipy.sparse.csgraph").connected_components(wins[np.ix_(compared, compared)], connection="strong")
    beaten = {
        int(groups[1][loser])
        for winner, loser in np.argwhere(wins[np.ix_(compared, compared)])
        if groups[1][winner] != groups[1][loser]
    }
    unbeaten = set(range(groups[0])) - beaten
    if len(unbeaten) > 1:
        return None
    strongest = compared[groups[1] == unbeaten.pop()]
    strengths = _bradley_terry(wins[np.ix_(strongest, strongest)])
    result[strongest] = strengths * len(compared) / strengths.sum()
    return result


def _bradley_terry(wins: Float[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Strengths where each one wins and loses; a single one is 1."""
    strengths = np.ones(len(wins))
    if len(wins) == 1:
        return strengths
    for _ in range(ROUNDS):
        for i in range(len(wins)):
            both = strengths[i] + strengths
            strengths[i] = (wins[i] * strengths / both).sum() / (wins[:, i] / both).sum()
        strengths /= np.exp(np.log(strengths).mean())
    return strengths


def _hits(counts: Int[np.ndarray, "*R 8 9"]) -> Int[np.ndarray, "*R 8"]:
    return np.diagonal(counts, axis1=-2, axis2=-1)
