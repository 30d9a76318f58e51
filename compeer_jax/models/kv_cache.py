"""KV caches: the keys and values of the tokens that a model has read.

Of the two, `KVCache` has rows that fill the same slots, and `RaggedKVCache` rows that fill their own and may share a
prefix. How slots lie in memory, and attention to them, is in `kv_slots`.
"""

from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from compeer_jax.models.attention import Visibility
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.kv_slots import (
    KEY_AXES,
    VALUE_AXES,
    LayerSlots,
    PartialSoftmax,
    Slots,
    attend_slots,
    empty_slots,
    group_heads,
    grow_slots,
    lay_out,
    of_layer,
    write_layer,
)


@runtime_checkable
class Cache(Protocol):
    """Protocol of caches for `Decoder.extend`: `append` once, then `write` and `attend` in every layer."""

    def append(self, valid: Bool[Array, "N T"]) -> tuple["Cache", Int[Array, "N T"], Visibility]:
        """Takes slots for new tokens; returns their positions and what they see. Their keys come with `write`."""

    def go_on(self, next_position: Int[Array, " N"]) -> "Cache":
        """The same, whose next tokens get these positions, not those that follow from how many were read."""

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N T K H"], value: Float[Array, "N T K H"]
    ) -> "Cache":
        """Puts a layer's keys and values into the slots taken last."""

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "N T Q H"], visibility: Visibility
    ) -> Float[Array, "N T Q H"]:
        """Attention of a layer's queries to the cache."""


AnyCache = TypeVar("AnyCache", bound=Cache)


class KVCache(NamedTuple):
    """S slots for each of N rows. All rows fill the same slots; a slot that is not valid (padding) is seen by no one.

    Attributes:
        keys, values: of all layers.
        valid: which slots hold a real token.
        next_position: the position (for RoPE) of each row's next real token.
        length: how many slots are filled.
    """

    keys: LayerSlots
    values: LayerSlots
    valid: Bool[Array, "N S"]
    next_position: Int[Array, " N"]
    length: Int[Array, ""]

    @classmethod
    def empty(cls, config: DecoderConfig, rows: int, slots: int, *, dtype: jnp.dtype, stacked: bool) -> "KVCache":
        """A cache with no slot filled.

        Args:
            config: the model's shape.
            rows: how many.
            slots: of each row.
            dtype: what keys and values are kept in; int8 stands for `QuantizedSlots`.
            stacked: whether the layers lie in one array.
        """
        keys, values = empty_slots(config, rows, slots, dtype=dtype, stacked=stacked)
        return cls(
            keys=keys,
            values=values,
            valid=jnp.zeros((rows, slots), bool),
            next_position=jnp.zeros((rows,), jnp.int32),
            length=jnp.zeros((), jnp.int32),
        )

    def append(self, valid: Bool[Array, "N T"]) -> tuple["KVCache", Int[Array, "N T"], Visibility]:
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

    def go_on(self, next_position: Int[Array, " N"]) -> "KVCache":
        return self._replace(next_position=next_position.astype(jnp.int32))

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N T K H"], value: Float[Array, "N T K H"]
    ) -> "KVCache":
        slot = self.length - key.shape[1]

        def put_keys(lead: tuple, store: Array, new: Array) -> Array:
            return put(store, new.transpose(0, 2, 3, 1), (*lead, 0, 0, 0, slot), KEY_AXES)

        def put_values(lead: tuple, store: Array, new: Array) -> Array:
            return put(store, new.swapaxes(1, 2), (*lead, 0, 0, slot, 0), VALUE_AXES)

        def put(store: Array, new: Array, start: tuple, axes: tuple[str, ...]) -> Array:
            return lay_out(lax.dynamic_update_slice(store, new.reshape((-1, *new.shape)[-store.ndim :]), start), axes)

        keys = write_layer(self.keys, layer, key, put_keys)
        return self._replace(keys=keys, values=write_layer(self.values, layer, value, put_values))

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "N T Q H"], visibility: Visibility
    ) -> Float[Array, "N T Q H"]:
        keys, values = of_layer(self.keys, layer), of_layer(self.values, layer)
        part = attend_slots(group_heads(query, keys.shape[1]), keys, values, visibility.mask())
        return part.finish().astype(query.dtype)

    def repeat(self, rows: int, times: int) -> "KVCache":
        """Copies of the first `rows` rows, side by side: row b becomes rows b * times … b * times + times - 1."""
        stacked = not isinstance(self.keys, tuple)

        def repeat(x: Array, axis: int) -> Array:
            return jnp.repeat(lax.slice_in_dim(x, 0, rows, axis=axis), times, axis=axis)

        return KVCache(
            keys=jax.tree.map(lambda x: repeat(x, int(stacked)), self.keys),
            values=jax.tree.map(lambda x: repeat(x, int(stacked)), self.values),
            valid=repeat(self.valid, 0),
            next_position=repeat(self.next_position, 0),
            length=self.length,
        )

    def grow(self, slots: int) -> "KVCache":
        """The same with so many slots a row."""
        more = slots - self.valid.shape[1]
        keys, values = grow_slots(self.keys, self.values, more)
        return self._replace(keys=keys, values=values, valid=jnp.pad(self.valid, ((0, 0), (0, more))))


