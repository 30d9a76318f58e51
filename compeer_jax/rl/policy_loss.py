"""The GRPO loss (Eq. 2): move probability towards the outputs that did better, but not far in one step.

Read top to bottom: the ratio of new to old probability, the clipped objective, the KL term, and how tokens add up.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, ScalarLike

from compeer_jax.errors import UserError, unknown

Ratio = Literal["token", "sequence"]
KLEstimator = Literal["k1", "k2", "k3"]
Reduction = Literal["sequence_mean", "token_mean", "fixed_length"]

# Log-ratios are cut here before exp: beyond e^20 there is nothing to learn, and an overflow would turn the gradient of
# a clipped token, 0 · inf, into NaN.
LOG_RATIO_LIMIT = 20.0


def policy_loss(
    logps: Float[Array, "N T"],
    old_logps: Float[Array, "N T"],
    advantages: Float[Array, " N"],
    mask: Bool[Array, "N T"],
    *,
    ratio: Ratio = "token",
    clip_low: ScalarLike = 0.2,
    clip_high: ScalarLike = 0.2,
    dual_clip: ScalarLike | None = None,
    kl_coefficient: ScalarLike = 0.0,
    ref_logps: Float[Array, "N T"] | None = None,
    kl_estimator: KLEstimator = "k3",
    token_weights: Float[Array, "N T"] | None = None,
    reduction: Reduction = "sequence_mean",
    fixed_length: ScalarLike | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The loss to minimise, and what to log (Eq. 2, as we read it). With ρ = π / π_old, a token of output i loses

        −min(ρ · A_i, clip(ρ, 1 − clip_low, 1 + clip_high) · A_i) + kl_coefficient · KL(π ‖ π_ref)

    Only `logps` receives a gradient; the other arrays are data. What stands where `mask` is False, NaN included, has
    no effect on value or gradient.

    **"Why is the loss 0?"** With one update a batch, ρ is 1 everywhere and the printed loss is minus the mean of the
    advantages, which Eq. 3 makes 0 (or near it, if tokens rather than outputs are averaged). Its gradient is not 0: it
    is the policy gradient. Watch the gradient norm and the rewards instead.

    Args:
        logps: log-probability of each completion token under the weights being trained.
        old_logps: under the weights that sampled the tokens, kept through all updates on them. Taken afresh from the
            current weights each time, they would make the ratio always 1 and the clip an ornament.
        advantages: one an output (Eq. 3), shared by its tokens.
        mask: True on the tokens that train. A row with none adds 0.
        ratio: "token" has one ratio a token; "sequence" one an output, the geometric mean of its tokens' (GSPO).
        clip_low, clip_high: how far the ratio may move before a token stops pushing.
        dual_clip: for A < 0, the ratio at which a token stops pushing too (Ye et al. 2020; TRL's `delta`); above
            1 + clip_high. None lets it push on.
        kl_coefficient: weight of the KL term; 0, as in the paper, for none.
        ref_logps: under the start policy; needed for a KL term.
        kl_estimator: see `kl_divergence`.
        token_weights: what the clipped loss of each token is multiplied by, the KL term not; see `importance_weights`.
        reduction: see `reduce_tokens`.
        fixed_length: T of the "fixed_length" reduction.

    Returns:
        The loss, and metrics, all scalars without gradient: "ratio" (its mean), "clip_low" and "clip_high" (share of
        ratios that the clip stops at A < 0 and at A > 0), "clip_ratio" (either), "approx_kl" (of π_old ‖ π, tokens'
        mean in nats), and with `ref_logps` "kl" (of π ‖ π_ref, the same). A share or mean of ratios is over tokens, or
        over outputs when ratio="sequence".

    Raises:
        UserError: an unknown mode; a KL coefficient without `ref_logps`; a `dual_clip` that is not above 1; the
            reduction "fixed_length" without its length.
    """
    _check_modes(ratio, dual_clip, kl_coefficient, ref_logps, kl_estimator, reduction, fixed_length)
    # Padding is cleared before any arithmetic: multiplied away afterwards, an inf or NaN would still reach gradients.
    logps = _precise(jnp.where(mask, logps, 0))
    old_logps = jax.lax.stop_gradient(_precise(jnp.where(mask, old_logps, 0)))
    advantage = jax.lax.stop_gradient(advantages)[:, None]

    log_ratio = jnp.clip(logps - old_logps, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    if ratio == "token":
        rho, counted = jnp.exp(log_ratio), mask
    else:
        rho, counted = jnp.exp(_row_means(log_ratio, mask)), mask.any(axis=1, keepdims=True)  # [N 1]

    losses = clipped_losses(rho, advantage, clip_low, clip_high, dual_clip)
    losses = jnp.broadcast_to(losses, mask.shape)
    if token_weights is not None:
        losses = losses * jax.lax.stop_gradient(_precise(jnp.where(mask, token_weights, 0)))
    metrics = {
        "ratio": _mean(rho, counted),
        "clip_low": _mean((rho < 1 - clip_low) & (advantage < 0), counted),
        "clip_high": _mean((rho > 1 + clip_high) & (advantage > 0), counted),
        "approx_kl": _mean(kl_divergence(old_logps, logps, "k3"), mask),
    }
    metrics["clip_ratio"] = metrics["clip_low"] + metrics["clip_high"]
    if ref_logps is not None:
        ref_logps = jax.lax.stop_gradient(_precise(jnp.where(mask, ref_logps, 0)))
        kl = kl_divergence(logps, ref_logps, kl_estimator)
        metrics["kl"] = _mean(kl, mask)
        losses = losses + kl_coefficient * kl
    loss = reduce_tokens(losses, mask, reduction, fixed_length)
    return loss, jax.lax.stop_gradient(metrics)


def clipped_losses(
    rho: Float[Array, "N K"],
    advantage: Float[Array, "N 1"],
    clip_low: ScalarLike,
    clip_high: ScalarLike,
    dual_clip: ScalarLike | None = None,
) -> Float[Array, "N K"]:
    """PPO's clipped objective, negated: a loss for each ratio.

    `min` for either sign of A: it stops a token that has already moved far the way A wants, and never one that has to
    come back. For A > 0 the gradient is 0 where ρ > 1 + clip_high, for A < 0 where ρ < 1 − clip_low, and only there;
    with `dual_clip`, for A < 0 also where ρ > dual_clip, so that one improbable token can't outweigh the batch.
    """
    gain = jnp.minimum(rho * advantage, jnp.clip(rho, 1 - clip_low, 1 + clip_high) * advantage)
    if dual_clip is not None:
        gain = jnp.where(advantage < 0, jnp.maximum(gain, dual_clip * advantage), gain)
    return -gain


def importance_weights(
    old_logps: Float[Array, "N T"], sampler_logps: Float[Array, "N T"], cap: ScalarLike
) -> Float[Array, "N T"]:
    """min(π_old / π_sampler, cap) of each token, without gradient: makes up for tokens that other weights drew.

    Truncated importance sampling: without the cap a mean over the sampler's tokens would have the expectation of one
    over π_old's; the cap trades a little of that for bounded variance (Ionides 2008; Yao et al. 2025 for RL).
    """
    log_ratio = jnp.clip(_precise(old_logps) - _precise(sampler_logps), -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(log_ratio), cap))


