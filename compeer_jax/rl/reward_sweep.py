"""Sweep over settings of the reward: what would each have made of the same outputs?

The weights of the parts, the price of redundancy and the divisor of an advantage are chosen before a run. Here they are
arrays. Verdicts and redundancies (Eq. 6) do not depend on them and come in ready; Eq. 7, 5 and 3 then run for all
settings in one compiled call, by the function that a training run takes too: `reward_shaping.shape_outputs`.

M steps of a run, B prompts a step, G outputs a prompt, K parts of the reward, S settings.
"""

from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Real, ScalarLike

from compeer_jax.rl.redundancy import LengthMean
from compeer_jax.rl.reward_shaping import JudgedOutputs, RewardSettings, ShapedOutputs, shape_outputs

CACHED, FILLED = 1 << 14, 1 << 22
"""Outputs x settings worked on at once: what stays in a CPU's nearest caches, and what fills an accelerator."""

TIE = 1e-5
"""Rewards, or advantages, nearer to each other than this are equal."""


class SweptRewards(NamedTuple):
    """Rewards and advantages of each output under each setting.

    Attributes:
        rewards: after Eq. 5.
        advantages: of those (Eq. 3).
    """

    rewards: Float[Array, "S M B G"]
    advantages: Float[Array, "S M B G"]


class SettingSummary(NamedTuple):
    """Summary of each setting, for a designer of rewards; every array is [S].

    "Redundancy" is s_in + s_hi, and a correlation "within groups" is one over all outputs after each group's mean is
    taken off, so it compares an output with the others of its prompt only. It is 0 where nothing varies.

    Attributes:
        reward: mean reward after Eq. 5.
        equal_groups: share of groups whose rewards are all equal: they teach nothing.
        advantage: mean size |A| of the advantages: how loud the setting speaks.
        redundancy: correlation within groups of advantage and redundancy. Below 0, redundancy costs; what it is
            without reweighting shows whether the judge alone already likes or dislikes it.
        redundancy_rejected: the same among outputs whose reward before Eq. 5 is negative, where the equation as printed
            pays for redundancy.
        agreement: correlation of the advantages with those of the base setting.
        best_changed: share of groups in which no output that was best under the base setting is best now.
        sign_changed: share of outputs that the base setting encourages and this one discourages, or the reverse.
    """

    reward: Float[Array, " S"]
    equal_groups: Float[Array, " S"]
    advantage: Float[Array, " S"]
    redundancy: Float[Array, " S"]
    redundancy_rejected: Float[Array, " S"]
    agreement: Float[Array, " S"]
    best_changed: Float[Array, " S"]
    sign_changed: Float[Array, " S"]


@partial(jax.jit, static_argnames=("length_mean", "chunk"))
def sweep_rewards(
    settings: RewardSettings,
    verdicts: Float[Array, "M B G K"],
    s_in: Float[Array, "M B G"],
    s_hi: Float[Array, "M B G"],
    lengths: Real[Array, "M B G"],
    *,
    missed: Bool[Array, "M B G"] | None = None,
    length_mean: LengthMean = "group",
    epsilon: ScalarLike = 1e-4,
    chunk: int | None = None,
) -> SweptRewards:
    """Rewards and advantages of every output under every setting.

    Args:
        settings: S of them. The result holds S times as many numbers as there are outputs, twice.
        verdicts: parts of each output's reward.
        s_in, s_hi: redundancy (Eq. 6).
        lengths: of the responses, in the unit of `beta`.
        missed: True for outputs that no setting may encourage; see `reward_shaping.floored`.
        length_mean: whether τ follows the mean length of the group, or of all outputs of the step.
        epsilon: added to the divisor of Eq. 3.
        chunk: outputs x settings that one round of the compiled loop works on, the settings of a round by `vmap`;
            None chooses for the backend.
    """
    outputs = JudgedOutputs(*jax.tree.map(jnp.transpose, (verdicts, s_in, s_hi, lengths, missed)))

    def swept(setting: RewardSettings) -> SweptRewards:
        shaped = shape_outputs(setting, outputs, length_mean=length_mean, epsilon=epsilon)
        return SweptRewards(shaped.rewards.T, shaped.advantages.T)

    return jax.lax.map(swept, settings, batch_size=_settings_a_round(s_in.size, chunk))


