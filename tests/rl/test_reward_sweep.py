"""A sweep says of every setting what a plain loop over settings says, and its summaries mean what they claim."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compeer_jax.rl.advantages import SCALES
from compeer_jax.rl.redundancy import cosine_redundancy
from compeer_jax.rl.reward_shaping import RewardSettings, shape_rewards, shape_verdicts
from compeer_jax.rl.reward_sweep import sweep_rewards, sweep_summaries

M, B, G, K, S = 3, 5, 4, 5, 60


def random_settings(count=S, seed=0):
    rng = np.random.default_rng(seed)
    return RewardSettings(
        reweighting=rng.random(count) < 0.8,
        alpha=rng.choice([0.05, 0.3, 2.0], count).astype(np.float32),
        beta=rng.choice([0, 5.0, 40.0], count).astype(np.float32),
        aware=rng.random(count) < 0.5,
        weights=rng.choice([0, 0.5, 1, 3], (count, K)).astype(np.float32),
        scale=rng.integers(0, 3, count).astype(np.int32),
    )


def one_setting(alpha=None, beta=5.0, aware=False, weights=(1,) * K, scale="group"):
    """Without an alpha, one without reweighting."""
    weights = np.array([weights], np.float32)
    switch, alpha = np.array([alpha is not None]), np.float32([alpha or 0.5])
    return RewardSettings(
        switch, alpha, np.float32([beta]), np.array([aware]), weights, np.int32([SCALES.index(scale)])
    )


def first(settings):
    return jax.tree.map(lambda array: array[0], settings)


def random_outputs(seed=0, members=G):
    """Verdicts, s_in, s_hi and lengths; one group has equal verdicts and equal redundancy, one is empty."""
    rng = np.random.default_rng(seed)
    verdicts = rng.choice([-1.0, 0.0, 1.0], (M, B, members, K)).astype(np.float32)
    s_in, s_hi = rng.random((2, M, B, members)).astype(np.float32)
    lengths = rng.integers(1, 40, (M, B, members)).astype(np.float32)
    verdicts[0, 0], s_in[0, 0], s_hi[0, 0], lengths[1, 1] = 1, 0.3, 0.2, 0
    return verdicts, s_in, s_hi, lengths


def in_float64(settings, index, verdicts, s_in, s_hi, lengths, length_mean="group", epsilon=1e-4):
    """Rewards and advantages of one setting, written out output by output."""
    alpha, beta, weights = (np.float64(array[index]) for array in (settings.alpha, settings.beta, settings.weights))
    rewards = np.zeros(s_in.shape)
    for m, b, g in np.ndindex(s_in.shape):
        mean = np.float64(lengths[m, b] if length_mean == "group" else lengths[m]).mean()
        tau = 1 / (1 + np.exp(-alpha * (mean - beta))) if settings.reweighting[index] else 0
        reward = np.dot(np.float64(verdicts[m, b, g]), weights)
        penalty = (1 + tau * np.float64(s_in[m, b, g])) * (1 + tau * np.float64(s_hi[m, b, g]))
        rewards[m, b, g] = reward * penalty if settings.aware[index] and reward < 0 else reward / penalty
    advantages = rewards - rewards.mean(axis=2, keepdims=True)
    scale = SCALES[settings.scale[index]]
    if scale == "group":
        spread = rewards.std(axis=2, ddof=1, keepdims=True)
    elif scale == "batch":
        spread = np.stack([np.full((1, 1), step.std(ddof=1)) for step in rewards])
    if scale != "none":
        advantages = np.where(spread > 1e-12, advantages / (spread + epsilon), 0)
    return rewards, advantages


@pytest.mark.parametrize("length_mean", ["group", "batch"])
def test_every_setting_is_what_a_loop_in_float64_makes_of_it(length_mean):
    settings, outputs = random_settings(), random_outputs()
    swept = sweep_rewards(settings, *outputs, length_mean=length_mean)
    for index in range(S):
        rewards, advantages = in_float64(settings, index, *outputs, length_mean)
        np.testing.assert_allclose(swept.rewards[index], rewards, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(swept.advantages[index], advantages, rtol=1e-3, atol=2e-5)


def test_it_is_the_plain_function_step_by_step():
    rng = np.random.default_rng(1)
    settings, (verdicts, _, _, lengths) = random_settings(6), random_outputs()
    vectors = rng.integers(0, 4, (M, B, G, 8)).astype(np.float32)
    history, mask = rng.integers(0, 4, (M, B, 3, 8)).astype(np.float32), rng.random((M, B, 3)) < 0.7
    swept = sweep_rewards(settings, verdicts, *jax.vmap(cosine_redundancy)(vectors, history, mask), lengths)
    for index in range(6):
        for step in range(M):
            plain = shape_verdicts(
                *(verdicts[step], settings.weights[index], vectors[step], history[step], mask[step], lengths[step]),
                alpha=settings.alpha[index],
                beta=settings.beta[index],
                sign="aware" if settings.aware[index] else "paper",
                reweighting=bool(settings.reweighting[index]),
                scale=SCALES[settings.scale[index]],
            )
            np.testing.assert_allclose(swept.rewards[index, step], plain.rewards, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(swept.advantages[index, step], plain.advantages, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7 * M * B * G])
def test_how_the_settings_are_cut_up_changes_nothing(chunk):
    settings, outputs = random_settings(), random_outputs()
    for cut, whole in zip(
        sweep_rewards(settings, *outputs, chunk=chunk), sweep_rewards(settings, *outputs), strict=True
    ):
        np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-6)


def test_verdicts_of_weight_one_are_the_rewards_they_add_up_to():
    rng = np.random.default_rng(2)
    verdicts = rng.choice([-1.0, 1.0], (B, G, K)).astype(np.float32)
    rest = (rng.random((B, G, 8), np.float32), rng.random((B, 3, 8), np.float32), np.ones((B, 3), bool))
    lengths = rng.integers(1, 30, (B, G))
    ours = shape_verdicts(verdicts, np.ones(K, np.float32), *rest, lengths)
    plain = shape_rewards(verdicts.sum(axis=-1), *rest, lengths)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_can_be_differentiated_and_swept():
    """What a part's weight does to an advantage is the slope that its verdicts give."""
    rng = np.random.default_rng(3)
    verdicts = rng.choice([-1.0, 1.0], (B, G, K)).astype(np.float32)
    rest = (rng.random((B, G, 8), np.float32), rng.random((B, 3, 8), np.float32), np.ones((B, 3), bool))
    lengths = rng.integers(1, 30, (B, G))

    def first_advantage(weights):
        return shape_verdicts(verdicts, weights, *rest, lengths, reweighting=False, scale="none").advantages[0, 0]

    slope = jax.grad(first_advantage)(jnp.ones(K))
    np.testing.assert_allclose(slope, verdicts[0, 0] - verdicts[0].mean(axis=0), atol=1e-6)
    many = jax.vmap(first_advantage)(jnp.eye(K))
    np.testing.assert_allclose(many, slope, atol=1e-6)


