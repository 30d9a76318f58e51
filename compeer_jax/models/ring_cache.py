"""A cache for rows that come and go: all write into the same slot, round and round, whenever each of them began.

A row's tokens stand in consecutive slots up to the one written last, whatever their positions, so one update a layer
serves all rows, as it does when they all begin together. A slot is overwritten S tokens after it was written; the cache
has as many slots as a row has tokens at most, so that none of a row's own is ever lost.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from compeer_jax.models.attention import Visibility
from compeer_jax.models.cache import KVCache


class RingCache(NamedTuple):
    """S slots for each of N rows, of which all rows fill the same one with each token; `Qwen2.extend` takes it.

    It takes one token a row at a time; what a row begins with comes with `admit`.

    Attributes:
        slots: the keys and values; its `length` is one more than the slot taken last.
    """

    slots: KVCache

    def append(self, valid: Bool[Array, "N 1"]) -> tuple["RingCache", Int[Array, "N 1"], Visibility]:
        """Takes the next slot; returns the tokens' positions and what they see. Their keys come with `write`."""
        size = self.slots.valid.shape[1]
        slot = self.slots.length % size
        slots = self.slots._replace(
            valid=lax.dynamic_update_slice(self.slots.valid, valid, (0, slot)),
            next_position=self.slots.next_position + valid[:, 0],
            length=slot + 1,
        )
        visibility = Visibility(
            query_segments=valid.astype(jnp.int32),
            key_segments=slots.valid.astype(jnp.int32),
            query_slots=jnp.zeros(1, jnp.int32),  # all that is valid came before
            key_slots=jnp.zeros(size, jnp.int32),
        )
        return RingCache(slots), self.slots.next_position[:, None], visibility

    def write(
        self, layer: int | Int[Array, ""], key: Float[Array, "N 1 K H"], value: Float[Array, "N 1 K H"]
    ) -> "RingCache":
        """Puts a layer's keys and values into the slot taken last."""
        return RingCache(self.slots.write(layer, key, value))

    def attend(
        self, layer: int | Int[Array, ""], query: Float[Array, "N 1 Q H"], visibility: Visibility
    ) -> Float[Array, "N 1 Q H"]:
        """What the queries of a layer find in the cache."""
        return self.slots.attend(layer, query, visibility)

    def admit(
        self, prompts: KVCache, sources: Int[Array, " M"], rows: Int[Array, " M"], count: Int[Array, ""]
    ) -> "RingCache":
        """Begins rows anew, `rows[i]` with what was read for `prompts` row `sources[i]`; the first `count` of them.

        Args:
            prompts: a filled cache, padded on the left, of at most as many slots.
            sources: whose keys and values each row gets.
            rows: which rows begin anew.
            count: how many; what stands behind in `sources` and `rows` is not looked at.
        """
        size, filled = self.slots.valid.shape[1], prompts.valid.shape[1]
        end = self.slots.length % size

        def turned(x: Array, axis: int) -> Array:
            """One row's slots, so that the last of them comes before the slot that is taken next."""
            widths = [(0, 0)] * x.ndim
            widths[axis] = (size - filled, 0)
            return jnp.roll(jnp.pad(x, widths), end, axis=axis)

        def put(store: Array, read: Array, axis: int, slot_axis: int | None, index: Int[Array, ""]) -> Array:
            row = lax.dynamic_slice_in_dim(read, sources[index], 1, axis)
            row = row if slot_axis is None else turned(row, slot_axis)
            return lax.dynamic_update_slice_in_dim(store, row, rows[index], axis)

        def one(index: Int[Array, ""], slots: KVCache) -> KVCache:
            return KVCache(
                keys=jax.tree.map(lambda x, y: put(x, y, x.ndim - 4, x.ndim - 1, index), slots.keys, prompts.keys),
                values=jax.tree.map(
                    lambda x, y: put(x, y, x.ndim - 4, x.ndim - 2, index), slots.values, prompts.values
                ),
                valid=put(slots.valid, prompts.valid, 0, 1, index),
                next_position=put(slots.next_position, prompts.next_position, 0, None, index),
                length=slots.length,
            )

        return RingCache(lax.fori_loop(0, count, one, self.slots))