@partial(jax.jit, static_argnames=("length_mean", "chunk"))
def sweep_summaries(
    settings: RewardSettings,
    base: RewardSettings,
    verdicts: Float[Array, "M B G K"],
    s_in: Float[Array, "M B G"],
    s_hi: Float[Array, "M B G"],
    lengths: Real[Array, "M B G"],
    *,
    missed: Bool[Array, "M B G"] | None = None,
    length_mean: LengthMean = "group",
    epsilon: ScalarLike = 1e-4,
    chunk: int | None = None,
) -> SettingSummary:
    """`SettingSummary` of every setting, compared with one `base` setting; the rest as for `sweep_rewards`.

    No more than about `chunk` rewards are held at a time, however many settings there are.
    """
    outputs = JudgedOutputs(*jax.tree.map(jnp.transpose, (verdicts, s_in, s_hi, lengths, missed)))
    shape = partial(shape_outputs, outputs=outputs, length_mean=length_mean, epsilon=epsilon)
    reference = shape(base)

    def summary(setting: RewardSettings) -> SettingSummary:
        return _summary(shape(setting), reference, outputs)

    return jax.lax.map(summary, settings, batch_size=_settings_a_round(s_in.size, chunk))


def _settings_a_round(outputs: int, chunk: int | None) -> int:
    if chunk is None:
        chunk = CACHED if jax.default_backend() == "cpu" else FILLED
    return max(chunk // outputs, 1)


def _summary(shaped: ShapedOutputs, base: ShapedOutputs, outputs: JudgedOutputs) -> SettingSummary:
    """See `SettingSummary`."""
    judged, _, rewards, advantages = shaped
    redundancy = outputs.s_in + outputs.s_hi
    everywhere = jnp.ones(rewards.shape, bool)
    lowest, highest = reduce(jnp.minimum, rewards), reduce(jnp.maximum, rewards)
    stays_best = sum((rewards >= highest - TIE) & (base.rewards >= reduce(jnp.maximum, base.rewards) - TIE))
    turned = (advantages * base.advantages < 0) & (jnp.minimum(jnp.abs(advantages), jnp.abs(base.advantages)) > TIE)
    return SettingSummary(
        reward=rewards.mean(),
        equal_groups=(highest - lowest <= TIE).mean(),
        advantage=jnp.abs(advantages).mean(),
        redundancy=_correlation(advantages, redundancy, everywhere),
        redundancy_rejected=_correlation(advantages, redundancy, judged < 0),
        agreement=_correlation(advantages, base.advantages, everywhere),
        best_changed=(stays_best == 0).mean(),
        sign_changed=turned.mean(),
    )


def _correlation(
    left: Float[Array, "G B M"], right: Float[Array, "G B M"], mask: Bool[Array, "G B M"]
) -> Float[Array, ""]:
    """Correlation within groups, over the outputs where `mask` is True."""
    left, right = _centred(left, mask), _centred(right, mask)
    norm = jnp.sqrt((left**2).sum() * (right**2).sum())
    return jnp.where(norm > TIE, (left * right).sum() / jnp.where(norm > TIE, norm, 1), 0)


def _centred(values: Float[Array, "G B M"], mask: Bool[Array, "G B M"]) -> Float[Array, "G B M"]:
    """Minus the mean of each group's masked outputs; 0 elsewhere."""
    count = jnp.maximum(sum(mask.astype(values.dtype)), 1)
    return jnp.where(mask, values - sum(jnp.where(mask, values, 0)) / count, 0)
