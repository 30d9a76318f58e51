"""Eq. 5-7 against plain loops in float64, and their edges."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.errors import UserError
from compeer_jax.rl.redundancy import cosine_redundancy, length_coefficient, reweight


def angle(a, b, cosine):
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    value = a @ b / norm if norm > 0 else 0.0
    return max(value, 0) if cosine == "positive" else value


def reference(outputs, history, history_mask, cosine="plain"):
    """Eq. 6 as the paper prints it, and with cosines below 0 counted as 0."""
    batch, group, _ = outputs.shape
    s_in, s_hi = np.zeros((batch, group)), np.zeros((batch, group))
    for b in range(batch):
        real = [history[b, u] for u in range(history.shape[1]) if history_mask[b, u]]
        for i in range(group):
            others = [outputs[b, j] for j in range(group) if j != i]
            s_in[b, i] = np.mean([angle(outputs[b, i], o, cosine) for o in others]) if others else 0
            s_hi[b, i] = np.mean([angle(outputs[b, i], h, cosine) for h in real]) if real else 0
    return s_in, s_hi


@pytest.fixture
def vectors():
    """Outputs [3 4 6], history [3 5 6] and its mask: the first conversation has none, the second an empty response."""
    rng = np.random.default_rng(0)
    outputs, history, mask = rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 5, 6)), rng.random((3, 5)) < 0.6
    outputs[1, 2] = 0
    mask[0] = False
    return outputs, history, mask


@pytest.mark.parametrize("cosine", ["plain", "positive"])
def test_redundancy_is_that_of_loops_in_float64(vectors, cosine):
    expected = reference(*vectors, cosine)
    assert (np.array(reference(*vectors)) < 0).any()
    with jax.enable_x64(True):
        for ours, known in zip(cosine_redundancy(*map(jnp.array, vectors), cosine=cosine), expected, strict=True):
            np.testing.assert_allclose(ours, known, rtol=1e-12, atol=1e-14)


def test_the_plain_cosine_is_the_default_and_token_counts_know_no_other(vectors):
    outputs, history, mask = map(jnp.array, vectors)
    for counts in (False, True):
        arrays = (jnp.abs(outputs), jnp.abs(history), mask) if counts else (outputs, history, mask)
        default, plain, positive = (
            cosine_redundancy(*arrays, **chosen) for chosen in ({}, {"cosine": "plain"}, {"cosine": "positive"})
        )
        np.testing.assert_array_equal(default, plain)
        assert (np.array(plain) == np.array(positive)).all() == counts


@pytest.mark.parametrize("cosine", ["plain", "positive"])
def test_the_slope_of_redundancy_is_that_of_loops_in_float64(vectors, cosine):
    outputs, history, mask = vectors
    rng = np.random.default_rng(1)
    weights, turn, turn_history = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 5, 6))
    turn[1, 2] = 0  # a cosine with the zero vector has no derivative (ours is 0)

    def along(scores, array, step):
        s_in, s_hi = scores(array(outputs) + step * turn, array(history) + step * turn_history, array(mask))
        return (s_in * weights[0] + s_hi * weights[1]).sum()

    with jax.enable_x64(True):
        slope = jax.grad(partial(along, partial(cosine_redundancy, cosine=cosine), jnp.array))(0.0)
    loops = partial(reference, cosine=cosine)
    expected = (along(loops, np.array, 1e-6) - along(loops, np.array, -1e-6)) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-7)


def test_trap_6_one_prompts_outputs_never_touch_anothers(vectors):
    outputs, history, mask = map(jnp.array, vectors)
    changed = outputs.at[2].set(outputs[1])
    before, after = cosine_redundancy(outputs, history, mask), cosine_redundancy(changed, history, mask)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[:2], other[:2])
    order = jnp.array([2, 0, 1])
    for one, other in zip(before, cosine_redundancy(outputs[order], history[order], mask[order]), strict=True):
        np.testing.assert_allclose(one[order], other, rtol=1e-6, atol=1e-7)


def test_copies_are_wholly_redundant_and_opposites_the_reverse():
    a, b = jnp.array([3.0, 4.0]), jnp.array([-3.0, -4.0])
    arrays = jnp.array([[a, a], [a, b]]), jnp.array([[a], [b]]), jnp.ones((2, 1), bool)
    s_in, s_hi = cosine_redundancy(*arrays)
    np.testing.assert_allclose(s_in, [[1, 1], [-1, -1]], rtol=1e-6)
    np.testing.assert_allclose(s_hi, [[1, 1], [-1, 1]], rtol=1e-6)
    s_in, s_hi = cosine_redundancy(*arrays, cosine="positive")
    np.testing.assert_allclose(s_in, [[1, 1], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(s_hi, [[1, 1], [0, 1]], rtol=1e-6)


def test_a_negative_cosine_lowers_the_plain_mean_and_counts_as_zero_in_the_positive_one():
    right, left, up = [1.0, 0.0], [-1.0, 0.0], [1.0, 1.0]
    arrays, half = (jnp.array([[right, left, up]]), jnp.zeros((1, 1, 2)), jnp.zeros((1, 1), bool)), 0.5**0.5
    plain, positive = (cosine_redundancy(*arrays, cosine=cosine)[0][0] for cosine in ("plain", "positive"))
    np.testing.assert_allclose(plain, [(half - 1) / 2, (-1 - half) / 2, 0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(positive, [half / 2, 0, half / 2], rtol=1e-6)


@pytest.mark.parametrize("utterances", [0, 2])
def test_a_group_of_one_without_history_is_not_redundant(utterances):
    s_in, s_hi = cosine_redundancy(jnp.ones((2, 1, 3)), jnp.ones((2, utterances, 3)), jnp.zeros((2, utterances), bool))
    np.testing.assert_array_equal(s_in, np.zeros((2, 1)))
    np.testing.assert_array_equal(s_hi, np.zeros((2, 1)))


def test_a_zero_vector_has_cosine_zero_and_gradient_zero():
    outputs = jnp.array([[[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]])
    history, mask = jnp.array([[[1.0, 1.0], [0.0, 0.0]]]), jnp.ones((1, 2), bool)
    s_in, s_hi = cosine_redundancy(outputs, history, mask)
    np.testing.assert_array_equal(s_in, 0)
    np.testing.assert_array_equal(s_hi[0, [0, 2]], 0)
    gradient = jax.grad(lambda o: sum(s.sum() for s in cosine_redundancy(o, history, mask)))(outputs)
    assert jnp.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[0, [0, 2]], 0)


def test_masked_history_has_no_effect_whatever_stands_there(vectors):
    outputs, history, mask = map(jnp.array, vectors)
    poisoned = jnp.where(mask[:, :, None], history, jnp.nan)

    def total(outputs, history):
        return sum(s.sum() for s in cosine_redundancy(outputs, history, mask))

    np.testing.assert_array_equal(total(outputs, poisoned), total(outputs, history))
    to_outputs, to_history = jax.grad(total, argnums=(0, 1))(outputs, poisoned)
    assert jnp.isfinite(to_outputs).all()
    np.testing.assert_array_equal(to_history[~mask], 0)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_the_scale_of_an_encoder_does_not_matter(vectors, scale):
    outputs, history, mask = (jnp.array(array) for array in vectors)
    expected = cosine_redundancy(outputs, history, mask)
    for ours, known in zip(cosine_redundancy(outputs * scale, history / scale, mask), expected, strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-5, atol=1e-6)


def test_bfloat16_vectors_are_compared_in_float32(vectors):
    outputs, history, mask = jnp.bfloat16(vectors[0]), jnp.bfloat16(vectors[1]), jnp.array(vectors[2])
    rounded = cosine_redundancy(outputs.astype(jnp.float32), history.astype(jnp.float32), mask)
    for ours, expected in zip(cosine_redundancy(outputs, history, mask), rounded, strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_array_equal(ours, expected)


def test_jit_and_vmap_change_nothing(vectors):
    arrays = [jnp.stack([jnp.array(array), jnp.array(array)[::-1]]) for array in vectors]
    s_in, s_hi = jax.jit(jax.vmap(cosine_redundancy))(*arrays)
    expected = cosine_redundancy(*map(jnp.array, vectors))
    np.testing.assert_allclose(s_in, np.stack([expected[0], expected[0][::-1]]), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(s_hi, np.stack([expected[1], expected[1][::-1]]), rtol=1e-6, atol=1e-7)


def test_the_length_coefficient_is_eq_7_in_float64():
    lengths = np.array([[0, 0], [1, 0], [4, 6], [16, 16], [300, 500], [10**6, 10**6]], np.float64)
    for alpha, beta in ((0.5, 5.0), (2.0, 40.0), (0.01, 0.0)):
        with np.errstate(over="ignore"):
            expected = 1 / (1 + np.exp(-alpha * (lengths.mean(axis=1) - beta)))
        with jax.enable_x64(True):
            ours = length_coefficient(jnp.array(lengths), alpha=alpha, beta=beta)
        np.testing.assert_allclose(ours, expected, rtol=1e-12)
        single = length_coefficient(jnp.array(lengths, jnp.float32), alpha=alpha, beta=beta)
        np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-30)
    tau = length_coefficient(jnp.array(lengths, jnp.float32))  # the paper's alpha and beta
    np.testing.assert_allclose(tau[jnp.array([0, 2, 3])], [0.0758582, 0.5, 0.9959299], rtol=1e-5)


def test_the_length_coefficient_of_a_batch_follows_the_mean_of_all_its_outputs():
    lengths = jnp.array([[1.0, 3.0], [4.0, 16.0], [0.0, 0.0]])
    group, batch = (length_coefficient(lengths, mean=mean) for mean in ("group", "batch"))
    np.testing.assert_array_equal(batch, length_coefficient(jnp.full((3, 2), lengths.mean())))
    assert group[2] < group[0] < batch[0] < group[1]
    np.testing.assert_array_equal(group, length_coefficient(lengths))


def test_alpha_of_zero_weighs_every_length_by_one_half():
    np.testing.assert_array_equal(length_coefficient(jnp.array([[0.0, 0.0], [99.0, 99.0]]), alpha=0.0), [0.5, 0.5])


def test_the_slope_of_the_length_coefficient_is_finite_for_any_length():
    # dτ/dL = α τ (1 - τ), and each of two lengths is half of L
    lengths = jnp.array([[0.0, 0.0], [5.0, 5.0], [1e6, 1e6]])
    slopes = jax.grad(lambda lengths: length_coefficient(lengths).sum())(lengths)
    low = 1 / (1 + np.exp(2.5))
    expected = 0.5 * np.array([[low * (1 - low)] * 2, [0.25] * 2, [0, 0]]) / 2
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)


def test_reweighting_by_hand_in_both_signs():
    rewards, s_in, s_hi = jnp.array([[4.0, -4.0, 0.0]]), jnp.array([[0.5, 0.5, 0.5]]), jnp.array([[0.25, 0.25, 0.25]])
    tau = jnp.array([0.4])  # divisor 1.2 x 1.1
    np.testing.assert_allclose(reweight(rewards, s_in, s_hi, tau, sign="paper"), [[4 / 1.32, -4 / 1.32, 0]], rtol=1e-6)
    np.testing.assert_allclose(reweight(rewards, s_in, s_hi, tau, sign="aware"), [[4 / 1.32, -5.28, 0]], rtol=1e-6)


def test_the_two_redundancies_multiply():
    """A sum of both would divide by 1 + τ (s_in + s_hi), and tell nothing of how they are shared."""
    one, tau = jnp.ones((1, 3)), jnp.ones(1)
    s_in, s_hi = jnp.array([[1.0, 0.5, 0.0]]), jnp.array([[0.0, 0.5, 1.0]])
    np.testing.assert_allclose(reweight(one, s_in, s_hi, tau), [[1 / 2, 1 / 2.25, 1 / 2]], rtol=1e-6)


@pytest.mark.parametrize("sign", ["paper", "aware"])
def test_the_opposite_of_everything_keeps_a_finite_reward_of_its_sign(sign):
    rewards, tau = jnp.array([[3.0, -3.0]]), jnp.ones(1)
    opposite = jnp.full((1, 2), -1.0)
    value, slopes = jax.value_and_grad(lambda s: reweight(rewards, s, s, tau, sign=sign).sum())(opposite)
    assert jnp.isfinite(value)
    assert jnp.isfinite(slopes).all()
    np.testing.assert_array_equal(jnp.sign(reweight(rewards, opposite, opposite, tau, sign=sign)), [[1, -1]])


@given(reward=st.floats(-5, 5, width=32), one=st.floats(0, 2, width=32), other=st.floats(0, 2, width=32))
@settings(max_examples=100)
def test_redundancy_always_costs_when_aware_and_pays_for_a_negative_reward_on_paper(reward, one, other):
    low, high = sorted([one, other])
    rewards, nothing, tau = jnp.full((1, 2), reward, jnp.float32), jnp.zeros((1, 2)), jnp.array([0.5])
    redundancy = jnp.array([[low, high]], jnp.float32)
    [[less, more]] = reweight(rewards, redundancy, nothing, tau, sign="aware")
    assert more <= less
    [[less, more]] = reweight(rewards, redundancy, nothing, tau, sign="paper")
    assert more <= less if reward >= 0 else more >= less


@pytest.mark.parametrize("sign", ["paper", "aware"])
def test_gradients_of_reweighting_are_those_of_finite_differences_in_float64(sign):
    rng = np.random.default_rng(3)
    rewards, tau = rng.normal(size=(2, 3)), rng.random(2)
    s_in, s_hi, weights = rng.random((2, 3)), rng.random((2, 3)), rng.normal(size=(2, 3))
    turns = [rng.normal(size=array.shape) for array in (rewards, s_in, s_hi, tau)]

    def along(step, array=np.array):
        moved = [array(a) + step * t for a, t in zip((rewards, s_in, s_hi, tau), turns, strict=True)]
        if array is np.array:
            r, s1, s2, t = moved
            penalty = (1 + t[:, None] * s1) * (1 + t[:, None] * s2)
            value = np.where((r < 0) & (sign == "aware"), r * penalty, r / penalty)
        else:
            value = reweight(*moved, sign=sign)
        return (value * weights).sum()

    with jax.enable_x64(True):
        np.testing.assert_allclose(along(0.0, jnp.array), along(0.0), rtol=1e-12)
        slope = jax.grad(partial(along, array=jnp.array))(0.0)
    np.testing.assert_allclose(slope, (along(1e-6) - along(-1e-6)) / 2e-6, rtol=1e-7)


@pytest.mark.parametrize("sign", ["paper", "aware"])
def test_the_equations_together_are_those_of_the_paper_in_float64(vectors, sign):
    """Eq. 6, 7 and 5 from embeddings and lengths to rewards, a loop an output."""
    rng = np.random.default_rng(5)
    rewards, lengths = rng.integers(-5, 6, (3, 4)).astype(np.float64), rng.integers(0, 30, (3, 4)).astype(np.float64)
    s_in, s_hi = reference(*vectors)
    expected = np.zeros((3, 4))
    for b, i in np.ndindex(3, 4):
        tau = 1 / (1 + np.exp(-0.5 * (lengths[b].mean() - 5)))
        divisor = (1 + tau * s_in[b, i]) * (1 + tau * s_hi[b, i])
        pays = sign == "aware" and rewards[b, i] < 0
        expected[b, i] = rewards[b, i] * divisor if pays else rewards[b, i] / divisor
    with jax.enable_x64(True):
        outputs, history, mask = map(jnp.array, vectors)
        ours = reweight(
            jnp.array(rewards),
            *cosine_redundancy(outputs, history, mask),
            length_coefficient(jnp.array(lengths)),
            sign=sign,
        )
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_an_unknown_choice_is_named_with_the_ones_there_are():
    one = jnp.ones((1, 2))
    unchecked = [inspect.unwrap(f) for f in (reweight, cosine_redundancy, length_coefficient)]  # no check of types
    with pytest.raises(UserError, match=r"sign of reweighting 'papers'; did you mean 'paper'\?.* paper, aware"):
        unchecked[0](one, one, one, jnp.ones(1), sign="papers")
    with pytest.raises(UserError, match=r"cosine of redundancy 'plane'; did you mean 'plain'\?.* plain, positive"):
        unchecked[1](one[:, :, None], one[:, :, None], one > 0, cosine="plane")
    with pytest.raises(UserError, match=r"mean of lengths 'bach'; did you mean 'batch'\?.* group, batch"):
        unchecked[2](one, mean="bach")
