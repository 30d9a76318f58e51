"""Eq. 3 against NumPy in float64, and its edges."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.errors import UserError
from compeer_jax.rl.advantages import equal_reward_share, group_advantages

SCALES = ["group", "batch", "none"]


def reference(rewards, scale, epsilon=1e-4, ddof=1):
    centred = rewards - rewards.mean(1, keepdims=True)
    if scale == "none":
        return centred
    deviation = rewards.std(1, ddof=ddof, keepdims=True) if scale == "group" else rewards.std(ddof=ddof)
    return centred / (deviation + epsilon)


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a scalar function, one entry of `x` at a time."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        bump = np.zeros_like(x)
        bump[index] = step
        gradient[index] = (function(x + bump) - function(x - bump)) / (2 * step)
    return gradient


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("ddof", [0, 1])
def test_value_and_gradient_are_those_of_numpy_in_float64(scale, ddof):
    rng = np.random.default_rng(0)
    rewards, weights = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    with jax.enable_x64(True):
        ours = partial(group_advantages, scale=scale, ddof=ddof)
        np.testing.assert_allclose(ours(jnp.array(rewards)), reference(rewards, scale, ddof=ddof), rtol=1e-12)
        gradient = jax.grad(lambda r: (ours(r) * weights).sum())(jnp.array(rewards))
        expected = numerical_gradient(lambda r: (reference(r, scale, ddof=ddof) * weights).sum(), rewards)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)


@jax.jit
def advantages_and_gradients(groups):
    """Of each array in `groups`, by group and by batch."""
    results = []
    for rewards in groups:
        for scale in ("group", "batch"):
            advantages, pull_back = jax.vjp(partial(group_advantages, scale=scale, epsilon=1e-8), rewards)
            results += [advantages, *pull_back(jnp.arange(rewards.size, dtype=jnp.float32).reshape(rewards.shape))]
    return results


@given(value=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False))
@settings(max_examples=100)
def test_equal_rewards_have_advantage_and_gradient_exactly_zero(value):
    for array in advantages_and_gradients([np.full((2, size), value, np.float32) for size in (1, 3, 7)]):
        np.testing.assert_array_equal(array, 0)


@pytest.mark.parametrize("scale", SCALES)
def test_an_equal_group_beside_a_varied_one_is_zero_and_harms_no_gradient(scale):
    rewards = jnp.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    np.testing.assert_array_equal(group_advantages(rewards, scale=scale)[0], 0)
    jacobian = jax.jacobian(partial(group_advantages, scale=scale))(rewards)
    assert jnp.isfinite(jacobian).all()
    assert (jacobian[1, :, 1] != 0).any()


@pytest.mark.parametrize("scale", SCALES)
def test_a_group_of_one_has_advantage_zero(scale):
    rewards = jnp.array([[3.0], [-1.0]])
    np.testing.assert_array_equal(group_advantages(rewards, scale=scale), 0)
    assert jnp.isfinite(jax.jacobian(partial(group_advantages, scale=scale))(rewards)).all()


def test_by_group_one_prompt_leaves_another_alone_and_by_batch_it_does_not():
    one, other = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 2.0], [0.0, 9.0]])
    for scale, same in [("group", True), ("none", True), ("batch", False)]:
        first, second = group_advantages(one, scale=scale)[0], group_advantages(other, scale=scale)[0]
        assert np.array_equal(first, second) == same


@given(st.lists(st.integers(-5, 5), min_size=4, max_size=4).filter(lambda r: len(set(r)) > 1), st.integers(-50, 50))
@settings(max_examples=50)
def test_advantages_sum_to_zero_keep_the_order_and_ignore_a_common_bonus(rewards, bonus):
    rewards = jnp.array([rewards], jnp.float32)
    advantages = group_advantages(rewards)
    np.testing.assert_allclose(advantages.sum(), 0, atol=1e-5)
    np.testing.assert_array_equal(jnp.argsort(advantages, stable=True), jnp.argsort(rewards, stable=True))
    np.testing.assert_allclose(group_advantages(rewards + bonus), advantages, atol=1e-5)


def test_jit_and_vmap_change_nothing():
    rewards = jax.random.normal(jax.random.key(0), (5, 3, 4))
    expected = jnp.stack([group_advantages(r) for r in rewards])
    np.testing.assert_allclose(jax.jit(jax.vmap(group_advantages))(rewards), expected, rtol=1e-5, atol=1e-6)


def test_the_share_of_equal_groups():
    rewards = jnp.array([[0.1, 0.1, 0.1], [1.0, 1.0, 2.0], [-5.0, -5.0, -5.0], [0.0, 1.0, 2.0]])
    assert equal_reward_share(rewards) == 0.5
    assert equal_reward_share(jnp.array([[7.0]])) == 1


def test_an_unknown_scale_is_named_with_the_ones_there_are():
    unchecked = inspect.unwrap(group_advantages)  # without the tests' own check of argument types
    with pytest.raises(UserError, match=r"scale of advantages 'groups'; did you mean 'group'\?.* group, batch, none"):
        unchecked(jnp.ones((1, 2)), scale="groups")
