"""Bag-of-token vectors: what Eq. 6 compares when no encoder is at hand."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def token_counts(ids: Int[Array, "*lead T"], mask: Bool[Array, "*lead T"], size: int) -> Float[Array, "*lead size"]:
    """How often each of the ids 0 … `size` − 1 occurs in each sequence.

    Args:
        ids: token ids of texts; any leading shape, e.g. [B G T] of outputs or [B U T] of utterances.
        mask: True on the tokens that count.
        size: number of ids, fixed at compile time. An id outside 0 … `size` − 1 counts nowhere.

    Returns:
        Counts in float32. Nothing of shape [… T size] is built.
    """
    *lead, length = ids.shape
    ids, mask = ids.reshape(-1, length), mask.reshape(-1, length)
    counted = jnp.where(mask & (ids >= 0), ids, size)  # one past the end: the scatter drops it
    rows = jnp.arange(ids.shape[0])[:, None]
    counts = jnp.zeros((ids.shape[0], size), jnp.float32).at[rows, counted].add(1, mode="drop")
    return counts.reshape(*lead, size)
