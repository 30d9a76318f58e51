"""The unified reward: every combination of verdicts."""

from itertools import product

import jax
import numpy as np

from compeer_jax.rewards.scoring import unified_reward


def test_every_combination_of_verdicts_gives_their_sum():
    cases = list(product([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], [-1, 0, 1], [False, True]))
    steps = np.array([case[:3] for case in cases])[None]
    response = np.array([case[3] for case in cases])[None]
    format_ok = np.array([case[4] for case in cases])[None]
    expected = [float(a + b + c + d + (1 if ok else -1)) for a, b, c, d, ok in cases]
    np.testing.assert_array_equal(unified_reward(steps, response, format_ok)[0], expected)


def test_it_runs_from_minus_five_to_five_and_silence_of_the_judge_leaves_the_format():
    steps = np.array([[[1, 1, 1], [-1, -1, -1], [0, 0, 0], [0, 0, 0]]])
    response = np.array([[1, -1, 0, 0]])
    format_ok = np.array([[True, False, True, False]])
    np.testing.assert_array_equal(unified_reward(steps, response, format_ok), [[5, -5, 1, -1]])


def test_small_integers_do_not_overflow_and_the_result_is_float32():
    steps = np.ones((2, 3, 3), np.int8)
    reward = unified_reward(steps, np.ones((2, 3), np.int8), np.ones((2, 3), bool))
    assert reward.dtype == np.float32
    np.testing.assert_array_equal(reward, np.full((2, 3), 5.0))


def test_it_compiles():
    arrays = np.array([[[1, -1, 1]]]), np.array([[-1]]), np.array([[True]])
    np.testing.assert_array_equal(jax.jit(unified_reward)(*arrays), [[1.0]])
