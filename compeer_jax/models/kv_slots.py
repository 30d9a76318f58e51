"""Slots of KV caches: where keys and values lie, in the type of the computation or in 8 bits, and attention to them.

They lie as the products want them, keys as [N, K, H, S] and values as [N, K, S, H], which is five times as fast on CPU
as keys of [N S K H].
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Int8

from compeer_jax.models.config import DecoderConfig
from compeer_jax.parallel.sharding import constrain

KEY_AXES = ("batch", "kv_heads", "head_dim", "length")
VALUE_AXES = ("batch", "kv_heads", "length", "head_dim")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class QuantizedSlots:
    """Keys or values in 8 bits: codes times a scale for each token and head.

    That is half of bfloat16's memory and traffic, for 3 % of it in scales (heads of 128). The scale has all dimensions
    of the codes, that of the head's size being 1, so that whatever moves slots about does to it what it does to the
    codes.
    """

    codes: Int8[Array, "..."]
    scale: Float[Array, "..."]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape


Slots = Array | QuantizedSlots
"""Keys or values of one layer or of all."""
LayerSlots = tuple[Slots, ...] | Slots
"""Keys or values of all layers: an array a layer, or one of all, with a dimension L in front, when the model scans its
layers."""


def encode(new: Float[Array, "*lead H"], store: Slots) -> Slots:
    """New keys or values as `store` keeps them: in its type, or quantised.

    Quantising is symmetric, to whole numbers up to 127: no number is off by more than half a scale, a 254th of the
    largest in its token and head.
    """
    if not isinstance(store, QuantizedSlots):
        return new.astype(store.dtype)
    wide = new.astype(jnp.float32)
    scale = jnp.max(jnp.abs(wide), axis=-1, keepdims=True) / 127
    codes = jnp.round(wide / jnp.where(scale > 0, scale, 1)).astype(jnp.int8)
    return QuantizedSlots(codes, scale.astype(store.scale.dtype))


def zero_slots(shape: tuple[int, ...], head_dim: int, dtype: jnp.dtype) -> Slots:
    """Zeros in this shape, whose dimension `head_dim` is the head's size; quantised where the type is int8."""
    if dtype != jnp.int8:
        return jnp.zeros(shape, dtype)
    scales = list(shape)
    scales[head_dim] = 1
    return QuantizedSlots(jnp.zeros(shape, jnp.int8), jnp.zeros(scales, jnp.float32))


class PartialSoftmax(NamedTuple):
    """A softmax over some of the keys, not yet divided: Σ exp(s - top) · value, Σ exp(s - top), and top = max s.

    Every K-head serves R neighbouring Q-heads, R = Q / K.
    """

    mixed: Float[Array, "N K R T H"]
    total: Float[Array, "N K R T"]
    top: Float[Array, "N K R T"]

    def merge(self, other: "PartialSoftmax") -> "PartialSoftmax":
        """The softmax over the keys of both."""
        top = jnp.maximum(self.top, other.top)
        mine, others = jnp.exp(self.top - top), jnp.exp(other.top - top)
        mixed = self.mixed * mine[..., None] + other.mixed * others[..., None]
        return PartialSoftmax(mixed, self.total * mine + other.total * others, top)

    def finish(self) -> Float[Array, "N T Q H"]:
        """Output of each Q-head."""
        n, k, r, t, h = self.mixed.shape
        return (self.mixed / self.total[..., None]).transpose(0, 3, 1, 2, 4).reshape(n, t, k * r, h)


