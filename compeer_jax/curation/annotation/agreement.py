"""Agreement of annotators beyond chance: Cohen's kappa of each two, and Fleiss' kappa of all, for each kind of item.

Votes of a third annotator are left out of both: only items that others differ on have them, so that they would make
people seem to agree less than they do.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from compeer_jax.curation.annotation.votes import Verdict, Vote

DIGITS = 6


def cohen_kappa(first: Sequence[Verdict], second: Sequence[Verdict]) -> float | None:
    """Cohen's kappa of two annotators' verdicts on the same items (scikit-learn); None where it is not defined:
    there are no items, or all verdicts of both are the same.
    """
    from sklearn.metrics import cohen_kappa_score

    names = sorted({*map(str, first), *map(str, second)})
    if len(names) < 2:
        return None
    return _number(cohen_kappa_score(list(map(str, first)), list(map(str, second)), labels=names))


def fleiss_kappa(ratings: Sequence[Sequence[Verdict]]) -> float | None:
    """Fleiss' kappa (statsmodels) of items with equally many verdicts each; None where it is not defined, as above."""
    from statsmodels.stats.inter_rater import fleiss_kappa as kappa

    names = sorted({str(value) for verdicts in ratings for value in verdicts})
    if len(names) < 2:
        return None
    table = np.array([[sum(str(value) == name for value in verdicts) for name in names] for verdicts in ratings])
    return _number(kappa(table, method="fleiss"))


def agreement(items: Iterable[tuple[Sequence[Vote], Sequence[Vote]]], annotators: int) -> dict[str, Any]:
    """Agreement of the votes on items of one kind.

    Args:
        items: for each item all votes on it, and those of them that count.
        annotators: how many vote on each item.

    Returns:
        "people" and "counted": Fleiss' kappa over the items that have at least `annotators` votes of people, or such
        that count, and over the first `annotators` of each: {"items", "annotators", "kappa"}. "pairs": for each two
        annotators with items in common {"annotators", "items", "kappa"}, the kappa being Cohen's.
    """
    people, counted = [], []
    pairs: dict[tuple[str, str], list[tuple[Verdict, Verdict]]] = defaultdict(list)
    for votes, counting in items:
        first = sorted((vote for vote in votes if not vote.third), key=lambda vote: vote.annotator)
        for one, other in combinations(first, 2):
            pairs[one.annotator, other.annotator].append((one.value, other.value))
        by_people = [vote for vote in votes if not vote.by_model]
        for group, ratings in ((by_people, people), (counting, counted)):
            values = [vote.value for vote in group if not vote.third]
            if len(values) >= annotators:
                ratings.append(values[:annotators])
    return {
        "people": {"items": len(people), "annotators": annotators, "kappa": fleiss_kappa(people)},
        "counted": {"items": len(counted), "annotators": annotators, "kappa": fleiss_kappa(counted)},
        "pairs": [
            {"annotators": list(names), "items": len(values), "kappa": cohen_kappa(*zip(*values, strict=True))}
            for names, values in sorted(pairs.items())
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), DIGITS)
