"""Rejection sampling: of several outputs to a prompt, the one that a judge rewards most."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def select_best(
    rewards: Float[Array, "B G"], candidates: Bool[Array, "B G"], key: Key[Array, ""]
) -> tuple[Int[Array, " B"], Bool[Array, " B"]]:
    """The candidate of the highest reward in each of B groups, and whether it was drawn among several such.

    Ties are drawn by lot. The lots depend on the key alone: judges that are given the same key and find the same
    outputs equal choose the same one.

    Args:
        rewards: of each output.
        candidates: those that may be chosen; at least one in each group.
        key: of the lots.
    """
    rewards = jnp.where(candidates, rewards, -jnp.inf)
    best = candidates & (rewards == rewards.max(axis=1, keepdims=True))
    lots = jax.random.uniform(key, rewards.shape)
    return jnp.where(best, lots, -1.0).argmax(axis=1), best.sum(axis=1) > 1