def group_heads(query: Float[Array, "N T Q H"], kv_heads: int) -> Float[Array, "N K R T H"]:
    """Queries by the K-head that serves them, divided by √H."""
    n, t, q, h = query.shape
    return (query * h**-0.5).reshape(n, t, kv_heads, q // kv_heads, h).transpose(0, 2, 3, 1, 4)


def attend_slots(
    queries: Float[Array, "N K R T H"],
    keys: Slots,
    values: Slots,
    mask: Bool[Array, "N #T S"],
) -> PartialSoftmax:
    """The softmax over the keys that `mask` allows; over all of them, equally, where it allows none.

    Scores and sums are float32. Quantised keys and values are multiplied out for queries of several tokens; for those
    of one the products take the codes, and the scales go to the scores and the weights, which are then smaller than
    keys.

    Args:
        queries: from `group_heads`.
        keys: [N, K, H, S].
        values: [N, K, S, H].
        mask: which slots each query sees.
    """
    n, k, r, t, h = queries.shape
    if t > 1:
        keys, values = (
            (slots.codes * slots.scale).astype(queries.dtype) if isinstance(slots, QuantizedSlots) else slots
            for slots in (keys, values)
        )
    scores = _product(queries.reshape(n, k, r * t, h), keys)
    if isinstance(keys, QuantizedSlots):
        scores = scores * keys.scale
    scores = jnp.where(mask[:, None, None], scores.reshape(n, k, r, t, -1), jnp.finfo(jnp.float32).min)
    top = scores.max(-1)
    weights = jnp.exp(scores - top[..., None])
    flat = weights.reshape(n, k, r * t, -1)
    if isinstance(values, QuantizedSlots):
        flat = flat * values.scale.swapaxes(2, 3)
    mixed = _product(flat.astype(queries.dtype if isinstance(values, QuantizedSlots) else values.dtype), values)
    return PartialSoftmax(mixed.reshape(n, k, r, t, h), weights.sum(-1), top)


def _product(x: Float[Array, "N K Q A"], slots: Slots) -> Float[Array, "N K Q B"]:
    """x · slots, or x · their codes; summed in float32."""
    operand = slots.codes.astype(x.dtype) if isinstance(slots, QuantizedSlots) else slots
    return jnp.matmul(x, operand, preferred_element_type=jnp.float32)


def empty_slots(
    config: DecoderConfig, rows: int, slots: int, *, dtype: jnp.dtype, stacked: bool
) -> tuple[LayerSlots, LayerSlots]:
    """Zeros for the keys and the values."""
    layers, kv_heads, size = config.num_hidden_layers, config.num_key_value_heads, config.head_dim

    def empty(axes: tuple[str, ...], *shape: int) -> LayerSlots:
        def one() -> Slots:
            made = zero_slots((*(layers,) * stacked, *shape), axes.index("head_dim") - len(axes), dtype)
            return jax.tree.map(lambda x: lay_out(x, axes), made)

        return one() if stacked else tuple(one() for _ in range(layers))

    return empty(KEY_AXES, rows, kv_heads, size, slots), empty(VALUE_AXES, rows, kv_heads, slots, size)


def of_layer(stores: LayerSlots, layer: int | Int[Array, ""]) -> Slots:
    """The keys or values of one layer."""
    return stores[layer] if isinstance(stores, tuple) else jax.tree.map(lambda x: x[layer], stores)


def write_layer(
    stores: LayerSlots,
    layer: int | Int[Array, ""],
    new: Float[Array, "N T K H"],
    put: Callable[[tuple, Array, Array], Array],
) -> LayerSlots:
    """The keys or values of all layers with new ones in one.

    Args:
        stores: keys or values of all layers.
        layer: whose are new.
        new: what it has for N rows and T tokens.
        put: puts new ones into an array; first it is given the array's indices of the layer, of which there is one
            where layers are stacked.
    """
    if not isinstance(stores, tuple):
        return jax.tree.map(partial(put, (layer,)), stores, encode(new, stores))
    updated = jax.tree.map(partial(put, ()), stores[layer], encode(new, stores[layer]))
    return (*stores[:layer], updated, *stores[layer + 1 :])


def grow_slots(keys: LayerSlots, values: LayerSlots, more: int) -> tuple[LayerSlots, LayerSlots]:
    """The same with so many more slots a row."""

    def pad(x: Array, axes: tuple[str, ...]) -> Array:
        widths = [(0, 0)] * x.ndim
        widths[axes.index("length") - len(axes)] = (0, more)
        return lay_out(jnp.pad(x, widths), axes)

    return jax.tree.map(lambda x: pad(x, KEY_AXES), keys), jax.tree.map(lambda x: pad(x, VALUE_AXES), values)


def lay_out(x: Array, axes: tuple[str, ...]) -> Array:
    """Lays slots out on the mesh, one layer's or those of all."""
    return constrain(x, *("layers",)[: x.ndim - 4], *axes)
