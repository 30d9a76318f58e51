"""Many settings of the reward at once: what would each have made of the same outputs?

The weights of the parts, the price of redundancy and the divisor of an advantage are chosen before a run. Here they are
arrays. Verdicts and redundancies (Eq. 6) do not depend on them and come in ready; Eq. 7, 5 and 3 then run for all
settings in one compiled call. `reward_shaping.shape_verdicts` on one setting is the plain reference of all this.

M steps of a run, B prompts a step, G outputs a prompt, K parts of the reward, S settings.
"""

from functools import partial, reduce
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real, ScalarLike

from compeer_jax.rl.advantages import Scale
from compeer_jax.rl.redundancy import LengthMean, length_coefficient, reweight

SCALES: tuple[Scale, ...] = get_args(Scale)
"""What `RewardSettings.scale` counts through: "group", "batch", "none"."""

CACHED, FILLED = 1 << 14, 1 << 22
"""Outputs x settings worked on at once: what stays in a CPU's nearest caches, and what fills an accelerator."""

TIE = 1e-5
"""Rewards, or advantages, nearer to each other than this are equal."""


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


class SweptRewards(NamedTuple):
    """What each setting makes of each output.

    Attributes:
        rewards: after Eq. 5.
        advantages: of those (Eq. 3).
    """

    rewards: Float[Array, "S M B G"]
    advantages: Float[Array, "S M B G"]


class SettingSummary(NamedTuple):
    """What a designer of rewards wants to know of each setting; every array is [S].

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
    outputs = _Outputs(*jax.tree.map(jnp.transpose, (verdicts, s_in, s_hi, lengths, missed)))

    def swept(setting: RewardSettings) -> SweptRewards:
        _, rewards, advantages = _shape(setting, outputs, length_mean, epsilon)
        return SweptRewards(rewards.T, advantages.T)

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
    outputs = _Outputs(*jax.tree.map(jnp.transpose, (verdicts, s_in, s_hi, lengths, missed)))
    reference = _shape(base, outputs, length_mean, epsilon)

    def summary(setting: RewardSettings) -> SettingSummary:
        return _summary(_shape(setting, outputs, length_mean, epsilon), reference, outputs)

    return jax.lax.map(summary, settings, batch_size=_settings_a_round(s_in.size, chunk))


def _settings_a_round(outputs: int, chunk: int | None) -> int:
    if chunk is None:
        chunk = CACHED if jax.default_backend() == "cpu" else FILLED
    return max(chunk // outputs, 1)


class _Outputs(NamedTuple):
    """The outputs, the place in the group as first axis and the step as last.

    A sum over a group is then one of G long vectors. Written as Python's `sum`, G additions, a compiler fuses it with
    what comes before and after: on a CPU several times quicker than reducing a last axis of 4 or 8.
    """

    parts: Float[Array, "K G B M"]
    s_in: Float[Array, "G B M"]
    s_hi: Float[Array, "G B M"]
    lengths: Real[Array, "G B M"]
    missed: Bool[Array, "G B M"] | None


class _Shaped(NamedTuple):
    judged: Float[Array, "G B M"]
    rewards: Float[Array, "G B M"]
    advantages: Float[Array, "G B M"]


def _shape(setting: RewardSettings, outputs: _Outputs, length_mean: LengthMean, epsilon: ScalarLike) -> _Shaped:
    """Eq. 7, 5 and 3 under one setting."""
    members = len(outputs.s_in)
    judged = sum(weight * part for weight, part in zip(setting.weights, outputs.parts, strict=True))
    coefficient = partial(length_coefficient, alpha=setting.alpha, beta=setting.beta, mean=length_mean)
    tau = jax.vmap(coefficient)(outputs.lengths.T).T.reshape(-1)

    def reweighted(sign: str) -> Float[Array, "G B M"]:
        """Eq. 5 needs nothing of a group but its τ, so each output may pass as a group of one."""
        alone = (array.reshape(members, -1, 1) for array in (judged, outputs.s_in, outputs.s_hi))
        return jax.vmap(lambda *output: reweight(*output, tau, sign=sign))(*alone).reshape(judged.shape)  # pyrefly: ignore[bad-argument-count]

    rewards = jnp.where(setting.aware, reweighted("aware"), reweighted("paper"))
    rewards = jnp.where(setting.reweighting, rewards, judged)
    if outputs.missed is not None:
        rewards = jnp.where(outputs.missed, jnp.minimum(reduce(jnp.minimum, rewards), 0), rewards)
    return _Shaped(judged, rewards, _advantages(rewards, setting.scale, epsilon))


def _advantages(rewards: Float[Array, "G B M"], scale: Int[Array, ""], epsilon: ScalarLike) -> Float[Array, "G B M"]:
    """Eq. 3, as `group_advantages` has it, on each step. `scale` is data, so all three divisors are made."""
    members, prompts, _ = rewards.shape
    from_first = rewards - rewards[0]  # so that equal rewards give exactly 0
    means = sum(from_first) / members
    deviations = from_first - means
    squares = sum(deviations**2)
    group = _inverse(jnp.sqrt(squares / max(members - 1, 1)), epsilon)
    # A step's variance is that within its groups and that between their means.
    means = means + rewards[0]
    means = means - means[0]
    between = members * (means - means.mean(axis=0)) ** 2
    batch = _inverse(jnp.sqrt((squares + between).sum(axis=0) / max(members * prompts - 1, 1)), epsilon)
    return deviations * jax.lax.select_n(scale, group, jnp.broadcast_to(batch, group.shape), jnp.ones_like(group))


def _inverse(spread: Float[Array, "*_"], epsilon: ScalarLike) -> Float[Array, "*_"]:
    return jnp.where(spread > 0, 1 / (spread + epsilon), 0)


def _summary(shaped: _Shaped, base: _Shaped, outputs: _Outputs) -> SettingSummary:
    """See `SettingSummary`."""
    judged, rewards, advantages = shaped
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
