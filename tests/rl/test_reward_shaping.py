"""The composition of Eq. 6, 7, 5 and 3, and what it can and cannot change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compeer_jax.rl.advantages import group_advantages
from compeer_jax.rl.redundancy import cosine_redundancy, length_coefficient, reweight
from compeer_jax.rl.reward_shaping import shape_rewards


@pytest.fixture
def batch():
    """Rewards, outputs, history, history mask and lengths of 3 prompts with 4 outputs, as NumPy arrays."""
    rng = np.random.default_rng(0)
    return (
        rng.integers(-5, 6, (3, 4)).astype(np.float32),
        rng.integers(-2, 5, (3, 4, 8)).astype(np.float32),
        rng.integers(-2, 5, (3, 5, 8)).astype(np.float32),
        rng.random((3, 5)) < 0.7,
        rng.integers(0, 40, (3, 4)),
    )


@pytest.mark.parametrize("sign", ["paper", "aware"])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("cosine, length_mean", [("plain", "group"), ("positive", "batch")])
def test_it_is_the_composition_of_the_equations(batch, sign, scale, cosine, length_mean):
    rewards, outputs, history, mask, lengths = map(jnp.asarray, batch)
    s_in, s_hi = cosine_redundancy(outputs, history, mask, cosine=cosine)
    tau = length_coefficient(lengths, alpha=0.7, beta=3.0, mean=length_mean)
    reweighted = reweight(rewards, s_in, s_hi, tau, sign=sign)
    advantages = group_advantages(reweighted, scale=scale, epsilon=0.01)
    options = {"sign": sign, "scale": scale, "cosine": cosine, "length_mean": length_mean, "epsilon": 0.01}
    shaped = shape_rewards(*batch, alpha=0.7, beta=3.0, **options)
    for ours, expected in zip(shaped, (reweighted, s_in, s_hi, tau, advantages), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_without_reweighting_rewards_stay_and_redundancy_is_still_measured(batch):
    plain, shaped = shape_rewards(*batch, reweighting=False), shape_rewards(*batch)
    np.testing.assert_array_equal(plain.rewards, batch[0])
    np.testing.assert_allclose(plain.advantages, group_advantages(jnp.asarray(batch[0])), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(plain.s_in, shaped.s_in)
    np.testing.assert_array_equal(plain.s_hi, shaped.s_hi)
    assert (plain.s_in != 0).all()


def test_a_sweep_over_alpha_and_beta_is_one_vmap(batch):
    alphas, betas = jnp.array([0.1, 0.5, 1.0]), jnp.array([1.0, 20.0])

    def advantages(alpha, beta):
        return shape_rewards(*batch, alpha=alpha, beta=beta).advantages

    over_betas = jax.vmap(advantages, in_axes=(None, 0))
    swept = jax.vmap(over_betas, in_axes=(0, None))(alphas, betas)
    expected = [[advantages(float(alpha), float(beta)) for beta in betas] for alpha in alphas]
    np.testing.assert_allclose(swept, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(np.round(swept, 4), axis=0)) == 3


def test_trap_7_redundancy_that_a_group_shares_moves_nothing():
    rewards = np.array([[5.0, 3.0, 1.0, -1.0]], np.float32)
    same = np.ones((1, 4, 8), np.float32)  # every output says the same: s_in = 1 for all, s_hi equal for all
    history, mask = np.eye(8, dtype=np.float32)[None, :2], np.ones((1, 2), bool)
    plain = shape_rewards(rewards, same, history, mask, np.full((1, 4), 2), reweighting=False, epsilon=1e-8)
    for length in (2, 200):  # two values of τ
        shaped = shape_rewards(rewards, same, history, mask, np.full((1, 4), length), epsilon=1e-8)
        assert (shaped.rewards[0, :3] < rewards[0, :3]).all()
        np.testing.assert_allclose(shaped.advantages, plain.advantages, rtol=1e-5)


def test_trap_7_redundancy_that_outputs_do_not_share_moves_advantages():
    rewards = np.array([[3.0, 3.0, 3.0, 3.0]], np.float32)
    words = np.eye(8, dtype=np.float32)
    outputs = np.stack([words[0], words[0], words[1], words[2]])[None]  # two copies and two of their own
    history, mask = words[None, 1:2], np.ones((1, 1), bool)  # the third repeats the history
    shaped = shape_rewards(rewards, outputs, history, mask, np.full((1, 4), 20))
    first, second, third, fourth = shaped.advantages[0]
    assert first == second
    assert fourth > first > third
    far = shape_rewards(rewards, outputs, history, mask, np.full((1, 4), 0), beta=1e4)  # τ is 0 far below beta
    np.testing.assert_array_equal(far.advantages, 0)


def test_gradients_reach_rewards_and_embeddings_and_stay_finite_for_equal_groups(batch):
    _, outputs, history, mask, lengths = map(jnp.asarray, batch)
    rewards = jnp.full((3, 4), 2.0)

    def total(rewards, outputs):
        advantages = shape_rewards(rewards, outputs, history, mask, lengths).advantages
        return (advantages * jnp.arange(12.0).reshape(3, 4)).sum()

    to_rewards, to_outputs = jax.grad(total, argnums=(0, 1))(rewards, outputs)
    assert jnp.isfinite(to_rewards).all()
    assert jnp.isfinite(to_outputs).all()
    assert (to_outputs != 0).any()
