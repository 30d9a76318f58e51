"""A cache whose rows fill their own slots: rows that have read and written different amounts share one batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from compeer_jax.models.attention import Visibility
from compeer_jax.models.config import Qwen2Config
from compeer_jax.parallel.sharding import constrain


class RaggedKVCache(NamedTuple):
    """S slots for each of N rows, of which row n has filled the first `lengths[n]`; `Qwen2.extend` takes it.

    Padding (on the right of what is read) takes no slot, so a token's slot is its position. It is written all the same,
    past the row's end, where no one sees it and the next token overwrites it: for T tokens at a time the caller keeps T
    slots of room in every row, those that read nothing included.

    Attributes:
        keys, values: one array a layer, or one array of all layers [L, N, S, K, H] when the model scans its layers.
        lengths: how many slots each row has filled.
        starts: where the tokens taken last begin.
    """

    keys: tuple[Float[Array, "N S K H"], ...] | Float[Array, "L N S K H"]
    values: tuple[Float[Array, "N S K H"], ...] | Float[Array, "L N S K H"]
    lengths: Int[Array, " N"]
    starts: Int[Array, " N"]

    def append(self, valid: Bool[Array, "N T"]) -> tuple["RaggedKVCache", Int[Array, "N T"], Visibility]:
        """Takes slots for the valid tokens; returns their positions and what they see. Their keys come with `write`."""
        slots = self.lengths[:, None] + jnp.arange(valid.shape[1])
        lengths = self.lengths + jnp.sum(valid, axis=1, dtype=jnp.int32)
        key_slots = jnp.arange(self._slots)
        visibility = Visibility(
            query_segments=valid.astype(jnp.int32),
            key_segments=(key_slots < lengths[:, None]).astype(jnp.int32),
            query_slots=slots,
            key_slots=key_slots,
        )
        return self._replace(lengths=lengths, starts=self.lengths), slots, visibility

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N T K H"], value: Float[Array, "N T K H"]
    ) -> "RaggedKVCache":
        """Puts a layer's keys and values into the slots taken last."""
        return self._replace(
            keys=_put(self.keys, layer, self.starts, key), values=_put(self.values, layer, self.starts, value)
        )

    def read(self, layer: int | Int[Array, ""]) -> tuple[Float[Array, "N S K H"], Float[Array, "N S K H"]]:
        """All keys and values of a layer."""
        return self.keys[layer], self.values[layer]

    def grow(self, length: int) -> "RaggedKVCache":
        """The same with `length` slots a row."""

        def pad(x: Array) -> Array:
            return jnp.pad(x, [(0, length - self._slots if axis == x.ndim - 3 else 0) for axis in range(x.ndim)])

        return self._replace(keys=jax.tree.map(pad, self.keys), values=jax.tree.map(pad, self.values))

    @property
    def _slots(self) -> int:
        return jax.tree.leaves(self.keys)[0].shape[-3]


def empty_ragged_cache(
    config: Qwen2Config, rows: int, length: int, *, dtype: jnp.dtype, stacked: bool
) -> RaggedKVCache:
    """A cache of `length` slots for each of `rows` rows, none filled."""
    layers = config.num_hidden_layers
    shape = (rows, length, config.num_key_value_heads, config.head_dim)

    def zeros() -> tuple[Array, ...] | Array:
        if stacked:
            return constrain(jnp.zeros((layers, *shape), dtype), "layers", *_AXES)
        return tuple(constrain(jnp.zeros(shape, dtype), *_AXES) for _ in range(layers))

    none = jnp.zeros((rows,), jnp.int32)
    return RaggedKVCache(keys=zeros(), values=zeros(), lengths=none, starts=none)


_AXES = ("batch", "length", "kv_heads", "head_dim")


def _put(store: tuple[Array, ...] | Array, layer: int | Array, starts: Array, new: Array) -> tuple[Array, ...] | Array:
    """Writes [N, T, K, H] into one layer, from slot `starts[n]` of row n."""
    if not isinstance(store, tuple):
        write = jax.vmap(lambda old, x, start: lax.dynamic_update_slice(old, x, (layer, start, 0, 0)), (1, 0, 0), 1)
        return constrain(write(store, new.astype(store.dtype)[:, None], starts), "layers", *_AXES)
    old = store[layer]
    write = jax.vmap(lambda old, x, start: lax.dynamic_update_slice(old, x, (start, 0, 0)))
    updated = constrain(write(old, new.astype(old.dtype), starts), *_AXES)
    return (*store[:layer], updated, *store[layer + 1 :])
