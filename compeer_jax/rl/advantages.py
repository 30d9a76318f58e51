"""Group advantages (Eq. 3): how much better an output is than the others of its prompt."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, ScalarLike

from compeer_jax.errors import unknown

Scale = Literal["group", "batch", "none"]
SCALES: tuple[Scale, ...] = get_args(Scale)


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
    if scale not in SCALES:
        raise unknown("scale of advantages", scale, SCALES)
    return member_advantages(rewards.T[:, :, None], jnp.int32(SCALES.index(scale)), epsilon, ddof)[:, :, 0].T


def member_advantages(
    rewards: Float[Array, "G B M"], scale: Int[Array, ""], epsilon: ScalarLike, ddof: int = 1
) -> Float[Array, "G B M"]:
    """`group_advantages` on each of M steps, the place in the group as first axis; `scale` is an index of `SCALES`.

    A sum over a group is then one of G long vectors. Written as Python's `sum`, G additions, a compiler fuses it with
    what comes before and after: on a CPU several times quicker than reducing a last axis of 4 or 8.
    """
    members, prompts, _ = rewards.shape
    from_first = rewards - rewards[0]  # so that equal rewards give exactly 0, where a plain mean would be rounded
    means = sum(from_first) / members
    deviations = from_first - means
    squares = sum(deviations**2)
    group = _inverse(squares / max(members - ddof, 1), epsilon)
    # A step's variance is that within its groups and that between their means.
    means = means + rewards[0]
    means = means - means[0]
    between = members * (means - means.mean(axis=0)) ** 2
    batch = _inverse((squares + between).sum(axis=0) / max(members * prompts - ddof, 1), epsilon)
    return deviations * jax.lax.select_n(scale, group, jnp.broadcast_to(batch, group.shape), jnp.ones_like(group))


def equal_reward_share(rewards: Float[Array, "B G"]) -> Float[Array, ""]:
    """Share of the groups, 0 to 1, whose rewards are all equal and teach nothing; TRL's `frac_reward_zero_std`."""
    return (rewards == rewards[:, :1]).all(axis=1).mean()


def _inverse(variance: Float[Array, "*_"], epsilon: ScalarLike) -> Float[Array, "*_"]:
    """1 / (deviation + ε); 0, with gradient 0, where nothing varies (and √ has no derivative)."""
    varied = variance > 0
    return jnp.where(varied, 1 / (jnp.sqrt(jnp.where(varied, variance, 1)) + epsilon), 0)
