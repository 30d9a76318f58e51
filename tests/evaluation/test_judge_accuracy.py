"""Scores of judges: scikit-learn's, closed forms, and intervals that cover what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from compeer_jax.dialogue.judging import PREFERENCES, swap_preference
from compeer_jax.evaluation.judge_accuracy import (
    STEP_CLASSES,
    Counted,
    accuracy,
    differences,
    recall_of_first,
    response_scores,
    step_scores,
    weighted_f1,
)
from compeer_jax.rewards.generative_judge import order_report

VERDICTS = st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None])), min_size=1, max_size=40)
CHOICES = st.lists(
    st.tuples(st.sampled_from(PREFERENCES), st.sampled_from([*PREFERENCES, None])), min_size=1, max_size=40
)


@given(VERDICTS)
def test_step_scores_are_scikit_learns_with_no_verdict_as_a_class(pairs):
    truth, said = map(list, zip(*pairs, strict=True))
    names = [str(right) for right in truth], [str(verdict) for verdict in said]
    scores = step_scores(truth, said, resamples=10)
    assert scores["f1"].value == pytest.approx(metrics.f1_score(*names, average="weighted", zero_division=0))
    if False in truth:
        found = [verdict is False for right, verdict in pairs if not right]
        assert scores["recall_false"].value == pytest.approx(np.mean(found))
    else:
        assert scores["recall_false"] == (None, None, None)


@given(CHOICES)
def test_the_metrics_of_a_confusion_matrix_are_scikit_learns(pairs):
    counted = Counted.of(*zip(*pairs, strict=True), PREFERENCES)
    names = counted.truth, counted.said
    assert weighted_f1(counted.table) == pytest.approx(metrics.f1_score(*names, average="weighted", zero_division=0))
    assert accuracy(counted.table) == pytest.approx(metrics.accuracy_score(*names))
    scores = response_scores(*zip(*pairs, strict=True), resamples=10)
    assert scores["f1"].value == pytest.approx(weighted_f1(counted.table))
    assert scores["accuracy"].value == pytest.approx(accuracy(counted.table))


@given(VERDICTS, st.randoms(use_true_random=False))
def test_differences_on_steps_are_those_of_the_scores_and_turn_with_the_judges(pairs, random):
    truth, said = map(list, zip(*pairs, strict=True))
    other = random.sample(said, len(said))
    one, two = step_scores(truth, said, resamples=5), step_scores(truth, other, resamples=5)
    found, turned = differences(truth, said, other, resamples=50), differences(truth, other, said, resamples=50)
    for metric, estimate in found.items():
        if one[metric].value is None:
            assert estimate == turned[metric] == (None, None, None)
        else:
            assert estimate.value == pytest.approx(one[metric].value - two[metric].value)
            assert turned[metric].value == pytest.approx(-estimate.value)
    same = differences(truth, said, said, resamples=50)
    assert all(estimate in ((0, 0, 0), (None, None, None)) for estimate in same.values())


def test_the_interval_of_a_difference_is_that_of_resampled_records():
    """Two judges that are wrong on much the same records: drawn record by record, scored by scikit-learn."""
    rng = np.random.default_rng(0)
    truth = rng.choice(PREFERENCES, 300).tolist()
    said = [right if rng.random() < 0.6 else str(rng.choice(PREFERENCES)) for right in truth]
    other = [verdict if rng.random() < 0.9 else str(rng.choice(PREFERENCES)) for verdict in said]
    draws = []
    for _ in range(600):
        rows = rng.integers(len(truth), size=len(truth))
        right, one, two = (np.array(each)[rows] for each in (truth, said, other))
        score = {name: metrics.f1_score(right, each, average="weighted") for name, each in (("1", one), ("2", two))}
        draws.append((score["1"] - score["2"], np.mean(one == right) - np.mean(two == right)))
    expected = np.percentile(draws, [2.5, 97.5], axis=0).T
    found = differences(truth, said, other, resamples=4000)
    for metric, (low, high) in zip(("f1", "accuracy"), expected, strict=True):
        assert (found[metric].low, found[metric].high) == pytest.approx((low, high), abs=0.01)
    apart = response_scores(truth, said)["accuracy"]
    assert found["accuracy"].high - found["accuracy"].low < 0.7 * (apart.high - apart.low), "pairs are tighter"


def test_a_judge_that_always_says_true_has_the_scores_of_the_closed_form():
    truth = [True] * 77 + [False] * 23
    scores = step_scores(truth, [True] * 100)
    assert scores["f1"].value == pytest.approx(0.77 * (2 * 77 / (77 + 100)))
    assert scores["recall_false"] == (0, 0, 0)


def test_what_is_right_scores_one_and_what_is_unparsed_scores_as_what_is_wrong():
    truth = [True, True, False, False]
    assert step_scores(truth, truth)["f1"] == (1, 1, 1)
    assert step_scores(truth, [None] * 4)["f1"].value == 0
    unparsed = response_scores(["first", "similar"], ["first", None])
    wrong = response_scores(["first", "similar"], ["first", "neither"])
    assert unparsed["accuracy"].value == wrong["accuracy"].value == 0.5
    assert unparsed["f1"].value == wrong["f1"].value == 0.5


def test_resampled_matrices_are_distributed_as_those_of_records_drawn_with_replacement():
    generator = np.random.default_rng(0)
    truth = generator.random(200) < 0.7
    said = np.where(generator.random(200) < 0.8, truth, ~truth)
    counted = Counted.of([str(right) for right in truth], [bool(verdict) for verdict in said], STEP_CLASSES)
    drawn = generator.integers(200, size=(4000, 200))
    for metric, of_records in (
        (accuracy, lambda t, s: (t == s).mean(axis=1)),
        (recall_of_first, lambda t, s: (~t & ~s).sum(axis=1) / (~t).sum(axis=1)),
    ):
        ours, plain = metric(counted.resampled(4000, seed=1)), of_records(truth[drawn], said[drawn])
        assert np.percentile(ours, [2.5, 50, 97.5]) == pytest.approx(np.percentile(plain, [2.5, 50, 97.5]), abs=0.012)


def test_intervals_hold_the_estimate_come_from_the_seed_and_narrow_with_records():
    truth, said = [True, True, False, True, False] * 20, [True, False, False, True, True] * 20
    one = step_scores(truth, said, seed=3)
    assert one == step_scores(truth, said, seed=3) != step_scores(truth, said, seed=4)
    many = step_scores(truth * 16, said * 16, seed=3)
    for name in one:
        assert one[name].low < one[name].value < one[name].high
        assert many[name].high - many[name].low == pytest.approx((one[name].high - one[name].low) / 4, rel=0.25)


def test_resamples_without_any_false_step_are_left_out_of_the_recall():
    value, low, high = step_scores([False, True, True, True], [False, True, True, True])["recall_false"]
    assert (value, low, high) == (1, 1, 1)


def test_a_judge_of_places_always_prefers_the_first_and_never_agrees_with_itself():
    assert order_report(["first"] * 3, ["first"] * 3) == (1, 0)


def test_a_judge_of_answers_has_no_bias_in_both_orders():
    said = ["first", "second", "similar", "first", "neither"]
    assert order_report(said, [swap_preference(one) for one in said]) == (0.5, 1)


def test_no_verdict_agrees_with_nothing_and_one_order_says_nothing_of_agreement():
    assert order_report([None, "similar"], [None, "similar"]) == (None, 1)
    assert order_report(["first", "second", "first", None]) == (2 / 3, None)
