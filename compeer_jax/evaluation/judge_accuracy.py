"""Accuracy of a judge, as the paper's Table 1 counts it: F1 and recall of False on steps, F1 on responses.

A part that got no verdict counts as wrong: no verdict is a class of its own, which the truth never has. Point estimates
are scikit-learn's. Intervals are the bootstrap's: each of these numbers depends on the confusion matrix alone, and the
confusion matrix of n records drawn with replacement is one multinomial draw from the shares of the real one, so that
thousands of resamples are one array.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.dialogue.judging import PREFERENCES, Preference
from compeer_jax.evaluation.estimates import Estimate, bootstrap, library

NO_VERDICT = "none"
STEP_CLASSES = ("False", "True")

Tables = Int[np.ndarray, "*R C C+1"]
"""Confusion matrices: a row for each class of the truth, a column for each that is said, the last for no verdict."""


def step_scores(
    truth: Sequence[bool], said: Sequence[bool | None], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Estimate]:
    """Weighted F1 ("f1") and recall of False ("recall_false") of the verdicts on one step.

    Args:
        truth: whether it is right, for each record.
        said: what the judge says; None where it gave no verdict.
        resamples: of the bootstrap over records.
        seed: of the bootstrap.
    """
    sklearn = library("sklearn.metrics")
    counted = Counted.of([str(right) for right in truth], said, STEP_CLASSES)
    f1 = sklearn.f1_score(*counted.pair, labels=STEP_CLASSES, average="weighted", zero_division=0)
    recall = sklearn.recall_score(*counted.pair, labels=["False"], average="micro") if False in truth else None
    draws = counted.resampled(resamples, seed)
    return {"f1": bootstrap(f1, weighted_f1(draws)), "recall_false": bootstrap(recall, recall_of_first(draws))}


def response_scores(
    truth: Sequence[Preference], said: Sequence[Preference | None], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Estimate]:
    """Weighted F1 ("f1") and accuracy ("accuracy") of four-way preferences, both in the order the answers are kept in.

    Arguments as of `step_scores`.
    """
    sklearn = library("sklearn.metrics")
    counted = Counted.of(truth, said, PREFERENCES)
    f1 = sklearn.f1_score(*counted.pair, labels=PREFERENCES, average="weighted", zero_division=0)
    draws = counted.resampled(resamples, seed)
    return {
        "f1": bootstrap(f1, weighted_f1(draws)),
        "accuracy": bootstrap(sklearn.accuracy_score(*counted.pair), accuracy(draws)),
    }


def differences(
    truth: Sequence[bool | Preference],
    said: Sequence[bool | Preference | None],
    other: Sequence[bool | Preference | None],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Scores of one judge minus those of another on the same records, with paired bootstrap intervals.

    A resample has the same records for both: it is one draw of (truth, said, said by the other) triples, from which
    both confusion matrices follow.

    Args:
        truth: right verdicts, on one step or on responses, for each record.
        said: verdicts of the one, None where there is none.
        other: verdicts of the other.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        What `step_scores` or `response_scores` have names for -> difference; None where nothing can be counted.
    """
    steps = isinstance(truth[0], bool)
    classes = STEP_CLASSES if steps else PREFERENCES
    places = {name: place for place, name in enumerate((*classes, NO_VERDICT))}
    triples = np.zeros((len(classes), len(places), len(places)), int)
    for names in zip(*(Counted.of(map(str, truth), each, classes).said for each in (truth, said, other)), strict=True):
        triples[tuple(places[name] for name in names)] += 1
    shares = triples.ravel() / len(truth)
    draws = np.random.default_rng(seed).multinomial(len(truth), shares, size=resamples).reshape(-1, *triples.shape)

    def estimate(metric: Callable[[Tables], Float[np.ndarray, "*R"]]) -> Estimate:
        value, draw = (metric(each.sum(axis=-1)) - metric(each.sum(axis=-2)) for each in (triples, draws))
        return bootstrap(float(value), draw)

    metrics = {"f1": weighted_f1, **({"recall_false": recall_of_first} if steps else {"accuracy": accuracy})}
    return {name: estimate(metric) for name, metric in metrics.items()}


class Counted(NamedTuple):
    """Truth and verdicts as names of classes.

    Attributes:
        truth, said: a name for each record.
        classes: those of the truth.
    """

    truth: list[str]
    said: list[str]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, truth: Sequence[str], said: Sequence[bool | str | None], classes: Sequence[str]) -> "Counted":
        return cls(list(truth), [NO_VERDICT if one is None else str(one) for one in said], tuple(classes))

    @property
    def pair(self) -> tuple[list[str], list[str]]:
        """As scikit-learn takes them."""
        return self.truth, self.said

    @property
    def table(self) -> Tables:
        """The confusion matrix."""
        classes = (*self.classes, NO_VERDICT)
        return library("sklearn.metrics").confusion_matrix(*self.pair, labels=classes)[:-1]

    def resampled(self, count: int, seed: int) -> Tables:
        """The confusion matrices of `count` resamples of the records."""
        shares = self.table / len(self.truth)
        draws = np.random.default_rng(seed).multinomial(len(self.truth), shares.ravel(), size=count)
        return draws.reshape(count, *shares.shape)


def weighted_f1(tables: Tables) -> Float[np.ndarray, "*R"]:
    """F1 of each class, weighted by how often it is true; a class that never is true nor said counts 0."""
    support, said = tables.sum(axis=-1), tables.sum(axis=-2)[..., :-1]
    f1 = 2 * _hits(tables) / np.maximum(support + said, 1)
    return (f1 * support).sum(axis=-1) / support.sum(axis=-1)


def recall_of_first(tables: Tables) -> Float[np.ndarray, "*R"]:
    """Share of the first class that is found; NaN where there is none of it."""
    support = tables.sum(axis=-1)[..., 0].astype(float)
    return np.divide(_hits(tables)[..., 0], support, out=np.full_like(support, np.nan), where=support > 0)


def accuracy(tables: Tables) -> Float[np.ndarray, "*R"]:
    """Share of records whose class is said."""
    return _hits(tables).sum(axis=-1) / tables.sum(axis=(-2, -1))


def _hits(tables: Tables) -> Int[np.ndarray, "*R C"]:
    return np.diagonal(tables, axis1=-2, axis2=-1)