@pytest.mark.parametrize("members", [1, 2])
def test_groups_of_one_teach_nothing_and_groups_of_two_are_opposed(members):
    advantages = sweep_rewards(random_settings(), *random_outputs(members=members)).advantages
    assert np.isfinite(advantages).all()
    np.testing.assert_allclose(advantages.sum(axis=-1), 0, atol=1e-4)
    if members == 1:
        np.testing.assert_array_equal(advantages, 0)


# Summaries


def summaries(settings, base, outputs, **options):
    return jax.tree.map(np.asarray, sweep_summaries(settings, first(base), *outputs, **options))


def test_summaries_are_those_of_the_swept_arrays():
    settings, base, outputs = random_settings(), one_setting(alpha=0.5, aware=True), random_outputs()
    summary = summaries(settings, base, outputs, chunk=4 * M * B * G)
    verdicts, s_in, s_hi, _ = map(np.float64, outputs)
    base_rewards, base_advantages = (np.asarray(array[0]) for array in sweep_rewards(base, *outputs))
    swept = sweep_rewards(settings, *outputs)

    def correlation(left, right, chosen):
        pairs = []
        for m, b in np.ndindex(M, B):
            mask = chosen[m, b]
            if mask.any():
                pairs.append([values[m, b][mask] - values[m, b][mask].mean() for values in (left, right)])
        x, y = map(np.concatenate, zip(*pairs, strict=True)) if pairs else np.zeros((2, 1))
        norm = np.sqrt((x**2).sum() * (y**2).sum())
        return (x * y).sum() / norm if norm > 1e-6 else 0

    for index in range(S):
        rewards, advantages = np.float64(swept.rewards[index]), np.float64(swept.advantages[index])
        judged = (verdicts * settings.weights[index]).sum(axis=-1)
        everywhere = np.ones(judged.shape, bool)
        best = np.isclose(rewards, rewards.max(axis=2, keepdims=True), atol=1e-5, rtol=0)
        best_before = np.isclose(base_rewards, base_rewards.max(axis=2, keepdims=True), atol=1e-5, rtol=0)
        expected = {
            "reward": rewards.mean(),
            "equal_groups": (np.ptp(rewards, axis=2) < 1e-5).mean(),
            "advantage": np.abs(advantages).mean(),
            "redundancy": correlation(advantages, s_in + s_hi, everywhere),
            "redundancy_rejected": correlation(advantages, s_in + s_hi, judged < 0),
            "agreement": correlation(advantages, base_advantages, everywhere),
            "best_changed": 1 - (best & best_before).any(axis=2).mean(),
            "sign_changed": (
                (np.sign(advantages) * np.sign(base_advantages) < 0)
                & (np.abs(advantages) > 1e-5)
                & (np.abs(base_advantages) > 1e-5)
            ).mean(),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(summary, name)[index], value, atol=2e-4, err_msg=f"{name} of {index}")


