"""How much better an output is than the others of its prompt (Eq. 3)."""

from typing import Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float, ScalarLike

from compeer_jax.errors import unknown

Scale = Literal["group", "batch", "none"]


def group_advantages(
    rewards: Float[Array, "B G"], *, scale: Scale = "group", epsilon: ScalarLike = 1e-4, ddof: int = 1
) -> Float[Array, "B G"]:
    """Rewards relative to the mean of their group, in units of a standard deviation (Eq. 3, as we read it):

        A_i = (r_i − mean_j r_j) / (std_j r_j + ε)

    A group of equal rewards, and so a group of one, has nothing to teach: its advantages are exactly 0, and so is
    their gradient wherever the group's own deviation divides.

    Args:
        rewards: of the G outputs of each of B prompts.
        scale: what divides: "group" the deviation of the group's rewards; "batch" that of all B·G rewards; "none"
            nothing, as Dr. GRPO proposes, so that easy and hard prompts keep their weight.
        epsilon: added to the deviation.
        ddof: 1 for the sample deviation, as the PyTorch trainers take it; 0 for the population's.

    Raises:
        UserError: `scale` is none of the three.
    """
    if scale not in get_args(Scale):
        raise unknown("scale of advantages", scale, get_args(Scale))
    deviations = _deviations(rewards)
    if scale == "none":
        return deviations
    spread = _standard_deviation(rewards if scale == "group" else rewards.reshape(1, -1), ddof)
    return jnp.where(spread > 0, deviations / (spread + epsilon), 0)


def equal_reward_share(rewards: Float[Array, "B G"]) -> Float[Array, ""]:
    """Share of the groups, 0 to 1, whose rewards are all equal and teach nothing; TRL's `frac_reward_zero_std`."""
    return (rewards == rewards[:, :1]).all(axis=1).mean()


def _deviations(values: Float[Array, "R K"]) -> Float[Array, "R K"]:
    """Values minus their row's mean.

    The first value is taken off beforehand: equal values then give exactly 0, where the rounding of a plain mean would
    leave a remainder that a small ε blows up.
    """
    shifted = values - values[:, :1]
    return shifted - shifted.mean(axis=1, keepdims=True)


def _standard_deviation(values: Float[Array, "R K"], ddof: int) -> Float[Array, "R 1"]:
    """Of each row; 0, with gradient 0, for a row of equal values or of one (where √ has no derivative)."""
    count = max(values.shape[1] - ddof, 1)
    variance = (_deviations(values) ** 2).sum(axis=1, keepdims=True) / count
    varied = variance > 0
    return jnp.where(varied, jnp.sqrt(jnp.where(varied, variance, 1)), 0)
