"""Causal attention with grouped heads, and who may see whom. The plain reference that any faster kernel must equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Visibility(NamedTuple):
    """Who sees whom: a query sees its own segment's keys up to its own slot; segment 0 is padding, which none sees.

    A segment may have branches, such as the completions of one prompt: a query then sees the trunk, which is branch 0,
    and its own branch.

    Kept as small arrays rather than a [N, T, S] mask, so that a kernel that skips blocks can use them. Queries and
    keys have the same slots in every row, or each row its own. `key_blocks` may say for each block of a row's tokens
    which M blocks of them it sees any of, -1 where there are fewer (see block_attention.py).
    """

    query_segments: Int[Array, "N T"]
    key_segments: Int[Array, "N S"]
    query_slots: Int[Array, " T"] | Int[Array, "N T"]
    key_slots: Int[Array, " S"] | Int[Array, "N S"]
    query_branches: Int[Array, "N T"] | None = None
    key_branches: Int[Array, "N S"] | None = None
    key_blocks: Int[Array, "N B M"] | None = None

    def mask(self) -> Bool[Array, "N T S"]:
        """True where query t sees key s."""
        same = self.query_segments[:, :, None] == self.key_segments[:, None, :]
        real = self.key_segments[:, None, :] != 0
        causal = self.key_slots[..., None, :] <= self.query_slots[..., None]
        seen = same & real & causal
        if self.query_branches is None:
            return seen
        trunk = self.key_branches[:, None, :] == 0
        return seen & (trunk | (self.query_branches[:, :, None] == self.key_branches[:, None, :]))


def causal_visibility(
    segment_ids: Int[Array, "N T"],
    branches: Int[Array, "N T"] | None = None,
    key_blocks: Int[Array, "N B M"] | None = None,
) -> Visibility:
    """Every token sees itself and the earlier tokens of its segment, of those its trunk and its own branch."""
    slots = jnp.arange(segment_ids.shape[1])
    return Visibility(segment_ids, segment_ids, slots, slots, branches, branches, key_blocks)


def segment_positions(segment_ids: Int[Array, "N T"], branches: Int[Array, "N T"] | None = None) -> Int[Array, "N T"]:
    """Each token's position: how many tokens stand before it that it sees (padding: that are padding too)."""
    slots = jnp.arange(segment_ids.shape[1])
    before = slots[None, :] < slots[:, None]
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    if branches is not None:
        same &= (branches[:, None, :] == 0) | (branches[:, :, None] == branches[:, None, :])
    return jnp.sum(same & before, axis=-1, dtype=jnp.int32)


def attend(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N S K H"],
    value: Float[Array, "N S K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """softmax(query · keyᵀ / √H) · value, where every K-head serves R = Q / K neighbouring Q-heads.

    Scores and softmax are float32. A query that sees nothing (padding) gets the mean of all values: finite, never NaN,
    and for the caller to ignore. Operands are laid out as the products want them: forward and backward take half the
    time on CPU that they take with keys of [N S K H].
    """
    n, t, q, h = query.shape
    k, s = key.shape[2], key.shape[1]
    grouped = (query * h**-0.5).reshape(n, t, k, q // k, h).transpose(0, 2, 3, 1, 4).reshape(n, k, -1, h)
    scores = jnp.matmul(grouped, key.transpose(0, 2, 3, 1), preferred_element_type=jnp.float32)
    scores = scores.reshape(n, k, q // k, t, s)
    scores = jnp.where(visibility.mask()[:, None, None], scores, jnp.finfo(jnp.float32).min)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype).reshape(n, k, -1, s)
    mixed = jnp.matmul(weights, value.swapaxes(1, 2)).reshape(n, k, q // k, t, h)
    return mixed.transpose(0, 3, 1, 2, 4).reshape(n, t, q, h)
