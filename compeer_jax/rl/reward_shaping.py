"""From verdicts, or rewards made of them, to advantages in one compiled function: Eq. 6, 7, 5, then 3."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Real, ScalarLike

from compeer_jax.rl.advantages import Scale, group_advantages
from compeer_jax.rl.redundancy import Cosine, LengthMean, Sign, cosine_redundancy, length_coefficient, reweight


class ShapedRewards(NamedTuple):
    """What `shape_rewards` makes of B groups of G rewards.

    Attributes:
        rewards: after Eq. 5, or as they came when reweighting is off; those of outputs that `missed` at the floor.
        s_in: redundancy among the outputs of a group (Eq. 6).
        s_hi: redundancy with the history (Eq. 6).
        tau: the weight of redundancy, one a group (Eq. 7).
        advantages: of `rewards` (Eq. 3).
    """

    rewards: Float[Array, "B G"]
    s_in: Float[Array, "B G"]
    s_hi: Float[Array, "B G"]
    tau: Float[Array, " B"]
    advantages: Float[Array, "B G"]


@partial(jax.jit, static_argnames=("sign", "cosine", "length_mean", "reweighting", "scale"))
def shape_rewards(
    rewards: Float[Array, "B G"],
    outputs: Float[Array, "B G D"],
    history: Float[Array, "B U D"],
    history_mask: Bool[Array, "B U"],
    lengths: Real[Array, "B G"],
    *,
    missed: Bool[Array, "B G"] | None = None,
    alpha: ScalarLike = 0.5,
    beta: ScalarLike = 5.0,
    sign: Sign = "paper",
    cosine: Cosine = "plain",
    length_mean: LengthMean = "group",
    reweighting: bool = True,
    scale: Scale = "group",
    epsilon: ScalarLike = 1e-4,
) -> ShapedRewards:
    """Reweights rewards by redundancy and compares them within their groups.

    `alpha`, `beta` and `epsilon` may be arrays, so a sweep is one `vmap`:

        jax.vmap(lambda alpha: shape_rewards(*batch, alpha=alpha).advantages)(jnp.linspace(0.1, 1, 10))

    Args:
        rewards: the judge's, −5 … +5 for `unified_reward`; any finite numbers will do.
        outputs: vectors of the outputs' responses (Eq. 6).
        history: vectors of the utterances before them.
        history_mask: True where an utterance is real.
        lengths: of the responses, in the unit of `beta` (Eq. 7).
        missed: True for an output that must not be encouraged, whatever its reward; see `floored`.
        alpha: steepness of τ in the length.
        beta: length at which τ is 1/2.
        sign: "paper", or "aware" so that redundancy costs a negative reward too.
        cosine: "plain", or "positive" so that cosines below 0 count as 0.
        length_mean: whether τ follows the mean length of the group or of the batch.
        reweighting: False leaves the rewards alone; redundancy is measured all the same, to be logged.
        scale: what divides in Eq. 3, see `group_advantages`.
        epsilon: added to that divisor.
    """
    s_in, s_hi = cosine_redundancy(outputs, history, history_mask, cosine=cosine)
    tau = length_coefficient(lengths, alpha=alpha, beta=beta, mean=length_mean)
    if reweighting:
        rewards = reweight(rewards, s_in, s_hi, tau, sign=sign)
    if missed is not None:
        rewards = floored(rewards, missed)
    return ShapedRewards(rewards, s_in, s_hi, tau, group_advantages(rewards, scale=scale, epsilon=epsilon))


@partial(jax.jit, static_argnames=("sign", "cosine", "length_mean", "reweighting", "scale"))
def shape_verdicts(
    verdicts: Float[Array, "B G K"],
    weights: Float[Array, " K"],
    outputs: Float[Array, "B G D"],
    history: Float[Array, "B U D"],
    history_mask: Bool[Array, "B U"],
    lengths: Real[Array, "B G"],
    *,
    missed: Bool[Array, "B G"] | None = None,
    alpha: ScalarLike = 0.5,
    beta: ScalarLike = 5.0,
    sign: Sign = "paper",
    cosine: Cosine = "plain",
    length_mean: LengthMean = "group",
    reweighting: bool = True,
    scale: Scale = "group",
    epsilon: ScalarLike = 1e-4,
) -> ShapedRewards:
    """The whole of the reward's maths: verdicts, embeddings and lengths in, reweighted rewards and advantages out.

    `shape_rewards` on the weighted sums of the verdicts, so `weights` can be swept with `vmap` too; for many settings
    at once see `reward_sweep`.

    Args:
        verdicts: K parts of each output's reward: ±1 for each step, the response and the format, 0 for no verdict.
        weights: of the parts; all 1 in the paper.
        outputs, history, history_mask, lengths: as for `shape_rewards`, and so are the rest.
    """
    return shape_rewards(
        weighted_sum(verdicts, weights),
        outputs,
        history,
        history_mask,
        lengths,
        missed=missed,
        alpha=alpha,
        beta=beta,
        sign=sign,
        cosine=cosine,
        length_mean=length_mean,
        reweighting=reweighting,
        scale=scale,
        epsilon=epsilon,
    )


def floored(rewards: Float[Array, "B G"], missed: Bool[Array, "B G"]) -> Float[Array, "B G"]:
    """Rewards in which an output that `missed` has the least of its group, and none above 0.

    Its advantage can then not be positive, whatever the verdicts, their weights, or Eq. 5, which as printed lifts a
    negative reward: the least of numbers is at most their mean.
    """
    floor = jnp.minimum(rewards.min(axis=-1, keepdims=True), 0)
    return jnp.where(missed, floor, rewards)


def weighted_sum(verdicts: Float[Array, "B G K"], weights: Float[Array, " K"]) -> Float[Array, "B G"]:
    """Rewards of the parts. Summed rather than contracted: a TPU would round the weights of a product to bfloat16."""
    return (verdicts * weights).sum(axis=-1)
