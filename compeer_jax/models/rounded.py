"""Keys and values in 8 bits: half of bfloat16's memory and traffic, for 3 % of it in scales (heads of 128)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rounded:
    """Codes times their scale, which is one number for each token and head.

    The scale has all dimensions of the codes, that of the head's size being 1, so that whatever moves slots about does
    to it what it does to the codes.
    """

    codes: Int8[Array, "..."]
    scale: Float[Array, "..."]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape


Slots = Array | Rounded
"""Keys or values of one layer or of all, as they are or rounded."""


def like(store: Slots, new: Float[Array, "*lead H"]) -> Slots:
    """`new` as `store` keeps it: in its type, or rounded.

    Rounding is symmetric, to whole numbers up to 127: no number is off by more than half a scale, a 254th of the
    largest in its token and head.
    """
    if not isinstance(store, Rounded):
        return new.astype(store.dtype)
    wide = new.astype(jnp.float32)
    scale = jnp.max(jnp.abs(wide), axis=-1, keepdims=True) / 127
    codes = jnp.round(wide / jnp.where(scale > 0, scale, 1)).astype(jnp.int8)
    return Rounded(codes, scale.astype(store.scale.dtype))


def multiplied(slots: Slots, dtype: jnp.dtype) -> Array:
    """What rounded slots stand for, in this type; others as they are."""
    return (slots.codes * slots.scale).astype(dtype) if isinstance(slots, Rounded) else slots


def zeros(shape: tuple[int, ...], head_dim: int, dtype: jnp.dtype) -> Slots:
    """Nothing, in slots of this shape, whose dimension `head_dim` is the head's size; in int8: rounded."""
    if dtype != jnp.int8:
        return jnp.zeros(shape, dtype)
    scales = list(shape)
    scales[head_dim] = 1
    return Rounded(jnp.zeros(shape, jnp.int8), jnp.zeros(scales, jnp.float32))
