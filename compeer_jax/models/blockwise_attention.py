"""Blockwise causal attention: a block of queries at a time, which remembers no scores for the backward pass.

`attend` takes the scores of all queries and keys to memory, and autodiff keeps them, for every layer. Here a block of
queries meets the keys up to its own last one, so that nearly half of the products are left out, and the backward pass
computes the scores again from a number a query, the logarithm of its softmax's sum (Dao et al. 2022,
https://arxiv.org/abs/2205.14135).
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float

from compeer_jax.models.attention import Visibility

QUERY_BLOCK = 256
"""Queries of a block: fewer, and products become too small; more, and more pairs are computed that are not seen."""
ATTENDED = "attended"
"""Names, for policies of rematerialisation, what the backward pass needs besides queries, keys and values."""


def attend_blockwise(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N T K H"],
    value: Float[Array, "N T K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """`attention.attend`, wherever a query sees anything. Queries and keys are the same tokens, in their order."""
    return _attend(query, key, value, visibility)


@jax.custom_vjp
def _attend(query: Array, key: Array, value: Array, visibility: Visibility) -> Array:
    return _forward(query, key, value, visibility)[0]


def _forward(query: Array, key: Array, value: Array, visibility: Visibility) -> tuple[Array, tuple]:
    keys, values = key.swapaxes(1, 2), value.swapaxes(1, 2)
    mixed, log_totals = [], []
    for start, end in _blocks(query.shape[1]):
        seen = _seen(visibility, start, end)
        scores = _scores(query[:, start:end], keys[:, :, :end])
        scores = jnp.where(seen, scores, jnp.finfo(scores.dtype).min)
        top = scores.max(axis=-1, keepdims=True)
        weights = jnp.exp(scores - top)
        total = weights.sum(axis=-1, keepdims=True)
        found = _product(weights.astype(value.dtype), values[:, :, :end])
        mixed.append(_by_token(found / total, query.dtype))
        log_totals.append(top + jnp.log(total))
    out, log_totals = checkpoint_name((jnp.concatenate(mixed, axis=1), log_totals), ATTENDED)
    return out, (query, key, value, visibility, out, log_totals)


def _backward(kept: tuple, gradient: Array) -> tuple:
    """With weights w, what is found o = w · v, and its gradient g: the scores' gradient is w · (g · v - Σ g · o)."""
    query, key, value, visibility, out, log_totals = kept
    keys, values = key.swapaxes(1, 2), value.swapaxes(1, 2)
    kv_heads, scale = keys.shape[1], query.shape[-1] ** -0.5
    mean = (gradient.astype(jnp.float32) * out).sum(axis=-1, keepdims=True)
    to_keys, to_values = jnp.zeros(keys.shape, jnp.float32), jnp.zeros(values.shape, jnp.float32)
    to_query = []
    for (start, end), log_total in zip(_blocks(query.shape[1]), log_totals, strict=True):
        queries, gradients, means = (_by_head(x[:, start:end], kv_heads) for x in (query, gradient, mean))
        seen = _seen(visibility, start, end)
        weights = jnp.where(seen, jnp.exp(_scores(query[:, start:end], keys[:, :, :end]) - log_total), 0)
        to_weights = _product(gradients, values[:, :, :end].swapaxes(2, 3))
        to_scores = (weights * (to_weights - means) * scale).astype(query.dtype)
        to_query.append(_by_token(_product(to_scores, keys[:, :, :end]), query.dtype))
        to_keys = to_keys.at[:, :, :end].add(_outer(to_scores, queries))
        to_values = to_values.at[:, :, :end].add(_outer(weights.astype(value.dtype), gradients))
    return (
        jnp.concatenate(to_query, axis=1),
        to_keys.swapaxes(1, 2).astype(key.dtype),
        to_values.swapaxes(1, 2).astype(value.dtype),
        None,
    )


_attend.defvjp(_forward, _backward)


def _blocks(length: int) -> Iterator[tuple[int, int]]:
    """Where each block of queries starts and ends."""
    return ((start, min(start + QUERY_BLOCK, length)) for start in range(0, length, QUERY_BLOCK))


def _seen(visibility: Visibility, start: int, end: int) -> Bool[Array, "N 1 1 B S"]:
    """Which of the keys up to `end` the queries of a block see."""
    part = partial(jax.tree.map, lambda x: x[..., start:end])
    upto = partial(jax.tree.map, lambda x: x[..., :end])
    of_block = Visibility(
        query_segments=part(visibility.query_segments),
        key_segments=upto(visibility.key_segments),
        query_slots=part(visibility.query_slots),
        key_slots=upto(visibility.key_slots),
        query_branches=part(visibility.query_branches),
        key_branches=upto(visibility.key_branches),
    )
    return of_block.mask()[:, None, None]


def _by_head(x: Float[Array, "N B Q H"], kv_heads: int) -> Float[Array, "N K R B H"]:
    """Grouped by the K-head that serves them."""
    n, b, q, h = x.shape
    return x.reshape(n, b, kv_heads, q // kv_heads, h).transpose(0, 2, 3, 1, 4)


def _by_token(x: Float[Array, "N K R B H"], dtype: jnp.dtype) -> Float[Array, "N B Q H"]:
    n, k, r, b, h = x.shape
    return x.transpose(0, 3, 1, 2, 4).reshape(n, b, k * r, h).astype(dtype)


def _scores(query: Float[Array, "N B Q H"], keys: Float[Array, "N K S H"]) -> Float[Array, "N K R B S"]:
    return _product(_by_head(query * query.shape[-1] ** -0.5, keys.shape[1]), keys.swapaxes(2, 3))


def _product(x: Float[Array, "N K R B A"], y: Float[Array, "N K A C"]) -> Float[Array, "N K R B C"]:
    """The sum over A, in float32; as one product of matrices for each K-head."""
    n, k, r, b, a = x.shape
    flat = jnp.matmul(x.reshape(n, k, r * b, a), y, preferred_element_type=jnp.float32)
    return flat.reshape(n, k, r, b, -1)


def _outer(x: Float[Array, "N K R B S"], y: Float[Array, "N K R B H"]) -> Float[Array, "N K S H"]:
    """The sum over queries, in float32."""
    n, k, r, b, s = x.shape
    rows = x.reshape(n, k, r * b, s).swapaxes(2, 3)
    return jnp.matmul(rows, y.reshape(n, k, r * b, -1), preferred_element_type=jnp.float32)