def kl_divergence(
    logps: Float[Array, "N T"], ref_logps: Float[Array, "N T"], estimator: KLEstimator
) -> Float[Array, "N T"]:
    """KL(π ‖ π_ref) in nats, estimated at tokens drawn from π (Schulman, "Approximating KL divergence", 2020).

    With d = log π_ref − log π:

        k1 = −d               unbiased, noisy, of either sign
        k2 = d² / 2           biased, ≥ 0; the expectation of its gradient is that of KL(π ‖ π_ref)
        k3 = exp(d) − d − 1   unbiased, ≥ 0; the expectation of its gradient is that of KL(π_ref ‖ π); what GRPO uses

    As a loss, k1 alone would do nothing: the expectation of its gradient, E[∇ log π], is 0. Here k1 has its own value
    and the gradient of k2.
    """
    difference = jnp.clip(ref_logps - logps, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    if estimator == "k3":
        return jnp.expm1(difference) - difference
    k2 = difference**2 / 2
    if estimator == "k2":
        return k2
    return k2 + jax.lax.stop_gradient(-difference - k2)


def reduce_tokens(
    losses: Float[Array, "N T"],
    mask: Bool[Array, "N T"],
    reduction: Reduction,
    fixed_length: ScalarLike | None = None,
) -> Float[Array, ""]:
    """One loss from those of the tokens where `mask` is True.

    - "sequence_mean": mean over outputs of the mean over their tokens; long outputs weigh as much as short ones.
      (GRPO; TRL's "grpo", verl's "seq-mean-token-mean".)
    - "token_mean": mean over all tokens. (DAPO; TRL's "dapo" and "bnpo", verl's "token-mean".)
    - "fixed_length": sum over tokens / (N · fixed_length): no output's length divides. (Dr. GRPO; TRL's "dr_grpo".)
    """
    if reduction == "sequence_mean":
        return _row_means(losses, mask).mean()
    if reduction == "token_mean":
        return _mean(losses, mask)
    return jnp.where(mask, losses, 0).sum() / (mask.shape[0] * fixed_length)


def _precise(x: Float[Array, "N T"]) -> Float[Array, "N T"]:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _mean(values: Array, mask: Bool[Array, "N K"]) -> Float[Array, ""]:
    """Mean where `mask` is True; 0 if it nowhere is."""
    return jnp.where(mask, values, 0).sum() / jnp.maximum(mask.sum(), 1)


def _row_means(values: Float[Array, "N T"], mask: Bool[Array, "N T"]) -> Float[Array, "N 1"]:
    """Mean of each row where `mask` is True; 0 in a row where it nowhere is."""
    total = jnp.where(mask, values, 0).sum(axis=1, keepdims=True)
    return total / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)


def _check_modes(ratio, dual_clip, kl_coefficient, ref_logps, kl_estimator, reduction, fixed_length):
    """Raises UserError for what can be known to be wrong before any number is."""
    for kind, name, options in [
        ("ratio", ratio, Ratio),
        ("kl_estimator", kl_estimator, KLEstimator),
        ("reduction", reduction, Reduction),
    ]:
        if name not in get_args(options):
            raise unknown(kind, name, get_args(options), "policy_loss")
    if isinstance(dual_clip, int | float) and dual_clip <= 1:
        raise UserError(f"policy_loss: dual_clip is {dual_clip}; it must be above 1 + clip_high, or None for no bound.")
    if ref_logps is None and not (isinstance(kl_coefficient, int | float) and kl_coefficient == 0):
        raise UserError("policy_loss: kl_coefficient needs ref_logps, the log-probabilities under the start policy.")
    if reduction == "fixed_length" and fixed_length is None:
        raise UserError('policy_loss: reduction "fixed_length" needs fixed_length, the longest completion in tokens.')
