"""The keys and values of the tokens a model has read, kept for the tokens that follow."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from compeer_jax.models.attention import Visibility
from compeer_jax.models.cached_attention import attend_part, group_heads
from compeer_jax.models.config import Qwen2Config
from compeer_jax.models.rounded import Slots, like, zeros
from compeer_jax.parallel.sharding import constrain


@runtime_checkable
class Cache(Protocol):
    """What `Qwen2.extend` reads through: `append` once, then `write` and `attend` in every layer."""

    def append(self, valid: Bool[Array, "N T"]) -> tuple["Cache", Int[Array, "N T"], Visibility]:
        """Takes slots for new tokens; returns their positions and what they see. Their keys come with `write`."""

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N T K H"], value: Float[Array, "N T K H"]
    ) -> "Cache":
        """Puts a layer's keys and values into the slots taken last."""

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "N T Q H"], visibility: Visibility
    ) -> Float[Array, "N T Q H"]:
        """What the queries of a layer find in the cache."""


AnyCache = TypeVar("AnyCache", bound=Cache)
Keys = tuple[Slots, ...] | Slots
"""[N, K, H, S] of every layer, or [L, N, K, H, S] of all."""
Values = tuple[Slots, ...] | Slots
"""[N, K, S, H] of every layer, or [L, N, K, S, H] of all."""


class KVCache(NamedTuple):
    """S slots for each of N rows. All rows fill the same slots; a slot that is not valid (padding) is seen by no one.

    Attributes:
        keys, values: one array a layer, or one array of all layers when the model scans its layers.
        valid: which slots hold a real token.
        next_position: the position (for RoPE) of each row's next real token.
        length: how many slots are filled.
    """

    keys: Keys
    values: Values
    valid: Bool[Array, "N S"]
    next_position: Int[Array, " N"]
    length: Int[Array, ""]

    def append(self, valid: Bool[Array, "N T"]) -> tuple["KVCache", Int[Array, "N T"], Visibility]:
        """Takes T slots for new tokens; returns their positions and what they see. Their keys come with `write`."""
        count = valid.shape[1]
        positions = self.next_position[:, None] + jnp.cumsum(valid, axis=1) - valid
        cache = self._replace(
            valid=lax.dynamic_update_slice(self.valid, valid, (0, self.length)),
            next_position=self.next_position + jnp.sum(valid, axis=1, dtype=jnp.int32),
            length=self.length + count,
        )
        visibility = Visibility(
            query_segments=valid.astype(jnp.int32),
            key_segments=cache.valid.astype(jnp.int32),
            query_slots=self.length + jnp.arange(count),
            key_slots=jnp.arange(self.valid.shape[1]),
        )
        return cache, positions, visibility

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N T K H"], value: Float[Array, "N T K H"]
    ) -> "KVCache":
        """Puts a layer's keys and values into the T slots taken last."""
        slot = self.length - key.shape[1]

        def put_keys(lead: tuple, store: Array, new: Array) -> Array:
            return put(store, new.transpose(0, 2, 3, 1), (*lead, 0, 0, 0, slot), KEY_AXES)

        def put_values(lead: tuple, store: Array, new: Array) -> Array:
            return put(store, new.swapaxes(1, 2), (*lead, 0, 0, slot, 0), VALUE_AXES)

        def put(store: Array, new: Array, start: tuple, axes: tuple[str, ...]) -> Array:
            return place(lax.dynamic_update_slice(store, new.reshape((-1, *new.shape)[-store.ndim :]), start), axes)

        keys = written(self.keys, layer, key, put_keys)
        return self._replace(keys=keys, values=written(self.values, layer, value, put_values))

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "N T Q H"], visibility: Visibility
    ) -> Float[Array, "N T Q H"]:
        """What the queries of a layer find in the cache."""
        keys, values = of_layer(self.keys, layer), of_layer(self.values, layer)
        part = attend_part(group_heads(query, keys.shape[1]), keys, values, visibility.mask())
        return part.finish().astype(query.dtype)


