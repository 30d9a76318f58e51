"""Intervals and paired tests: closed forms, other libraries, and what resampling must keep together."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from compeer_jax.evaluation.estimates import bootstrap, clustered_resamples, holm, paired, wilson


def test_mcnemars_test_is_the_binomial_of_who_is_alone_right():
    first, second = [True] * 9 + [False] + [True] * 30, [False] * 9 + [True] + [True] * 30
    found = paired(first, second, np.ones((1, 40), int))
    assert (found.only_first, found.only_second) == (9, 1)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)
    assert found.difference.value == pytest.approx(8 / 40)
    assert paired(first, first, np.ones((1, 40), int)).p == 1


def test_outputs_of_one_prompt_are_drawn_together_and_widen_the_interval():
    prompts = [number // 4 for number in range(200)]
    values = np.repeat(np.random.default_rng(0).random(50) < 0.5, 4)
    together, alone = clustered_resamples(prompts, 2000, 1), clustered_resamples(range(200), 2000, 1)
    assert (together.reshape(2000, 50, 4) == together[:, ::4, None]).all()
    widths = [np.subtract(*np.percentile(draws @ values / 200, [97.5, 2.5])) for draws in (together, alone)]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.1)  # four equal outputs are worth one
    assert widths[1] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(200), rel=0.1)


def test_wilsons_interval_is_its_closed_form():
    z, n = 1.959963984540054, 40
    for count in (0, 7, 40):
        share = count / n
        middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        ends = [(middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
        np.testing.assert_allclose(wilson(count, n), [share, *ends], atol=1e-12)
    assert wilson(0, 0) == (None, None, None)


def test_resamples_that_are_all_alike_make_an_interval_only_where_that_is_wanted():
    alike = np.ones(10)
    assert bootstrap(1.0, alike) == (1, 1, 1)
    assert bootstrap(1.0, alike, constant=False) == (1, None, None)
    assert bootstrap(0.5, np.array([np.nan, 0.5, 1.0]))[0:1] == (0.5,)
    assert bootstrap(float("nan"), alike) == bootstrap(None, alike) == (None, None, None)
    assert bootstrap(0.5, np.full(3, np.nan)) == (0.5, None, None)


@settings(max_examples=10)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_is_statsmodels(values):
    there = [p for p in values if p is not None]
    wanted = list(multipletests(there, method="holm")[1]) if there else []
    assert [p for p in holm(values) if p is not None] == pytest.approx(wanted)
    assert [p is None for p in holm(values)] == [p is None for p in values]


def rejected(p: list[float], level: float) -> set[int]:
    """The hypotheses that Holm's procedure rejects: from the smallest p on, until one is above level / (tests left)."""
    order = sorted(range(len(p)), key=p.__getitem__)
    passed = itertools.takewhile(lambda place: p[order[place]] * (len(p) - place) <= level, range(len(p)))
    return {order[place] for place in passed}


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.03, 0.2, 1.0]), min_size=1, max_size=6))
def test_a_corrected_p_is_the_lowest_level_at_which_holm_rejects(values):
    found = holm(values)
    for place in range(len(values)):
        level = found[place]
        assert level == 1 or place in rejected(values, level + 1e-9)
        assert level == 0 or place not in rejected(values, level - 1e-9)


def test_a_test_without_a_p_counts_where_all_tests_do():
    assert holm([0.01, None, 0.02], tests=3) == [pytest.approx(0.03), None, pytest.approx(0.04)]
