"""Clusters of speakers: K-Means over descriptions, with as many clusters as the elbow of the curve of SSE shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from compeer_jax.curation.personality.likeness import Vectors
from compeer_jax.errors import UserError

DIRECTIONS = 64  # that sparse vectors are brought down to where there are more rows: far quicker, nearly the same
STARTS = 5  # of K-Means for each number of clusters; the best is taken
DIGITS = 6  # of SSE that are kept: the rest depends on the machine

Member = TypeVar("Member")


@dataclass(frozen=True)
class Clustering:
    """Clusters, and why there are so many.

    Attributes:
        labels: the cluster of each row, numbered from 0 in the order in which they first appear.
        sse: the sum of squared distances to the nearest centre with k = 1, 2, … clusters.
        elbow: where that curve bends, from 1.
    """

    labels: tuple[int, ...]
    sse: tuple[float, ...]
    elbow: int

    @property
    def clusters(self) -> int:
        """How many there are."""
        return len(set(self.labels))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many rows each has."""
        return tuple(self.labels.count(cluster) for cluster in range(self.clusters))


def cluster(vectors: Vectors, *, most: int, clusters: int = 0, seed: int = 0) -> Clustering:
    """K-Means for k = 1 … `most`, never more than there are distinct rows, and the clusters of one of them.

    Of many sparse rows, the SSE is that within their `DIRECTIONS` main directions, which hold nearly all of it. The
    same rows in the same order give the same clusters.

    Args:
        vectors: a row each, dense or sparse; at least one.
        most: the curve's end.
        clusters: how many to make; 0 takes the elbow. Where there are fewer distinct rows, as many as those.

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(f'clusters need the {error.name} package; run pip install "compeer_jax[data]".') from error

    if not vectors.shape[0]:
        raise ValueError("there is nothing to cluster")
    distinct = _distinct(vectors)
    numbers = [*range(1, min(most, distinct) + 1)]
    wanted = min(clusters, distinct)
    sse, labels = {}, {}
    # With several threads, the order in which their sums are added is left to chance.
    with threadpool_limits(limits=1):
        if hasattr(vectors, "indptr") and min(vectors.shape) > DIRECTIONS:
            vectors = TruncatedSVD(DIRECTIONS, random_state=seed % 2**32).fit_transform(vectors)
        for k in sorted({*numbers, wanted} - {0}):
            fitted = KMeans(k, n_init=1 if k == 1 else STARTS, random_state=seed % 2**32).fit(vectors)
            sse[k], labels[k] = _rounded(fitted.inertia_), fitted.labels_.tolist()
    curve = tuple(sse[k] for k in numbers)
    bend = elbow(curve)
    return Clustering(_renumbered(labels[wanted or bend]), curve, bend)


def elbow(sse: Sequence[float]) -> int:
    """Where a falling curve bends: the k whose point is farthest below the chord from its first to its last point.

    Both axes are scaled to the chord's box first, so that the unit of SSE doesn't matter. A curve with no point below
    its chord, such as one of two points, has no bend: 1.
    """
    curve = np.asarray(sse, float)
    if len(curve) < 3 or not curve[0] > curve[-1]:
        return 1
    across = np.arange(len(curve)) / (len(curve) - 1)
    down = (curve - curve[-1]) / (curve[0] - curve[-1])
    below = 1 - across - down  # √2 times the distance
    best = int(np.argmax(below))
    return best + 1 if below[best] > 1e-9 else 1


def draw_other(members: Sequence[Member], own: Member, generator: np.random.Generator) -> Member | None:
    """One of distinct `members`, but not `own`, which is among them; each is as likely. None if there is no other."""
    if len(members) < 2:
        return None
    drawn = int(generator.integers(len(members) - 1))
    return members[drawn + (drawn >= members.index(own))]


def _distinct(vectors: Vectors) -> int:
    """How many different rows there are: K-Means can't make more clusters than that."""
    if hasattr(vectors, "indptr"):
        spans = zip(vectors.indptr[:-1], vectors.indptr[1:], strict=True)
        return len({(vectors.indices[a:b].tobytes(), vectors.data[a:b].tobytes()) for a, b in spans})
    return len({row.tobytes() for row in vectors})


def _rounded(value: float) -> float:
    """To `DIGITS` significant digits; what is only rounding error is 0."""
    return 0.0 if value < 1e-9 else round(value, DIGITS - 1 - math.floor(math.log10(value)))


def _renumbered(labels: Sequence[int]) -> tuple[int, ...]:
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)