def test_the_base_setting_agrees_with_itself():
    summary = summaries(one_setting(alpha=0.5), one_setting(alpha=0.5), random_outputs())
    np.testing.assert_allclose(summary.agreement, 1, rtol=1e-5)
    np.testing.assert_array_equal(summary.best_changed, 0)
    np.testing.assert_array_equal(summary.sign_changed, 0)


def test_opposite_weights_turn_everything_round():
    outputs = random_outputs()
    outputs = (outputs[0] + np.linspace(0, 0.1, G)[:, None].astype(np.float32), *outputs[1:])  # no ties
    summary = summaries(one_setting(weights=(-1,) * K), one_setting(), outputs)
    np.testing.assert_allclose(summary.agreement, -1, rtol=1e-5)
    np.testing.assert_array_equal(summary.best_changed, 1)
    assert summary.sign_changed > 0.9


def test_outputs_of_one_reward_are_ranked_by_redundancy_alone():
    """Accepted outputs pay for it in both signs; rejected ones are paid for it by the equation as printed."""
    verdicts, s_in, s_hi, lengths = random_outputs()
    lengths = np.full_like(lengths, 20)
    lines = []
    for verdict in (1.0, -1.0):
        for aware in (False, True):
            outputs = np.full_like(verdicts, verdict), s_in, s_hi, lengths
            settings = one_setting(alpha=0.2, aware=aware, scale="none")
            lines.append(summaries(settings, one_setting(), outputs).redundancy[0])
    accepted_paper, accepted_aware, rejected_paper, rejected_aware = lines
    assert accepted_paper == accepted_aware < -0.98
    assert rejected_paper > 0.98
    assert rejected_aware < -0.98


def test_reweighting_breaks_the_ties_of_equal_verdicts():
    verdicts, *rest = random_outputs()
    equal = np.ones_like(verdicts), *rest
    before, after = (summaries(one_setting(alpha), one_setting(), equal) for alpha in (None, 0.5))
    assert before.equal_groups == 1
    assert before.advantage == before.redundancy == before.agreement == 0
    # One group shares its redundancy too: nothing can tell its outputs apart.
    assert after.equal_groups == pytest.approx(1 / (M * B))


def test_the_whole_sweep_is_one_compilation():
    outputs = random_outputs()
    sweep_summaries.clear_cache()
    for seed in range(3):
        sweep_summaries(random_settings(seed=seed), first(one_setting()), *outputs)
    assert sweep_summaries._cache_size() == 1
