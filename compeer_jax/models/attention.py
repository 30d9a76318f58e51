"""Causal attention with grouped heads, and who may see whom. The plain reference that any faster kernel must equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Visibility(NamedTuple):
    """Who sees whom: a query sees its own segment's keys up to its own slot; segment 0 is padding, which none sees.

    Kept as four small arrays rather than a [N, T, S] mask, so that a kernel that skips blocks can use them. Queries
    have the same slots in every row, or each row its own.
    """

    query_segments: Int[Array, "N T"]
    key_segments: Int[Array, "N S"]
    query_slots: Int[Array, " T"] | Int[Array, "N T"]
    key_slots: Int[Array, " S"]

    def mask(self) -> Bool[Array, "N T S"]:
        """True where query t sees key s."""
        same = self.query_segments[:, :, None] == self.key_segments[:, None, :]
        real = self.key_segments[:, None, :] != 0
        causal = self.key_slots <= self.query_slots[..., None]
        return same & real & causal


def causal_visibility(segment_ids: Int[Array, "N T"]) -> Visibility:
    """Every token sees the earlier tokens of its segment, and itself."""
    slots = jnp.arange(segment_ids.shape[1])
    return Visibility(segment_ids, segment_ids, slots, slots)


def segment_positions(segment_ids: Int[Array, "N T"]) -> Int[Array, "N T"]:
    """Each token's position: how many tokens of its segment stand before it in its row."""
    slots = jnp.arange(segment_ids.shape[1])
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    return jnp.sum(same & (slots[None, :] < slots[:, None]), axis=-1, dtype=jnp.int32)


def attend(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N S K H"],
    value: Float[Array, "N S K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """softmax(query · keyᵀ / √H) · value, where every K-head serves R = Q / K neighbouring Q-heads.

    Scores and softmax are float32. A query that sees nothing (padding) gets the mean of all values: finite, never NaN,
    and for the caller to ignore.
    """
    n, t, q, h = query.shape
    grouped = (query * h**-0.5).reshape(n, t, key.shape[2], -1, h)
    scores = jnp.einsum("ntkrh,nskh->nkrts", grouped, key, preferred_element_type=jnp.float32)
    scores = jnp.where(visibility.mask()[:, None, None], scores, jnp.finfo(jnp.float32).min)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("nkrts,nskh->ntkrh", weights, value).reshape(n, t, q, h)
