"""Diversity measures against arithmetic by hand and their properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.evaluation.diversity import distinct_n, self_bleu

TEXTS = st.lists(st.lists(st.sampled_from("abcde"), min_size=4, max_size=8), min_size=2, max_size=5)


def test_copies_of_one_text_have_self_bleu_1():
    assert self_bleu([["you", "are", "not", "alone"]] * 3) == pytest.approx(1)


def test_self_bleu_by_hand():
    # "a b c d e" against "a b c d f": precisions 4/5, 3/4, 2/3, 1/2 each way, equal lengths.
    expected = math.exp(sum(math.log(p) for p in (4 / 5, 3 / 4, 2 / 3, 1 / 2)) / 4)
    assert self_bleu([list("abcde"), list("abcdf")]) == pytest.approx(expected)


def test_texts_that_share_no_word_have_a_lower_self_bleu_than_texts_that_share_half():
    apart = self_bleu([list("abcd"), list("efgh")])
    half = self_bleu([list("abcd"), list("abgh")])
    assert apart < half < 1


def test_a_single_text_or_empty_ones_repeat_nothing():
    assert self_bleu([["alone"]]) == self_bleu([[], ["one"], []]) == self_bleu([]) == 0


@given(TEXTS, st.randoms())
def test_self_bleu_lies_between_0_and_1_and_does_not_depend_on_the_order(texts, random):
    value = self_bleu(texts)
    assert 0 <= value <= 1 + 1e-9
    random.shuffle(texts)
    assert self_bleu(texts) == pytest.approx(value)


def test_distinct_counts_different_n_grams():
    assert distinct_n([["a", "b", "a"], ["a", "b"]], 1) == pytest.approx(2 / 5)
    assert distinct_n([["a", "b", "a"], ["a", "b"]], 2) == pytest.approx(2 / 3)
    assert distinct_n([], 1) == 0
