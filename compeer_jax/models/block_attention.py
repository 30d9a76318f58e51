"""Attention that reads only the blocks of keys that a block of queries sees some of.

A row of packed tokens holds several prompts, each with completions that do not see each other: most pairs of tokens in
it see nothing of each other. Which blocks do is planned on the host, so that plain products of few, equal shapes do
the rest, on any backend and with any derivative.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from compeer_jax.models.attention import Visibility, attend

BLOCK = 64
"""Tokens of a block: fewer, and products become too small; more, and more pairs are computed that are not seen."""


def visible_blocks(segments: Int[np.ndarray, "N T"], branches: Int[np.ndarray, "N T"] | None) -> list[list[list[int]]]:
    """For every row and every block of it, the blocks that its tokens see any token of, itself included.

    Args:
        segments: as in `Visibility`, every segment in one piece, its trunk before its branches; T a multiple of BLOCK.
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
    has = np.zeros((len(names) // BLOCK, len(known)), np.int64)
    tokens = np.flatnonzero(counted)
    has[tokens // BLOCK, index[tokens]] = 1
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
        """[N T ...] -> [N · blocks, BLOCK, ...]."""
        return x.reshape(rows * blocks, BLOCK, *x.shape[2:])

    def near(x: Array) -> Array:
        """[N T ...] -> [N · blocks, M · BLOCK, ...], what the queries of each block may see."""
        apart = x.reshape(rows, blocks, BLOCK, *x.shape[2:])
        found = jnp.take_along_axis(apart, wanted.reshape(rows, -1, *(1,) * (x.ndim - 1)), axis=1, mode="clip")
        return found.reshape(rows * blocks, most * BLOCK, *x.shape[2:])

    used = jnp.repeat(wanted.reshape(rows * blocks, most) >= 0, BLOCK, axis=-1)
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
