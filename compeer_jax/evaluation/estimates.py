"""Numbers with 95 % intervals, and tests of whether two that were measured on the same items differ."""

import importlib
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.errors import UserError

COVERAGE = 95  # percent of resamples that lie within an interval

Weights = Int[np.ndarray, "R N"]
"""How often each of N items stands in each of R resamples; R = 0 without a bootstrap."""


class Estimate(NamedTuple):
    """A number and its interval. All None where nothing can be counted, such as the recall of a class that is empty."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Paired(NamedTuple):
    """Two systems on the same items.

    Attributes:
        difference: share of the first minus that of the second.
        only_first, only_second: items on which it is true of only one of them.
        p: of McNemar's exact test; it takes items for independent, the interval of the difference doesn't.
    """

    difference: Estimate
    only_first: int
    only_second: int
    p: float


def clustered_resamples(clusters: Sequence[Hashable], count: int, seed: int) -> Weights:
    """How often each of N items is drawn in each of `count` resamples, in which whole clusters are drawn.

    Outputs of one prompt resemble each other; resampling them one by one would make intervals too narrow.
    """
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    drawn = np.random.default_rng(seed).multinomial(len(numbers), [1 / len(numbers)] * len(numbers), size=count)
    return drawn[:, [numbers[cluster] for cluster in clusters]]


def interval(draws: Float[np.ndarray, "R *D"]) -> Float[np.ndarray, "2 *D"]:
    """The percentile interval of resampled numbers, those that are NaN left out."""
    margin = (100 - COVERAGE) / 2
    return np.nanpercentile(draws, [margin, 100 - margin], axis=0)


def bootstrap(value: float | None, draws: Float[np.ndarray, " R"], *, constant: bool = True) -> Estimate:
    """A number with the percentile interval of its resamples, where any are known; nothing if it is None or NaN.

    Args:
        value: the number.
        draws: the same of each resample.
        constant: whether resamples that are all alike make an interval. Where all items say the same, they do, and
            can't tell how rare others are.
    """
    if value is None or np.isnan(value):
        return Estimate(None)
    known = draws[np.isfinite(draws)]
    if not len(known) or not (constant or known.min() < known.max()):
        return Estimate(float(value))
    return Estimate(float(value), *map(float, interval(known)))


def weighted_mean(values: Float[np.ndarray, " N"], weights: Weights) -> Estimate:
    """The mean of N numbers, with its interval."""
    return bootstrap(float(values.mean()), weights @ values / weights.sum(axis=1))


def wilson(count: int, of: int) -> Estimate:
    """A share and Wilson's interval, which is right at 0 and 1 too; nothing of nothing."""
    from scipy.stats import binomtest

    if not of:
        return Estimate(None)
    ends = binomtest(count, of).proportion_ci(method="wilson")
    return Estimate(count / of, float(ends.low), float(ends.high))


def share(outcomes: Sequence[bool | None]) -> Estimate:
    """The share of those that are true among those that are known, with Wilson's interval."""
    known = [one for one in outcomes if one is not None]
    return wilson(sum(known), len(known))


def sign_test(more: int, less: int) -> float | None:
    """The two-sided p of the exact sign test, ties left out, or of McNemar's, which is the same; None without any."""
    from scipy.stats import binomtest

    return float(binomtest(more, more + less).pvalue) if more + less else None


def paired(first: Sequence[bool], second: Sequence[bool], weights: Weights) -> Paired:
    """How much more often something is true of the first than of the second, on the same N items."""
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    p = sign_test(only_first, only_second)
    return Paired(weighted_mean(one.astype(float) - other, weights), only_first, only_second, 1.0 if p is None else p)


def holm(values: Sequence[float | None], tests: int = 0) -> list[float | None]:
    """Holm's step-down correction (1979) of p-values for how many tests they are of; None stays.

    Args:
        values: of the tests.
        tests: how many they are, if those without a p count too (0: those that have one).
    """
    order = sorted((p, at) for at, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (p, at) in enumerate(order):
        least = max(least, min(1.0, ((tests or len(order)) - rank) * p))
        corrected[at] = least
    return corrected


def library(name: str, extra: str = "evaluation") -> Any:
    """The module `name`; UserError when it isn't installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = f"this metric needs {name}, which can't be imported ({error})"
        raise UserError(f'{what}; run pip install "compeer_jax[{extra}]".') from error
