"""Paired comparison of two models on the same cards or profiles, and agreement of two scorers on the same dialogues.

Differences are paired: card for card, so that how hard a card is does not matter. Their intervals are the bootstrap's
over cards, their p those of the Wilcoxon signed-rank test, corrected by Holm over the seven dimensions.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compeer_jax.benchmarks.dialogues import DIMENSIONS, HIGHEST, SCALE, BenchDialogue
from compeer_jax.benchmarks.measures import AVERAGE, CardScores, final_emotion, resampled
from compeer_jax.evaluation.estimates import Estimate, bootstrap, holm, library, sign_test

EMOTION, SUCCESS, FAILURE = "emotion", "success", "failure"
ALL = "all"
FEW = 13  # differences of which every choice of signs can be looked at
DIGITS = 9  # means of scores that differ by less differ by rounding


class Difference(NamedTuple):
    """One model minus another.

    Attributes:
        measure: dimension, "average", "emotion", "success" or "failure".
        pairs: dialogues that both have a number for.
        difference: mean of the first minus that of the second, in the table's units.
        better, same, worse: on how many of them the first has more, as much, less.
        p: two-sided: of the Wilcoxon signed-rank test, or of McNemar's exact test for successes and failures; None
            without a pair.
        p_holm: corrected over the seven dimensions; None for what is not one of them.
    """

    measure: str
    pairs: int
    difference: Estimate
    better: int
    same: int
    worse: int
    p: float | None
    p_holm: float | None = None


class Agreement(NamedTuple):
    """Two scorers on what both have scored.

    Attributes:
        first, second: their names.
        dimension: or "all" for all of them together.
        pairs: how many scores both gave.
        kappa: quadratic-weighted Cohen's; None where it is not defined.
        spearman: rank correlation; None where one of them always says the same.
        same: share of equal scores; None without any.
    """

    first: str
    second: str
    dimension: str
    pairs: int
    kappa: float | None
    spearman: float | None
    same: float | None


def compare_scores(one: CardScores, other: CardScores, *, resamples: int, seed: int) -> list[Difference]:
    """One model minus the other on ESC-Eval: the seven dimensions, then their average.

    A card's difference on a dimension is the mean over the scorers that both runs have, and needs all of these to have
    scored both dialogues; a card counts for the average if it has a difference on all seven.
    """
    differences = SCALE * _paired(one, other)
    found = [_difference(name, differences[:, at], resamples, seed) for at, name in enumerate(DIMENSIONS)]
    corrected = holm([row.p for row in found])
    found = [row._replace(p_holm=p) for row, p in zip(found, corrected, strict=True)]
    return [*found, _difference(AVERAGE, differences.mean(axis=1), resamples, seed)]


def compare_emotions(
    one: Sequence[BenchDialogue], other: Sequence[BenchDialogue], *, resamples: int, seed: int
) -> list[Difference]:
    """One model minus the other on SAGE: the final emotion, and the shares (in percent) of successes and failures."""
    ended, against = ({row.id: row for row in rows if not np.isnan(final_emotion(row))} for rows in (one, other))
    pairs = [(ended[id], against[id]) for id in ended if id in against]
    emotions = np.array([final_emotion(a) - final_emotion(b) for a, b in pairs])
    found = [_difference(EMOTION, emotions, resamples, seed)]
    for ending in (SUCCESS, FAILURE):
        differ = np.array([float(a.ending == ending) - (b.ending == ending) for a, b in pairs])
        row = _difference(ending, 100 * differ, resamples, seed)
        found.append(row._replace(p=_mcnemar(row.better, row.worse) if pairs else None))
    return found


def scorer_agreement(scores: CardScores) -> list[Agreement]:
    """How far each two scorers agree, on each dimension and on all together."""
    found = []
    for one, other in combinations(range(len(scores.scorers)), 2):
        names = scores.scorers[one], scores.scorers[other]
        for column, dimension in enumerate((*DIMENSIONS, ALL)):
            of = slice(None) if dimension == ALL else slice(column, column + 1)
            first, second = (scores.values[:, at, of].ravel() for at in (one, other))
            both = ~np.isnan(first) & ~np.isnan(second)
            found.append(_agreement(*names, dimension, first[both], second[both]))
    return found


def signed_rank(differences: Float[np.ndarray, " N"]) -> float | None:
    """The two-sided p of the Wilcoxon signed-rank test, zeros left out; 1 where all are zero, None without any.

    Exact for up to 13 differences, and for up to 50 of which no two are of one size; else scipy's normal approximation.
    """
    from scipy.stats import rankdata, wilcoxon

    if not len(differences):
        return None
    differences = np.round(differences, DIGITS)
    left = differences[differences != 0]
    if not len(left):
        return 1.0
    if len(left) > FEW:
        return float(wilcoxon(left).pvalue)
    ranks = rankdata(np.abs(left))  # ties share a rank; if nothing differs, each is as likely to be positive as not
    positive = np.arange(2 ** len(left))[:, None] >> np.arange(len(left)) & 1
    middle = ranks.sum() / 2
    return float((np.abs(positive @ ranks - middle) >= abs(ranks[left > 0].sum() - middle)).mean())


def _mcnemar(more: int, less: int) -> float:
    p = sign_test(more, less)
    return 1.0 if p is None else p


def _paired(one: CardScores, other: CardScores) -> Float[np.ndarray, "P 7"]:
    """First minus second on the dialogues of both, NaN where some scorer of both did not score both."""
    rows, others = ({id: at for at, id in enumerate(scores.ids)} for scores in (one, other))
    scorers = [name for name in one.scorers if name in other.scorers]
    ids = [id for id in one.ids if id in others]
    if not scorers or not ids:
        return np.full((len(ids), len(DIMENSIONS)), np.nan)

    def values(scores: CardScores, places: Mapping[str, int]) -> Float[np.ndarray, "P S 7"]:
        return scores.values[np.ix_([places[id] for id in ids], [scores.scorers.index(name) for name in scorers])]

    return (values(one, rows) - values(other, others)).mean(axis=1)


def _difference(measure: str, differences: Float[np.ndarray, " N"], resamples: int, seed: int) -> Difference:
    there = differences[~np.isnan(differences)]
    drawn = resampled(len(there), resamples, seed) @ there / max(len(there), 1)
    rounded = np.round(there, DIGITS)
    return Difference(
        measure=measure,
        pairs=len(there),
        difference=bootstrap(there.mean(), drawn, constant=False) if len(there) else Estimate(None),
        better=int((rounded > 0).sum()),
        same=int((rounded == 0).sum()),
        worse=int((rounded < 0).sum()),
        p=signed_rank(there),
    )


def _agreement(
    first: str, second: str, dimension: str, one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"]
) -> Agreement:
    from scipy.stats import spearmanr

    kappa = spearman = None
    if len(one) and len({*one, *other}) > 1:
        levels = list(range(HIGHEST + 1))
        metrics = library("sklearn.metrics")
        kappa = float(metrics.cohen_kappa_score(one.astype(int), other.astype(int), labels=levels, weights="quadratic"))
    if len({*one}) > 1 and len({*other}) > 1:
        spearman = float(spearmanr(one, other).statistic)
    same = float((one == other).mean()) if len(one) else None
    return Agreement(first, second, dimension, len(one), kappa, spearman, same)
