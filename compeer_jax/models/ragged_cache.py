"""A cache for conversations: rows share what was read for all of a prompt, and fill their own slots at their own pace.

The prefix of a prompt is kept once, whatever the number of its rows. Their queries meet it together, as one matrix
product a prompt, and meet their own slots row by row; the two halves of the softmax are merged after.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from compeer_jax.models.attention import Visibility
from compeer_jax.models.cache import KEY_AXES, VALUE_AXES, Keys, Values, empty_slots, of_layer, place, written
from compeer_jax.models.cached_attention import SoftmaxPart, attend_part, group_heads
from compeer_jax.models.config import Qwen2Config
from compeer_jax.models.rounded import Slots


class Prefix(NamedTuple):
    """What B prompts begin with, P slots each, of which prompt b fills the first `lengths[b]`."""

    keys: Keys
    values: Values
    lengths: Int[Array, " B"]


class RaggedKVCache(NamedTuple):
    """S slots for each of N rows, of which row n has filled the first `lengths[n]`; `Qwen2.extend` takes it.

    Padding (on the right of what is read) takes no slot. It is written all the same, past the row's end, where no one
    sees it and the next token overwrites it: who reads T tokens at a time keeps T slots of room in every row, those
    that read nothing included.

    Attributes:
        keys, values: one array a layer, or one array of all layers when the model scans its layers.
        lengths: how many slots each row has filled.
        starts: where in each row the tokens taken last begin.
        prefix: what the rows read together, row n being of prompt n // (N / B); None where they share nothing.
        rows: the rows that are read for, M of them, all different; None for all.
    """

    keys: Keys
    values: Values
    lengths: Int[Array, " N"]
    starts: Int[Array, " N"]
    prefix: Prefix | None = None
    rows: Int[Array, " M"] | None = None

    def append(self, valid: Bool[Array, "M T"]) -> tuple["RaggedKVCache", Int[Array, "M T"], Visibility]:
        """Takes slots for the valid tokens; returns their positions and what they see. Their keys come with `write`."""
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
        return self._replace(lengths=lengths, starts=self.lengths), before + slots, visibility

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "M T K H"], value: Float[Array, "M T K H"]
    ) -> "RaggedKVCache":
        """Puts a layer's keys and values into the slots taken last."""
        rows = jnp.arange(len(self.lengths)) if self.rows is None else self.rows
        slots = self.starts[rows][:, None] + jnp.arange(key.shape[1])

        def put_keys(lead: tuple, store: Array, new: Array) -> Array:
            return place(store.at[*lead, rows[:, None], :, :, slots].set(new), KEY_AXES)

        def put_values(lead: tuple, store: Array, new: Array) -> Array:
            return place(store.at[*lead, rows[:, None], :, slots].set(new), VALUE_AXES)

        keys = written(self.keys, layer, key, put_keys)
        return self._replace(keys=keys, values=written(self.values, layer, value, put_values))

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "M T Q H"], visibility: Visibility
    ) -> Float[Array, "M T Q H"]:
        """As `compeer_jax.models.attention.attend`, over the prefix and the row's own slots."""
        keys, values = (self._of_rows(of_layer(stores, layer)) for stores in (self.keys, self.values))
        queries = group_heads(query, keys.shape[1])
        part = attend_part(queries, keys, values, visibility.mask())
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

        def one(index: Int[Array, ""], stores: tuple[Keys, Values]) -> tuple[Keys, Values]:
            def put(store: Array, read: Array) -> Array:
                row = jax.lax.dynamic_slice_in_dim(read, sources[index], 1, store.ndim - 4)
                zero = jnp.zeros((), rows.dtype)
                return jax.lax.dynamic_update_slice(
                    store, row, (*[zero] * (store.ndim - 4), rows[index], zero, zero, zero)
                )

            return jax.tree.map(put, stores, (prompts.keys, prompts.values))

        keys, values = jax.lax.fori_loop(0, count, one, (self.keys, self.values))
        lengths = self.lengths.at[rows].set(prompts.lengths[sources], mode="drop")
        return self._replace(keys=keys, values=values, lengths=lengths)

    def take(self, rows: Int[Array, " M"]) -> "RaggedKVCache":
        """The cache of these rows alone, where they share no prefix."""

        def of_rows(x: Array) -> Array:
            return jnp.take(x, rows, axis=x.ndim - 4)

        keys, values = jax.tree.map(of_rows, (self.keys, self.values))
        return RaggedKVCache(keys, values, lengths=self.lengths[rows], starts=self.starts[rows])

    def grow(self, slots: int) -> "RaggedKVCache":
        """The same with so many slots a row."""

        def pad(x: Array, axis: int, axes: tuple[str, ...]) -> Array:
            widths = [(0, 0)] * x.ndim
            widths[axis] = (0, slots - self.slots)
            return place(jnp.pad(x, widths), axes)

        return self._replace(
            keys=jax.tree.map(lambda x: pad(x, -1, KEY_AXES), self.keys),
            values=jax.tree.map(lambda x: pad(x, -2, VALUE_AXES), self.values),
        )

    @property
    def slots(self) -> int:
        """How many slots each row has (S)."""
        return jax.tree.leaves(self.keys)[0].shape[-1]

    @property
    def _prompts(self) -> Int[Array, " N"]:
        """The prompt of every row."""
        return jnp.arange(len(self.lengths)) // (len(self.lengths) // len(self.prefix.lengths))

    def _of_rows(self, x: Slots) -> Slots:
        return x if self.rows is None else jax.tree.map(lambda x: x[self.rows], x)

    def _attend_prefix(self, layer: int | Array, queries: Float[Array, "M K R T H"]) -> SoftmaxPart:
        """The softmax's part over the prefix; where all rows are at hand, those of a prompt meet it together."""
        keys, values = (of_layer(stores, layer) for stores in (self.prefix.keys, self.prefix.values))
        lengths = self.prefix.lengths
        if self.rows is not None:
            prompts = self._prompts[self.rows]
            keys, values, lengths = jax.tree.map(lambda x: x[prompts], (keys, values, lengths))
        seen = (jnp.arange(keys.shape[-1]) < lengths[:, None])[:, None]
        if self.rows is not None:
            return attend_part(queries, keys, values, seen)

        m, k, r, *rest = queries.shape
        prompts = len(lengths)
        together = queries.reshape(prompts, m // prompts, k, r, *rest).swapaxes(1, 2).reshape(prompts, k, -1, *rest)

        def by_rows(x: Array) -> Array:
            rest = x.shape[3:]
            return x.reshape(prompts, k, m // prompts, r, *rest).swapaxes(1, 2).reshape(m, k, r, *rest)

        return SoftmaxPart(*map(by_rows, attend_part(together, keys, values, seen)))


def empty_ragged_cache(
    config: Qwen2Config, rows: int, length: int, *, dtype: jnp.dtype, stacked: bool
) -> RaggedKVCache:
    """A cache of `length` slots for each of `rows` rows, none filled, with nothing shared; see `empty_cache`."""
    keys, values = empty_slots(config, rows, length, dtype=dtype, stacked=stacked)
    none = jnp.zeros((rows,), jnp.int32)
    return RaggedKVCache(keys, values, lengths=none, starts=none)
