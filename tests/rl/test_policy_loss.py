"""Eq. 2 against loops in float64, and the mistakes that other code has made with it."""

import inspect
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compeer_jax.errors import UserError
from compeer_jax.rl.policy_loss import importance_weights, kl_divergence, policy_loss

CLIP_LOW, CLIP_HIGH, DUAL_CLIP, FIXED_LENGTH = 0.2, 0.3, 1.6, 9


def token_loss(log_ratio, advantage, dual_clip):
    ratio = math.exp(log_ratio)
    if advantage >= 0:
        return -min(ratio, 1 + CLIP_HIGH) * advantage
    return -min(max(ratio, 1 - CLIP_LOW), dual_clip or math.inf) * advantage


def token_kl(logp, ref_logp, estimator):
    d = ref_logp - logp
    return {"k1": -d, "k2": d * d / 2, "k3": math.exp(d) - d - 1}[estimator]


def reference(logps, old, advantages, mask, ref, *, ratio, reduction, kl_estimator, dual_clip):
    """Sentence by sentence, token by token."""
    rows = []
    for n in range(len(logps)):
        real = np.flatnonzero(mask[n])
        log_ratios = {t: logps[n, t] - old[n, t] for t in real}
        if ratio == "sequence":
            log_ratios = dict.fromkeys(real, sum(log_ratios.values()) / max(len(real), 1))
        losses = [token_loss(log_ratios[t], advantages[n], dual_clip) for t in real]
        if kl_estimator:
            kl = [token_kl(logps[n, t], ref[n, t], kl_estimator) for t in real]
            losses = [loss + 0.3 * divergence for loss, divergence in zip(losses, kl, strict=True)]
        rows.append(losses)
    total, count = sum(map(sum, rows)), sum(map(len, rows))
    return {
        "sequence_mean": sum(sum(row) / max(len(row), 1) for row in rows) / len(rows),
        "token_mean": total / count,
        "fixed_length": total / (len(rows) * FIXED_LENGTH),
    }[reduction]


def ours(logps, old, advantages, mask, ref, *, ratio, reduction, kl_estimator, dual_clip):
    return policy_loss(
        logps,
        old,
        advantages,
        mask,
        ratio=ratio,
        clip_low=CLIP_LOW,
        clip_high=CLIP_HIGH,
        dual_clip=dual_clip,
        kl_coefficient=0.3 if kl_estimator else 0.0,
        ref_logps=ref if kl_estimator else None,
        kl_estimator=kl_estimator or "k3",
        reduction=reduction,
        fixed_length=FIXED_LENGTH,
    )


@pytest.fixture(scope="module")
def batch():
    """Five outputs of up to six tokens, one of them empty, whose ratios reach beyond every clip."""
    rng = np.random.default_rng(4)
    logps = rng.normal(-2, 0.5, (5, 6))
    shift = np.array([-0.5, 0.5, 0.1, 0, -0.6])[:, None]
    old = logps + shift + rng.normal(0, 0.3, (5, 6))
    ref = logps + rng.normal(0, 0.6, (5, 6))
    mask = np.arange(6) < np.array([6, 3, 1, 0, 4])[:, None]
    mask[0, 2] = False  # masks need not be prefixes
    return logps, old, np.array([1.0, -0.8, 0.5, 0.3, -1.5]), mask, ref


