"""Strategy metrics: scikit-learn's, closed forms, and the Bradley-Terry model as others fit it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn import metrics

from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.evaluation.strategy_metrics import (
    StrategyTable,
    pairs_of,
    preference_bias,
    preferences,
    strategy_scores,
)

NAMES = STRATEGIES.names()
CHOICES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([*NAMES, None])), min_size=1, max_size=60)


def counts(mistakes: dict[tuple[int, int], int]) -> np.ndarray:
    """A table of (right, taken) -> how often."""
    table = np.zeros((8, 9), dtype=int)
    for (right, taken), count in mistakes.items():
        table[right, taken] = count
    return table


@given(CHOICES)
def test_accuracy_and_macro_f1_are_scikit_learns_with_no_strategy_as_a_class_that_is_not_averaged(pairs):
    right, taken = map(list, zip(*pairs, strict=True))
    said = [str(one) for one in taken]
    accuracy, macro_f1 = strategy_scores(right, taken)
    assert accuracy == pytest.approx(metrics.accuracy_score(right, said))
    labels = sorted({*right, *said} - {"None"})
    each = metrics.f1_score(right, said, labels=labels, average=None, zero_division=0)
    assert macro_f1 == pytest.approx(each.mean())
    table = StrategyTable.of(right, taken)
    assert (float(table.accuracy), float(table.macro_f1)) == pytest.approx((accuracy, macro_f1))


def test_macro_f1_by_hand():
    # Question: taken 2, right 1, hit 1: F1 = 2·1/(2+1) = 2/3. Information: taken 0, right 1: 0. Others: 1 of 1: 1.
    right, taken = ["Question", "Information", "Others"], ["Question", "Question", "Others"]
    assert strategy_scores(right, taken) == pytest.approx((2 / 3, (2 / 3 + 0 + 1) / 3))


@given(CHOICES)
def test_tables_of_single_outputs_add_up_to_the_table_of_all(pairs):
    right, taken = map(list, zip(*pairs, strict=True))
    table = pairs_of(right, taken)
    assert (table.sum(axis=(1, 2)) == 1).all()
    names = [*NAMES, "none"]
    said = ["none" if one is None else one for one in taken]
    assert (table.sum(axis=0) == metrics.confusion_matrix(right, said, labels=names)[:-1]).all()


# Preference bias


@pytest.mark.parametrize("first, second", [(1, 1), (3, 1), (5, 2), (1, 40)])
def test_two_strategies_that_are_taken_for_each_other_are_preferred_by_the_odds(first, second):
    # p_0 / p_1 = first / second and p_0 + p_1 = 2; the other six have no mistakes, and are 1.
    found = preferences(counts({(1, 0): first, (0, 1): second, (2, 2): 9}))
    total = first + second
    assert found == pytest.approx([2 * first / total, 2 * second / total, *[1] * 6])
    assert preference_bias(counts({(1, 0): first, (0, 1): second})) == pytest.approx(abs(first - second) / total / 2)


def test_without_mistakes_and_with_even_ones_there_is_no_bias():
    assert preference_bias(np.eye(8, 9, dtype=int) * 5) == 0
    assert preference_bias(np.ones((8, 9), dtype=int)) == pytest.approx(0, abs=1e-12)


def test_a_policy_that_always_takes_the_same_has_the_highest_bias():
    table = np.zeros((8, 9), dtype=int)
    table[:, 3] = 10
    assert preferences(table) == pytest.approx([0, 0, 0, 8, 0, 0, 0, 0])
    assert preference_bias(table) == pytest.approx(np.sqrt(7))


def test_outputs_without_a_strategy_prefer_none():
    table = counts({(1, 0): 3, (0, 1): 1})
    with_none = table.copy()
    with_none[:, 8] = 7
    assert (preferences(with_none) == preferences(table)).all()


def test_what_wins_only_through_others_wins_and_what_is_beaten_from_outside_has_nothing():
    # 0 beats 1, 1 beats 2: all of the three's preference lies with 0. 3 and 4 have none, being beaten by it as well.
    chain = {(1, 0): 2, (2, 1): 2}
    assert preferences(counts(chain)) == pytest.approx([3, 0, 0, 1, 1, 1, 1, 1])
    assert preferences(counts(chain | {(3, 0): 1, (3, 4): 1, (4, 3): 5}))[:5] == pytest.approx([5, 0, 0, 0, 0])


def test_strategies_that_are_never_compared_leave_the_preference_open():
    assert preferences(counts({(1, 0): 1, (3, 2): 1})) is None
    assert preference_bias(counts({(1, 0): 1, (3, 2): 1})) is None


def plain_rounds(table: np.ndarray) -> np.ndarray:
    """The definition, number by number: 20 rounds, scaled to a geometric mean of 1 after each, and to 8 at the end."""
    p = [1.0] * 8
    for _ in range(20):
        for i in range(8):
            above = below = 0.0
            for j in range(8):
                if j != i:
                    above += table[j][i] * p[j] / (p[i] + p[j])
                    below += table[i][j] / (p[i] + p[j])
            p[i] = above / below
        positive = [one for one in p if one > 0]
        p = [one / np.prod(positive) ** (1 / len(positive)) for one in p]
    return np.array([8 * one / sum(p) for one in p])


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_preferences_are_those_of_the_definition_also_where_a_strategy_is_never_taken(seed, never):
    table = np.random.default_rng(seed).integers(1, 30, size=(8, 9))
    if never:
        table[:, 5] = 0
    assert preferences(table) == pytest.approx(plain_rounds(table), rel=1e-9, abs=1e-12)


def test_preferences_are_the_likeliest_strengths():
    table = np.random.default_rng(1).integers(1, 60, size=(8, 9))
    table[:, 0] *= 3

    def surprise(logits):
        chance = logits[None, :] - np.logaddexp(logits[None, :], logits[:, None])  # of the one taken over the right one
        return -(np.where(np.eye(8), 0, table[:, :8]) * chance).sum()

    strengths = np.exp(minimize(surprise, np.zeros(8), method="BFGS", options={"gtol": 1e-9}).x)
    assert preferences(table) == pytest.approx(8 * strengths / strengths.sum(), rel=1e-4)
