"""Causal attention with grouped heads in plain JAX, its masks, and a block-sparse form of it.

`attend` is the reference that every kernel must equal. `attend_blocks` reads only the blocks of keys that a block of
queries sees some of: a row of packed tokens holds several prompts, each with completions that do not see each other,
so most pairs of its tokens see nothing of each other. Which blocks do is planned on the host, so that plain products of
few, equal shapes do the rest, on any backend and with any derivative.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

KEY_BLOCK = 64
"""Tokens of a block of keys: fewer, and products become too small; more, and more pairs are computed that are not
seen."""


class Visibility(NamedTuple):
    """An attention mask, as small arrays that it follows from, so that a kernel that skips blocks can use them.

    A query sees its own segment's keys up to its own slot; segment 0 is padding, which none sees.

    A segment may have branches, such as the completions of one prompt: a query then sees the trunk, which is branch 0,
    and its own branch.

    Queries and keys have the same slots in every row, or each row its own. `key_blocks` may say for each block of a
    row's tokens which M blocks of them it sees any of, -1 where there are fewer.
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


def visible_blocks(segments: Int[np.ndarray, "N T"], branches: Int[np.ndarray, "N T"] | None) -> list[list[list[int]]]:
    """For every row and every block of it, the blocks that its tokens see any token of, itself included.

    Args:
        segments: as in `Visibility`, every segment in one piece, its trunk before its branches; T a multiple of
            KEY_BLOCK.
        branches: as in `Visibility`.
    """
    branches = np.zeros_like(segments) if branches is None else branches
    rows = []
    for segment, branch in zip(segments, branches, strict=True):
        of_branch = segment * (int(branch.max()) + 1) + branch
        has_segment = _has(segment, segment != 0)
        has_trunk = _has(segment, (segment != 0) & (branch == 0))
        has_branch = _has(of_branch, segment != 0)
        sees = has_segment @ has_trunk.T + has_branch @ has_branch.T
        sees = np.tril(sees, -1) + np.eye(len(sees), dtype=sees.dtype)
        rows.append([np.flatnonzero(block).tolist() for block in sees])
    return rows


def _has(names: Int[np.ndarray, " T"], counted: np.ndarray) -> Int[np.ndarray, "blocks names"]:
    """1 where a token of the block bears the name and is counted."""
    known, index = np.unique(names, return_inverse=True)
    has = np.zeros((len(names) // KEY_BLOCK, len(known)), np.int64)
    tokens = np.flatnonzero(counted)
    has[tokens // KEY_BLOCK, index[tokens]] = 1
    return has


def attend_blocks(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N T K H"],
    value: Float[Array, "N T K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """`attend`, over the keys of `visibility.key_blocks` alone. Queries and keys are the same tokens."""
    rows, length = query.shape[:2]
    wanted = visibility.key_blocks
    blocks, most = wanted.shape[1:]

    def cut(x: Array) -> Array:
        """[N T ...] -> [N · blocks, KEY_BLOCK, ...]."""
        return x.reshape(rows * blocks, KEY_BLOCK, *x.shape[2:])

    def near(x: Array) -> Array:
        """[N T ...] -> [N · blocks, M · KEY_BLOCK, ...], what the queries of each block may see."""
        apart = x.reshape(rows, blocks, KEY_BLOCK, *x.shape[2:])
        found = jnp.take_along_axis(apart, wanted.reshape(rows, -1, *(1,) * (x.ndim - 1)), axis=1, mode="clip")
        return found.reshape(rows * blocks, most * KEY_BLOCK, *x.shape[2:])

    used = jnp.repeat(wanted.reshape(rows * blocks, most) >= 0, KEY_BLOCK, axis=-1)
    slots = jnp.broadcast_to(visibility.key_slots, (rows, length))
    segments, branches = visibility.query_segments, visibility.query_branches
    around = Visibility(
        query_segments=cut(segments),
        key_segments=jnp.where(used, near(segments), 0),
        query_slots=cut(slots),
        key_slots=near(slots),
        query_branches=None if branches is None else cut(branches),
        key_branches=None if branches is None else near(branches),
    )
    return attend(cut(query), near(key), near(value), around).reshape(query.shape)