MODES = [
    {"ratio": ratio, "reduction": reduction, "kl_estimator": kl_estimator, "dual_clip": dual_clip}
    for ratio in ("token", "sequence")
    for reduction in ("sequence_mean", "token_mean", "fixed_length")
    for kl_estimator, dual_clip in [(None, None), ("k3", None), ("k2", DUAL_CLIP), ("k1", DUAL_CLIP)]
]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode.values())))
def test_value_and_gradient_are_those_of_loops_in_float64(batch, mode):
    with jax.enable_x64(True):
        compiled = jax.jit(jax.value_and_grad(partial(ours, **mode), has_aux=True))
        (value, _), gradient = compiled(*map(jnp.array, batch))
    np.testing.assert_allclose(value, reference(*batch, **mode), rtol=1e-12)

    logps, *rest = batch
    if mode["kl_estimator"] == "k1":
        mode = mode | {"kl_estimator": "k2"}  # whose gradient k1 takes: see trap 3
    expected = np.zeros_like(logps)
    for index in np.ndindex(logps.shape):
        bump = np.zeros_like(logps)
        bump[index] = 1e-6
        expected[index] = (reference(logps + bump, *rest, **mode) - reference(logps - bump, *rest, **mode)) / 2e-6
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_token_weights_multiply_each_tokens_clipped_loss_and_leave_its_kl(batch, ratio):
    logps, old, advantages, mask, ref = batch
    weights = np.random.default_rng(5).uniform(0.1, 2, mask.shape)
    expected = 0.0
    for n, t in zip(*np.nonzero(mask), strict=True):
        log_ratio = (logps - old)[n, t] if ratio == "token" else (logps - old)[n][mask[n]].mean()
        expected += weights[n, t] * token_loss(log_ratio, advantages[n], None)
        expected += 0.3 * token_kl(logps[n, t], ref[n, t], "k3")
    options = {"ratio": ratio, "clip_low": CLIP_LOW, "clip_high": CLIP_HIGH, "reduction": "token_mean"}
    with jax.enable_x64(True):
        arrays = map(jnp.array, (logps, old, advantages, mask))
        kl = {"kl_coefficient": 0.3, "ref_logps": jnp.array(ref)}
        hidden = jnp.array(np.where(mask, weights, np.nan))  # what stands beside the tokens is not looked at
        loss, _ = policy_loss(*arrays, **options, **kl, token_weights=hidden)
    np.testing.assert_allclose(loss, expected / mask.sum(), rtol=1e-12)


def test_importance_weights_are_ratios_up_to_the_cap_and_data_to_the_gradient():
    old, sampler = jnp.log(jnp.array([[0.2, 0.4, 0.9, 0.1]])), jnp.log(jnp.array([[0.4, 0.2, 0.1, 0.1]]))
    np.testing.assert_allclose(importance_weights(old, sampler, math.inf), [[0.5, 2, 9, 1]], rtol=1e-6)
    np.testing.assert_allclose(importance_weights(old, sampler, 2.5), [[0.5, 2, 2.5, 1]], rtol=1e-6)
    gradient = jax.grad(lambda old: importance_weights(old, sampler, math.inf).sum())(old)
    np.testing.assert_array_equal(gradient, 0)


def test_with_importance_weights_the_mean_over_the_samplers_tokens_is_that_over_the_policys():
    """The exact expectation over a vocabulary: without a cap no bias is left, with one some is, and it is bounded."""
    policy, sampler = jnp.array([0.1, 0.2, 0.7]), jnp.array([0.6, 0.3, 0.1])
    gains = jnp.array([3.0, -1.0, 2.0])

    def mean(cap):
        return float(
            (sampler * importance_weights(jnp.log(policy)[None], jnp.log(sampler)[None], cap)[0] * gains).sum()
        )

    assert mean(math.inf) == pytest.approx(float(policy @ gains), rel=1e-6)
    assert mean(2.0) == pytest.approx(0.6 * 3 / 6 - 0.2 + 0.1 * 2 * 2, rel=1e-6)


def slope(log_ratio, advantage, **options):
    """Loss and its gradient for one output of one token."""

    def loss(logps):
        return policy_loss(logps, jnp.zeros((1, 1)), jnp.array([advantage]), jnp.ones((1, 1), bool), **options)[0]

    value, gradient = jax.value_and_grad(loss)(jnp.full((1, 1), log_ratio))
    return float(value), float(gradient[0, 0])


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_trap_1_the_clip_stops_what_went_far_enough_and_nothing_that_must_come_back(ratio):
    for probability_ratio, advantage, moves in [
        (1.5, 2.0, False),  # wanted, and already above the clip
        (0.5, 2.0, True),  # wanted, and too improbable
        (0.5, -2.0, False),  # unwanted, and already below the clip
        (1.5, -2.0, True),  # unwanted, and too probable
        (1.1, 2.0, True),
        (0.9, -2.0, True),
    ]:
        _, gradient = slope(math.log(probability_ratio), advantage, ratio=ratio)
        expected = -advantage * probability_ratio if moves else 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, err_msg=f"{probability_ratio=} {advantage=}")


def test_the_dual_clip_bounds_the_loss_of_an_unwanted_token_and_nothing_else():
    assert slope(math.log(50), -2.0, dual_clip=3.0) == (6.0, 0.0)
    np.testing.assert_allclose(slope(math.log(50), -2.0), (100, 100), rtol=1e-5)
    for log_ratio, advantage in [(math.log(2), -2.0), (math.log(0.5), -2.0), (math.log(50), 2.0), (-1.0, 2.0)]:
        assert slope(log_ratio, advantage, dual_clip=3.0) == slope(log_ratio, advantage)


