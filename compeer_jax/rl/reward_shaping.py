"""Reward shaping: from verdicts, or rewards made of them, to advantages (Eq. 6, 7, 5, then 3).

There is one way, `shape_outputs`: a training run takes it with its setting, a sweep (`reward_sweep`) with thousands.
"""

from functools import partial, reduce
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real, ScalarLike

from compeer_jax.errors import unknown
from compeer_jax.rl.advantages import SCALES, Scale, member_advantages
from compeer_jax.rl.redundancy import Cosine, LengthMean, Sign, cosine_redundancy, length_coefficient, reweight


class RewardSettings(NamedTuple):
    """S settings; or one, when the arrays lack that axis.

    Attributes:
        reweighting: whether Eq. 5 is applied; where it is not, alpha, beta and aware do nothing.
        alpha: steepness of τ in the length (Eq. 7).
        beta: length at which τ is 1/2 (Eq. 7).
        aware: whether redundancy costs a negative reward too ("aware"), or pays there ("paper").
        weights: of the reward's parts, which are added up.
        scale: what divides in Eq. 3, as an index into `SCALES`.
    """

    reweighting: Bool[Array, "*S"]
    alpha: Float[Array, "*S"]
    beta: Float[Array, "*S"]
    aware: Bool[Array, "*S"]
    weights: Float[Array, "*S K"]
    scale: Int[Array, "*S"]


class JudgedOutputs(NamedTuple):
    """M steps of B prompts with G outputs each, the place in the group as first axis and the step as last.

    Attributes:
        verdicts: K parts of each output's reward: ±1 for each step, the response and the format, 0 for no verdict.
        s_in, s_hi: redundancy (Eq. 6).
        lengths: of the responses, in the unit of `beta` (Eq. 7).
        missed: True for an output that must not be encouraged, whatever its reward; see `floored`.
    """

    verdicts: Float[Array, "K G B M"]
    s_in: Float[Array, "G B M"]
    s_hi: Float[Array, "G B M"]
    lengths: Real[Array, "G B M"]
    missed: Bool[Array, "G B M"] | None


class ShapedOutputs(NamedTuple):
    """Rewards and advantages of `JudgedOutputs` under one setting.

    Attributes:
        judged: weighted sums of the verdicts.
        tau: the weight of redundancy (Eq. 7).
        rewards: after Eq. 5, or as judged when reweighting is off; those of outputs that `missed` at the floor.
        advantages: of `rewards` (Eq. 3).
    """

    judged: Float[Array, "G B M"]
    tau: Float[Array, "B M"]
    rewards: Float[Array, "G B M"]
    advantages: Float[Array, "G B M"]


def shape_outputs(
    setting: RewardSettings, outputs: JudgedOutputs, *, length_mean: LengthMean = "group", epsilon: ScalarLike = 1e-4
) -> ShapedOutputs:
    """Eq. 7, 5 and 3 under one setting, whose choices are data: so one program serves all.

    Args:
        setting: one, without the axis of settings.
        outputs: what was judged, and Eq. 6 of it.
        length_mean: whether τ follows the mean length of the group, or of all outputs of the step.
        epsilon: added to the divisor of Eq. 3.
    """
    members = len(outputs.s_in)
    # Summed rather than contracted: a TPU would round the weights of a product to bfloat16.
    judged = sum(weight * part for weight, part in zip(setting.weights, outputs.verdicts, strict=True))
    coefficient = partial(length_coefficient, alpha=setting.alpha, beta=setting.beta, mean=length_mean)
    tau = jax.vmap(coefficient)(outputs.lengths.T).T

    def reweighted(sign: Sign) -> Float[Array, "G B M"]:
        """Eq. 5 needs nothing of a group but its τ, so each output may pass as a group of one."""
        eq5 = partial(reweight, tau=tau.reshape(-1), sign=sign)
        alone = (array.reshape(members, -1, 1) for array in (judged, outputs.s_in, outputs.s_hi))
        return jax.vmap(eq5)(*alone).reshape(judged.shape)

    rewards = jnp.where(setting.aware, reweighted("aware"), reweighted("paper"))
    rewards = jnp.where(setting.reweighting, rewards, judged)
    if outputs.missed is not None:
        rewards = floored(rewards, outputs.missed)
    return ShapedOutputs(judged, tau, rewards, member_advantages(rewards, setting.scale, epsilon))


class ShapedRewards(NamedTuple):
    """Rewards and advantages of B groups of G outputs, from `shape_rewards`.

    Attributes:
        rewards, tau, advantages: see `ShapedOutputs`.
        s_in: redundancy among the outputs of a group (Eq. 6).
        s_hi: redundancy with the history (Eq. 6).
    """

    rewards: Float[Array, "B G"]
    s_in: Float[Array, "B G"]
    s_hi: Float[Array, "B G"]
    tau: Float[Array, " B"]
    advantages: Float[Array, "B G"]


_jit = partial(jax.jit, static_argnames=("sign", "cosine", "length_mean", "reweighting", "scale"))


@_jit
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

    `weights`, `alpha`, `beta` and `epsilon` may be swept with `vmap`; for many settings at once see `reward_sweep`:

        jax.vmap(lambda alpha: shape_verdicts(*batch, alpha=alpha).advantages)(jnp.linspace(0.1, 1, 10))

    Args:
        verdicts: K parts of each output's reward, see `JudgedOutputs`.
        weights: of the parts; all 1 in the paper.
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

    Raises:
        UserError: a sign, mean or scale that there is not.
    """
    for what, value, choices in (
        ("sign of reweighting", sign, get_args(Sign)),
        ("scale of advantages", scale, SCALES),
    ):
        if value not in choices:
            raise unknown(what, value, choices)
    s_in, s_hi = cosine_redundancy(outputs, history, history_mask, cosine=cosine)
    setting = RewardSettings(
        reweighting=jnp.asarray(reweighting),
        alpha=jnp.asarray(alpha),
        beta=jnp.asarray(beta),
        aware=jnp.asarray(sign == "aware"),
        weights=weights,
        scale=jnp.int32(SCALES.index(scale)),
    )
    judged = JudgedOutputs(
        verdicts.T[..., None], *jax.tree.map(lambda array: array.T[..., None], (s_in, s_hi, lengths, missed))
    )
    shaped = shape_outputs(setting, judged, length_mean=length_mean, epsilon=epsilon)
    rewards, advantages = shaped.rewards[..., 0].T, shaped.advantages[..., 0].T
    return ShapedRewards(rewards, s_in, s_hi, shaped.tau[:, 0], advantages)


@_jit
def shape_rewards(rewards: Float[Array, "B G"], *batch: Array, **options) -> ShapedRewards:
    """`shape_verdicts` on rewards that are ready, −5 … +5 for `unified_reward`; any finite numbers will do."""
    return shape_verdicts(rewards[..., None], jnp.ones(1, jnp.float32), *batch, **options)


def floored(rewards: Float[Array, "G *groups"], missed: Bool[Array, "G *groups"]) -> Float[Array, "G *groups"]:
    """Rewards in which an output that `missed` has the least of its group, and none above 0.

    Its advantage can then not be positive, whatever the verdicts, their weights, or Eq. 5, which as printed lifts a
    negative reward: the least of numbers is at most their mean.
    """
    return jnp.where(missed, jnp.minimum(reduce(jnp.minimum, rewards), 0), rewards)