def empty_cache(config: Qwen2Config, rows: int, length: int, *, dtype: jnp.dtype, stacked: bool) -> KVCache:
    """A cache of `length` slots for each of `rows` rows, none filled; of `dtype`, where int8 stands for rounded."""
    keys, values = empty_slots(config, rows, length, dtype=dtype, stacked=stacked)
    return KVCache(
        keys=keys,
        values=values,
        valid=jnp.zeros((rows, length), bool),
        next_position=jnp.zeros((rows,), jnp.int32),
        length=jnp.zeros((), jnp.int32),
    )


def empty_slots(config: Qwen2Config, rows: int, length: int, *, dtype: jnp.dtype, stacked: bool) -> tuple[Keys, Values]:
    """Nothing in the keys and values of `length` slots a row: an array a layer, or of all layers when `stacked`."""
    layers, kv_heads, size = config.num_hidden_layers, config.num_key_value_heads, config.head_dim

    def empty(axes: tuple[str, ...], *shape: int) -> tuple[Slots, ...] | Slots:
        lead = (layers,) if stacked else ()
        one = partial(zeros, (*lead, *shape), axes.index("head_dim") - len(axes), dtype)
        return _placed(one(), axes) if stacked else tuple(_placed(one(), axes) for _ in range(layers))

    return empty(KEY_AXES, rows, kv_heads, size, length), empty(VALUE_AXES, rows, kv_heads, length, size)


def of_layer(stores: tuple[Slots, ...] | Slots, layer: int | Int[Array, ""]) -> Slots:
    """One layer's keys or values."""
    return stores[layer] if isinstance(stores, tuple) else jax.tree.map(lambda x: x[layer], stores)


def written(
    stores: tuple[Slots, ...] | Slots,
    layer: int | Int[Array, ""],
    new: Float[Array, "N T K H"],
    put: Callable[[tuple, Array, Array], Array],
) -> tuple[Slots, ...] | Slots:
    """The same with a layer's new keys or values.

    Args:
        stores: keys or values of all layers.
        layer: whose are new.
        new: what it has for N rows and T tokens.
        put: puts new ones into an array; first it is given the array's indices of the layer, of which there is one
            where layers are stacked.
    """
    if not isinstance(stores, tuple):
        return jax.tree.map(partial(put, (layer,)), stores, like(stores, new))
    updated = jax.tree.map(partial(put, ()), stores[layer], like(stores[layer], new))
    return (*stores[:layer], updated, *stores[layer + 1 :])


def repeat_rows(cache: KVCache, rows: int, times: int) -> KVCache:
    """Copies of the first `rows` rows, side by side: row b becomes rows b * times … b * times + times - 1."""
    stacked = not isinstance(cache.keys, tuple)

    def repeat(x: Array, axis: int) -> Array:
        return jnp.repeat(jax.lax.slice_in_dim(x, 0, rows, axis=axis), times, axis=axis)

    return KVCache(
        keys=jax.tree.map(lambda x: repeat(x, int(stacked)), cache.keys),
        values=jax.tree.map(lambda x: repeat(x, int(stacked)), cache.values),
        valid=repeat(cache.valid, 0),
        next_position=repeat(cache.next_position, 0),
        length=cache.length,
    )


def grow(cache: KVCache, slots: int) -> KVCache:
    """The same with so many slots a row."""
    more = slots - cache.valid.shape[1]

    def pad(x: Array, axis: int, axes: tuple[str, ...]) -> Array:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, more)
        return place(jnp.pad(x, widths), axes)

    return cache._replace(
        keys=jax.tree.map(lambda x: pad(x, -1, KEY_AXES), cache.keys),
        values=jax.tree.map(lambda x: pad(x, -2, VALUE_AXES), cache.values),
        valid=jnp.pad(cache.valid, ((0, 0), (0, more))),
    )


KEY_AXES = ("batch", "kv_heads", "head_dim", "length")
VALUE_AXES = ("batch", "kv_heads", "length", "head_dim")


def place(x: Array, axes: tuple[str, ...]) -> Array:
    """Lays slots out on the mesh, one layer's or those of all."""
    return constrain(x, *("layers",)[: x.ndim - 4], *axes)


def _placed(slots: Slots, axes: tuple[str, ...]) -> Slots:
    return jax.tree.map(lambda x: place(x, axes), slots)
