import warnings
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.curation.annotation.agreement import agreement, cohen_kappa, fleiss_kappa
from compeer_jax.curation.annotation.consensus import consensus
from compeer_jax.curation.annotation.votes import Vote
from compeer_jax.dialogue.judging import PREFERENCES

VALUES = st.lists(st.sampled_from(PREFERENCES), max_size=6)


def cast(values, names="abcdef", **more) -> list[Vote]:
    return [Vote("talk#1/red", "response", name, value, **more) for name, value in zip(names, values, strict=False)]


def test_two_people_and_a_third_where_they_differ():
    """Every case of up to three people, written out."""
    for values in product((True, False), repeat=2):
        outcome = consensus(cast(values))
        assert (outcome.state, outcome.value) == (("settled", values[0]) if values[0] == values[1] else ("third", None))
    assert consensus([]).state == "waiting"
    assert consensus(cast([True])).state == "waiting"
    for values in product(PREFERENCES, repeat=3):
        outcome = consensus(cast(values))
        if len(set(values)) == 3:
            assert (outcome.state, outcome.value) == ("excluded", None)
        else:
            assert (outcome.state, values.count(outcome.value) >= 2) == ("settled", True)


@given(VALUES, st.integers(2, 4))
def test_a_verdict_has_two_votes_and_more_than_any_other(values, annotators):
    outcome = consensus(cast(values), annotators=annotators)
    if outcome.state == "settled":
        count = values.count(outcome.value)
        assert count >= 2
        assert all(values.count(other) < count for other in set(values) - {outcome.value})
    assert (outcome.value is None) == (outcome.state != "settled")
    assert (outcome.state == "waiting") == (len(values) < annotators)


@given(st.lists(st.booleans(), max_size=4), st.randoms())
def test_the_order_of_peoples_votes_makes_no_difference(values, random):
    votes = cast(values)
    shuffled = random.sample(votes, len(votes))
    outcome, other = consensus(votes), consensus(shuffled)
    assert (outcome.state, outcome.value) == (other.state, other.value)


def test_models_take_the_places_that_people_leave():
    def drafts(*values):
        return [Vote("talk#1/red", "history", f"model:m{place}", value) for place, value in enumerate(values)]

    models = ["m0", "m1", "m2"]
    two = consensus(drafts(True, True, False), models=models)
    assert (two.state, two.value, two.drafted, len(two.votes)) == ("settled", True, True, 2)
    third = consensus(drafts(True, False, False), models=models)  # the third model is asked as they differ
    assert (third.state, third.value, len(third.votes)) == ("settled", False, 3)
    assert consensus(drafts(True, False), models=models[:2]).state == "third"
    assert consensus(drafts(True), models=models[:1]).state == "waiting"
    by_order = consensus(drafts(True, False, False), models=["m2", "m1", "m0"])
    assert [vote.annotator for vote in by_order.votes] == ["model:m2", "model:m1"]

    one = consensus([*cast([False]), *drafts(False, True)], models=models)
    assert (one.value, one.drafted, len(one.votes)) == (False, True, 2)
    people = consensus([*cast([False, False]), *drafts(True, True, True)], models=models)
    assert (people.value, people.drafted, len(people.votes)) == (False, False, 2)
    differ = consensus([*cast([False, True]), *drafts(True, True, True)], models=models)
    assert differ.state == "third"  # no model settles what people differ on

    tied = consensus([*cast([False, False, True]), *drafts(True)], models=models, annotators=4)
    assert tied.state == "third"
    outvoted = consensus([*cast([False, False, False]), *drafts(True)], models=models, annotators=4)
    assert (outvoted.value, outvoted.drafted) == (False, False)  # the model's vote counts, but didn't make the verdict


def reference_cohen(first, second):
    """Cohen's kappa from its definition."""
    names = sorted({*first, *second})
    observed = np.mean([a == b for a, b in zip(first, second, strict=True)])
    chance = sum(np.mean([a == name for a in first]) * np.mean([b == name for b in second]) for name in names)
    return (observed - chance) / (1 - chance)


def reference_fleiss(ratings):
    """Fleiss' kappa from his paper of 1971."""
    names = sorted({value for values in ratings for value in values})
    table = np.array([[values.count(name) for name in names] for values in ratings], float)
    n = table.sum(1)[0]
    agreed = ((table**2).sum(1) - n) / (n * (n - 1))
    chance = ((table.sum(0) / table.sum()) ** 2).sum()
    return (agreed.mean() - chance) / (1 - chance)


@given(st.lists(st.tuples(*[st.sampled_from(PREFERENCES)] * 3), min_size=2, max_size=30))
def test_kappas_are_what_their_definitions_say(ratings):
    first, second, _ = zip(*ratings, strict=True)
    if len({*first, *second}) > 1:
        assert cohen_kappa(first, second) == pytest.approx(reference_cohen(first, second), abs=1e-6)
    if len({value for values in ratings for value in values}) > 1:
        assert fleiss_kappa(ratings) == pytest.approx(reference_fleiss(ratings), abs=1e-6)


def test_fleiss_own_example():
    """Table 1 of his paper: 10 subjects, 14 raters, 5 categories; kappa 0.210."""
    table = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    ratings = [[str(name) for name, count in enumerate(row) for _ in range(count)] for row in table]
    assert fleiss_kappa(ratings) == pytest.approx(0.210, abs=5e-4)


def test_where_a_kappa_is_not_defined_there_is_none():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cohen_kappa([], []) is None
        assert cohen_kappa([True, True], [True, True]) is None
        assert fleiss_kappa([]) is None
        assert fleiss_kappa([[True, True], [True, True]]) is None
        assert cohen_kappa([True, True], [False, False]) == 0
        assert cohen_kappa([True, False], [True, False]) == 1


def test_agreement_leaves_out_the_third_and_tells_people_from_models():
    items = []
    for values in [(True, True), (True, False), (False, False), (False, True), (True, True)]:
        votes = cast(values)
        if values[0] != values[1]:
            votes = cast([True], names="c", third=True) + votes  # wherever it stands
        draft = Vote("talk#1/red", "history", "model:m", values[0])
        items.append(([*votes, draft], tuple(votes)))
    found = agreement(items, 2)
    assert found["people"] == found["counted"]
    assert found["people"]["items"] == 5
    pairs = {tuple(pair["annotators"]): pair for pair in found["pairs"]}
    assert set(pairs) == set(permutations("ab", 2)) - {("b", "a")} | {("a", "model:m"), ("b", "model:m")}
    assert pairs["a", "model:m"]["kappa"] == 1
    assert pairs["a", "b"]["kappa"] == pytest.approx(reference_cohen([1, 1, 0, 0, 1], [1, 0, 0, 1, 1]), abs=1e-6)
    assert found["people"]["kappa"] == pytest.approx(
        reference_fleiss([["t", "t"], ["t", "f"], ["f", "f"], ["f", "t"], ["t", "t"]]), abs=1e-6
    )
    lacking = cast([True]) + cast([True], names="c", third=True)
    assert agreement([*items, (lacking, tuple(lacking))], 2) == found
    alone = agreement([([Vote("x", "history", "model:m", True)], ())], 2)
    assert alone == {
        "people": {"items": 0, "annotators": 2, "kappa": None},
        "counted": {"items": 0, "annotators": 2, "kappa": None},
        "pairs": [],
    }