def expected_gradient_of_kl(estimator, logits, ref_logits):
    """The expectation, over tokens drawn from softmax(logits), of the estimator's gradient: a sum over all tokens."""
    probabilities = jax.lax.stop_gradient(jax.nn.softmax(logits))

    def expectation(logits):
        logps, ref_logps = jax.nn.log_softmax(logits)[None], jax.nn.log_softmax(ref_logits)[None]
        return (probabilities * estimator(logps, ref_logps)[0]).sum()

    return jax.value_and_grad(expectation)(logits)


def kl(logits, ref_logits):
    p, q = jax.nn.log_softmax(logits), jax.nn.log_softmax(ref_logits)
    return (jnp.exp(p) * (p - q)).sum()


def test_trap_3_the_expected_gradient_of_every_kl_estimator_is_that_of_a_divergence():
    logits, ref_logits = jax.random.normal(jax.random.key(0), (2, 7))
    value, gradient = jax.value_and_grad(kl)(logits, ref_logits)
    _, reverse_gradient = jax.value_and_grad(kl, argnums=1)(ref_logits, logits)  # of KL(π_ref ‖ π)

    _, naive = expected_gradient_of_kl(lambda logps, ref_logps: logps - ref_logps, logits, ref_logits)
    np.testing.assert_allclose(naive, 0, atol=1e-6)
    for estimator, expected in [("k1", gradient), ("k2", gradient), ("k3", reverse_gradient)]:
        estimate, slope = expected_gradient_of_kl(partial(kl_divergence, estimator=estimator), logits, ref_logits)
        np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-6)
        if estimator != "k2":  # biased
            np.testing.assert_allclose(estimate, value, rtol=1e-5)


def test_trap_4_the_ratio_is_of_the_weights_that_sampled_through_all_updates():
    old, mask = jnp.log(jnp.array([[0.5, 0.4], [0.2, 0.1]])), jnp.ones((2, 2), bool)
    advantages = jnp.array([1.0, -1.0])

    def step(logps, old_logps):
        (_, metrics), gradient = jax.value_and_grad(policy_loss, has_aux=True)(logps, old_logps, advantages, mask)
        return logps - 0.3 * gradient, metrics

    first, metrics = step(old, old)
    assert metrics["ratio"] == 1
    second, metrics = step(first, old)
    assert metrics["ratio"] != 1
    assert metrics["approx_kl"] > 0
    forgetful, metrics = step(first, first)
    assert metrics["ratio"] == 1
    assert (forgetful != second).any()


def test_no_gradient_flows_through_anything_but_logps(batch):
    def loss(scale, logps, old, advantages, mask, ref):
        return policy_loss(logps, old * scale, advantages * scale, mask, ref_logps=ref * scale, kl_coefficient=0.1)[0]

    logps, old, advantages, mask, ref = map(jnp.array, batch)
    assert jax.grad(loss)(1.0, logps, old, advantages, mask, ref) == 0
    # so the log-probs of the current weights may be given as they are when there is one update a batch
    given = jax.grad(lambda x: policy_loss(x, x, advantages, mask)[0])(logps)
    stopped = jax.grad(lambda x: policy_loss(x, jax.lax.stop_gradient(x), advantages, mask)[0])(logps)
    np.testing.assert_array_equal(given, stopped)
    assert (given != 0).any()


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_trap_8_on_policy_the_loss_prints_zero_and_its_gradient_is_the_policy_gradient(ratio):
    lengths = np.array([3, 1, 4, 2])
    logps, mask = jax.random.normal(jax.random.key(0), (4, 4)) - 2, jnp.array(np.arange(4) < lengths[:, None])
    advantages = jnp.array([1.5, -0.5, -0.5, -0.5])
    (loss, _), gradient = jax.value_and_grad(policy_loss, has_aux=True)(logps, logps, advantages, mask, ratio=ratio)
    np.testing.assert_allclose(loss, 0, atol=1e-7)
    expected = -np.asarray(advantages)[:, None] * mask / lengths[:, None] / 4
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_stands_in_masked_places_has_no_effect(batch, ratio, poison):
    logps, old, advantages, mask, ref = map(jnp.array, batch)
    loss = jax.jit(
        jax.value_and_grad(
            lambda logps, old, ref: policy_loss(
                logps, old, advantages, mask, ratio=ratio, ref_logps=ref, kl_coefficient=0.1
            ),
            has_aux=True,
        )
    )
    clean = loss(logps, old, ref)
    poisoned = loss(*(jnp.where(mask, array, poison) for array in (logps, old, ref)))
    jax.tree.map(np.testing.assert_array_equal, clean, poisoned)
    np.testing.assert_array_equal(poisoned[1][~mask], 0)
    assert jnp.isfinite(poisoned[1]).all()


