"""From judged rewards to advantages, in one compiled function: Eq. 6, 7, 5, then 3."""

from functools import partial
from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Real, ScalarLike

from compeer_jax.rl.advantages import Scale, group_advantages
from compeer_jax.rl.redundancy import Sign, cosine_redundancy, length_coefficient, reweight


class ShapedRewards(NamedTuple):
    """What `shape_rewards` makes of B groups of G rewards.

    Attributes:
        rewards: after Eq. 5, or as they came when reweighting is off.
        s_in: redundancy among the outputs of a group, 0 … 1 (Eq. 6).
        s_hi: redundancy with the history, 0 … 1 (Eq. 6).
        tau: the weight of redundancy, one a group (Eq. 7).
        advantages: of `rewards` (Eq. 3).
    """

    rewards: Float[Array, "B G"]
    s_in: Float[Array, "B G"]
    s_hi: Float[Array, "B G"]
    tau: Float[Array, " B"]
    advantages: Float[Array, "B G"]


@partial(jax.jit, static_argnames=("sign", "reweighting", "scale"))
def shape_rewards(
    rewards: Float[Array, "B G"],
    outputs: Float[Array, "B G D"],
    history: Float[Array, "B U D"],
    history_mask: Bool[Array, "B U"],
    lengths: Real[Array, "B G"],
    *,
    alpha: ScalarLike = 0.5,
    beta: ScalarLike = 5.0,
    sign: Sign = "paper",
    reweighting: bool = True,
    scale: Scale = "group",
    epsilon: ScalarLike = 1e-4,
) -> ShapedRewards:
    """Reweights rewards by redundancy and compares them within their groups.

    `alpha`, `beta` and `epsilon` may be arrays, so a sweep is one `vmap`:

        jax.vmap(lambda alpha: shape_rewards(*batch, alpha=alpha).advantages)(jnp.linspace(0, 1, 11))

    Args:
        rewards: the judge's, −5 … +5 for `unified_reward`; any finite numbers will do.
        outputs: vectors of the outputs' responses (Eq. 6).
        history: vectors of the utterances before them.
        history_mask: True where an utterance is real.
        lengths: of the responses, in the unit of `beta` (Eq. 7).
        alpha: largest weight of redundancy.
        beta: length at which half of it is reached.
        sign: "paper", or "aware" so that redundancy costs a negative reward too.
        reweighting: False leaves the rewards alone; redundancy is measured all the same, to be logged.
        scale: what divides in Eq. 3, see `group_advantages`.
        epsilon: added to that divisor.
    """
    s_in, s_hi = cosine_redundancy(outputs, history, history_mask)
    tau = length_coefficient(lengths, alpha=alpha, beta=beta)
    if reweighting:
        rewards = reweight(rewards, s_in, s_hi, tau, sign=sign)
    return ShapedRewards(rewards, s_in, s_hi, tau, group_advantages(rewards, scale=scale, epsilon=epsilon))