class Prefix(NamedTuple):
    """Shared prefix of B prompts, P slots each, of which prompt b fills the first `lengths[b]`."""

    keys: LayerSlots
    values: LayerSlots
    lengths: Int[Array, " B"]


class RaggedKVCache(NamedTuple):
    """S slots for each of N rows, of which row n has filled the first `lengths[n]`, each at its own pace.

    The prefix of a prompt is kept once, whatever the number of its rows. Their queries meet it together, as one matrix
    product a prompt, and meet their own slots row by row; the two halves of the softmax are merged after.

    Padding (on the right of what is read) takes no slot. It is written all the same, past the row's end, where no one
    sees it and the next token overwrites it: who reads T tokens at a time keeps T slots of room in every row, those
    that read nothing included.

    Attributes:
        keys, values: of all layers.
        lengths: how many slots each row has filled.
        starts: where in each row the tokens taken last begin.
        prefix: what the rows read together, row n being of prompt n // (N / B); None where they share nothing.
        rows: the rows that are read for, M of them, all different; None for all.
        ahead: how far the positions of each row's next tokens are ahead of how many it has read, as after pictures
            (behind, where it is below 0); None: they count what was read.
    """

    keys: LayerSlots
    values: LayerSlots
    lengths: Int[Array, " N"]
    starts: Int[Array, " N"]
    prefix: Prefix | None = None
    rows: Int[Array, " M"] | None = None
    ahead: Int[Array, " N"] | None = None

    @classmethod
    def empty(
        cls, config: DecoderConfig, rows: int, slots: int, *, dtype: jnp.dtype, stacked: bool, sees: bool = False
    ) -> "RaggedKVCache":
        """A cache with no slot filled, and nothing shared; see `KVCache.empty`. `sees`: pictures may come."""
        keys, values = empty_slots(config, rows, slots, dtype=dtype, stacked=stacked)
        none = jnp.zeros((rows,), jnp.int32)
        return cls(keys, values, lengths=none, starts=none, ahead=none if sees else None)

    def append(self, valid: Bool[Array, "M T"]) -> tuple["RaggedKVCache", Int[Array, "M T"], Visibility]:
        starts = self._of_rows(self.lengths)
        slots = starts[:, None] + jnp.arange(valid.shape[1])
        count = jnp.sum(valid, axis=1, dtype=jnp.int32)
        lengths = self.lengths + count if self.rows is None else self.lengths.at[self.rows].add(count)
        key_slots = jnp.arange(self.slots)
        visibility = Visibility(
            query_segments=valid.astype(jnp.int32),
            key_segments=(key_slots < (starts + count)[:, None]).astype(jnp.int32),
            query_slots=slots,
            key_slots=key_slots,
        )
        before = 0 if self.prefix is None else self._of_rows(self.prefix.lengths[self._prompts])[:, None]
        if self.ahead is not None:
            before = before + self._of_rows(self.ahead)[:, None]
        return self._replace(lengths=lengths, starts=self.lengths), before + slots, visibility

    def go_on(self, next_position: Int[Array, " N"]) -> "RaggedKVCache":
        read = self.lengths if self.prefix is None else self.lengths + self.prefix.lengths[self._prompts]
        return self._replace(ahead=next_position.astype(jnp.int32) - read)

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "M T K H"], value: Float[Array, "M T K H"]
    ) -> "RaggedKVCache":
        rows = jnp.arange(len(self.lengths)) if self.rows is None else self.rows
        slots = self.starts[rows][:, None] + jnp.arange(key.shape[1])

        def put_keys(lead: tuple, store: Array, new: Array) -> Array:
            return lay_out(store.at[*lead, rows[:, None], :, :, slots].set(new), KEY_AXES)

        def put_values(lead: tuple, store: Array, new: Array) -> Array:
            return lay_out(store.at[*lead, rows[:, None], :, slots].set(new), VALUE_AXES)

        keys = write_layer(self.keys, layer, key, put_keys)
        return self._replace(keys=keys, values=write_layer(self.values, layer, value, put_values))

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "M T Q H"], visibility: Visibility
    ) -> Float[Array, "M T Q H"]:
        keys, values = (self._of_rows(of_layer(stores, layer)) for stores in (self.keys, self.values))
        queries = group_heads(query, keys.shape[1])
        part = attend_slots(queries, keys, values, visibility.mask())
        if self.prefix is not None:
            part = part.merge(self._attend_prefix(layer, queries))
        return part.finish().astype(query.dtype)

    def share(self, times: int) -> "RaggedKVCache":
        """Makes every row the prefix of `times` rows without slots yet: b of rows b * times … b * times + times - 1."""
        rows = len(self.lengths) * times

        def empty(x: Array, axis: int) -> Array:
            shape = list(x.shape)
            shape[-4], shape[axis] = rows, 0
            return jnp.zeros(shape, x.dtype)

        none = jnp.zeros(rows, jnp.int32)
        return RaggedKVCache(
            keys=jax.tree.map(lambda x: empty(x, -1), self.keys),
            values=jax.tree.map(lambda x: empty(x, -2), self.values),
            lengths=none,
            starts=none,
            prefix=Prefix(self.keys, self.values, self.lengths),
            ahead=None if self.ahead is None else jnp.repeat(self.ahead, times),
        )

    def admit(
        self, prompts: "RaggedKVCache", sources: Int[Array, " M"], rows: Int[Array, " M"], count: Int[Array, ""]
    ) -> "RaggedKVCache":
        """Begins rows anew: `rows[i]` with what row `sources[i]` of `prompts` has read, for the first `count` of them.

        Args:
            prompts: a filled cache of at most as many slots, without a prefix, as this one.
            sources: whose keys and values each row gets.
            rows: which rows begin anew; of those past `count` all hold N.
            count: how many; a loop over them leaves the other rows where they are.
        """

        def one(index: Int[Array, ""], stores: tuple[LayerSlots, LayerSlots]) -> tuple[LayerSlots, LayerSlots]:
            def put(store: Array, read: Array) -> Array:
                row = lax.dynamic_slice_in_dim(read, sources[index], 1, store.ndim - 4)
                zero = jnp.zeros((), rows.dtype)
                return lax.dynamic_update_slice(store, row, (*[zero] * (store.ndim - 4), rows[index], zero, zero, zero))

            return jax.tree.map(put, stores, (prompts.keys, prompts.values))

        keys, values = lax.fori_loop(0, count, one, (self.keys, self.values))
        lengths = self.lengths.at[rows].set(prompts.lengths[sources], mode="drop")
        ahead = self.ahead
        if ahead is not None:
            ahead = ahead.at[rows].set(0 if prompts.ahead is None else prompts.ahead[sources], mode="drop")
        return self._replace(keys=keys, values=values, lengths=lengths, ahead=ahead)

    def take(self, rows: Int[Array, " M"]) -> "RaggedKVCache":
        """The cache of these rows alone, where they share no prefix."""
        keys, values = jax.tree.map(lambda x: jnp.take(x, rows, axis=x.ndim - 4), (self.keys, self.values))
        ahead = None if self.ahead is None else self.ahead[rows]
        return RaggedKVCache(keys, values, lengths=self.lengths[rows], starts=self.starts[rows], ahead=ahead)

    def grow(self, slots: int) -> "RaggedKVCache":
        """The same with so many slots a row."""
        keys, values = grow_slots(self.keys, self.values, slots - self.slots)
        return self._replace(keys=keys, values=values)

    @property
    def slots(self) -> int:
        """Number of slots a row (S)."""
        return jax.tree.leaves(self.keys)[0].shape[-1]

    @property
    def _prompts(self) -> Int[Array, " N"]:
        """The prompt of every row."""
        return jnp.arange(len(self.lengths)) // (len(self.lengths) // len(self.prefix.lengths))

    def _of_rows(self, x: Slots) -> Slots:
        return x if self.rows is None else jax.tree.map(lambda x: x[self.rows], x)

    def _attend_prefix(self, layer: int | Array, queries: Float[Array, "M K R T H"]) -> PartialSoftmax:
        """The softmax's part over the prefix; where all rows are at hand, those of a prompt meet it together."""
        keys, values = (of_layer(stores, layer) for stores in (self.prefix.keys, self.prefix.values))
        lengths = self.prefix.lengths
        if self.rows is not None:
            prompts = self._prompts[self.rows]
            keys, values, lengths = jax.tree.map(lambda x: x[prompts], (keys, values, lengths))
        seen = (jnp.arange(keys.shape[-1]) < lengths[:, None])[:, None]
        if self.rows is not None:
            return attend_slots(queries, keys, values, seen)

        m, k, r, *rest = queries.shape
        prompts = len(lengths)
        together = queries.reshape(prompts, m // prompts, k, r, *rest).swapaxes(1, 2).reshape(prompts, k, -1, *rest)

        def by_rows(x: Array) -> Array:
            rest = x.shape[3:]
            return x.reshape(prompts, k, m // prompts, r, *rest).swapaxes(1, 2).reshape(m, k, r, *rest)

        return PartialSoftmax(*map(by_rows, attend_slots(together, keys, values, seen)))