@pytest.mark.parametrize("reduction", ["sequence_mean", "token_mean", "fixed_length"])
def test_a_batch_without_a_token_to_train_has_loss_and_gradient_zero(reduction):
    zeros, mask = jnp.zeros((2, 3)), jnp.zeros((2, 3), bool)
    (loss, metrics), gradient = jax.value_and_grad(policy_loss, has_aux=True)(
        zeros, zeros, jnp.ones(2), mask, reduction=reduction, fixed_length=3
    )
    assert loss == 0
    assert not gradient.any()
    assert all(jnp.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("log_ratio", [-1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize("advantage", [-1.0, 1.0])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_no_ratio_is_too_extreme_for_a_finite_gradient(log_ratio, advantage, ratio):
    ref = {"ref_logps": jnp.full((1, 1), -log_ratio), "kl_coefficient": 0.1}
    for options in ({}, {"dual_clip": 3.0}, ref):
        assert np.isfinite(slope(log_ratio, advantage, ratio=ratio, **options)).all()


def test_metrics_by_hand():
    ratios = np.array([[0.5, 2.0, 1.0, 9.9], [0.5, 2.0, 1.1, 0.5]])
    mask = jnp.array([[True, True, True, False], [True, True, True, True]])
    logps = jnp.log(ratios)
    _, metrics = policy_loss(logps, jnp.zeros((2, 4)), jnp.array([1.0, -1.0]), mask, ref_logps=logps - 0.5)
    real = np.array([0.5, 2, 1, 0.5, 2, 1.1, 0.5])
    np.testing.assert_allclose(metrics["ratio"], real.mean(), rtol=1e-6)
    np.testing.assert_allclose(metrics["clip_high"], 1 / 7, rtol=1e-6)  # the 2.0 at A > 0
    np.testing.assert_allclose(metrics["clip_low"], 2 / 7, rtol=1e-6)  # the two 0.5 at A < 0
    np.testing.assert_allclose(metrics["clip_ratio"], 3 / 7, rtol=1e-6)
    np.testing.assert_allclose(metrics["approx_kl"], (real - 1 - np.log(real)).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["kl"], math.exp(-0.5) + 0.5 - 1, rtol=1e-5)

    _, metrics = policy_loss(logps, jnp.zeros((2, 4)), jnp.array([1.0, -1.0]), mask, ratio="sequence")
    means = [1.0, (0.5 * 2 * 1.1 * 0.5) ** 0.25]  # geometric
    np.testing.assert_allclose(metrics["ratio"], np.mean(means), rtol=1e-6)
    assert metrics["clip_low"] == 0
    assert "kl" not in metrics


def test_it_compiles_maps_and_takes_bfloat16(batch):
    logps, old, advantages, mask, _ = (jnp.array(array)[None] for array in batch)
    stacked = [jnp.concatenate([array, array[:, ::-1]]) for array in (logps, old, advantages, mask)]
    losses, metrics = jax.jit(jax.vmap(policy_loss))(*stacked)
    single, _ = policy_loss(logps[0], old[0], advantages[0], mask[0])
    np.testing.assert_allclose(losses, [single, single], rtol=1e-5)
    assert metrics["ratio"].shape == (2,)

    half = [array[0].astype(jnp.bfloat16) for array in (logps, old, advantages)]
    loss, _ = policy_loss(*half, mask[0])
    exact, _ = policy_loss(*(array.astype(jnp.float32) for array in half), mask[0])
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, exact, rtol=1e-6)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"ratio": "tokens"}, r"policy_loss: unknown ratio 'tokens'; did you mean 'token'\?"),
        ({"reduction": "mean"}, "unknown reduction 'mean'.* sequence_mean, token_mean, fixed_length"),
        ({"kl_estimator": "k4"}, "unknown kl_estimator 'k4'"),
        ({"kl_coefficient": 0.1}, "kl_coefficient needs ref_logps"),
        ({"dual_clip": 1.0}, "dual_clip is 1.0; it must be above 1"),
        ({"reduction": "fixed_length"}, "needs fixed_length"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_sentence(options, sentence):
    unchecked = inspect.unwrap(policy_loss)  # without the tests' own check of argument types
    with pytest.raises(UserError, match=sentence):
        unchecked(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.ones(1), jnp.ones((1, 2), bool), **options)
