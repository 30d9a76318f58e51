"""Layers that models are made of: projections, and normalisations over the last dimension."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from compeer_jax.models.parameters import WeightMaker, product
from compeer_jax.models.quantized import QuantizedKernel
from compeer_jax.parallel.mesh import platform

MANY = 64  # rows


class Projection(nnx.Module):
    """x · kernel + bias. The kernel's first `contract` dimensions are the last of x; the others are what comes out.

    An `adapter` adds what it makes of x (see lora.py), and a kernel that doesn't learn may be kept in few bits (see
    quantized.py).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        axes: tuple[str | None, ...],
        make: WeightMaker,
        *,
        contract: int = 1,
        bias: bool = False,
    ):
        self.kernel: nnx.Param | QuantizedKernel = make.normal(shape, axes)
        self.bias = make.zeros(shape[contract:], axes[contract:]) if bias else None
        self.contract = contract
        self.adapter: nnx.Module | None = nnx.data(None)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        if isinstance(self.kernel, QuantizedKernel):
            y = self.kernel.multiply(x)
        else:
            y = product(x, self.kernel[...].astype(x.dtype), self.contract)
        if self.adapter is not None:
            y = y + self.adapter(x)
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)


class RMSNorm(nnx.Module):
    """`rms_norm` with a learned scale."""

    def __init__(self, size: int, epsilon: float, make: WeightMaker, axis: str = "embed"):
        self.scale = make.ones((size,), (axis,))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "*lead D"]) -> Float[Array, "*lead D"]:
        return rms_norm(x, self.scale[...], self.epsilon)


class LayerNorm(nnx.Module):
    """(x - mean) / √(variance + ε) · scale + bias over the last dimension, computed in float32."""

    def __init__(self, size: int, epsilon: float, make: WeightMaker):
        self.scale = make.ones((size,), ("embed",))
        self.bias = make.zeros((size,), ("embed",))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "*lead D"]) -> Float[Array, "*lead D"]:
        wide = x.astype(jnp.float32)
        wide = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        return (wide * jax.lax.rsqrt(variance + self.epsilon) * self.scale[...] + self.bias[...]).astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def rms_norm(x: Float[Array, "*lead D"], scale: Float[Array, " D"], epsilon: float) -> Float[Array, "*lead D"]:
    """Root mean square normalisation (Zhang and Sennrich, 2019): x / √(mean(x²) + ε) · scale, computed in float32.

    The backward pass is written out: it remembers x and one number a row. With what autodiff remembers, forward and
    backward take twice as long on CPU.
    """
    return _forward(x, scale, epsilon)[0]


def _forward(x: Array, scale: Array, epsilon: float) -> tuple[Array, tuple[Array, Array, Array]]:
    wide = _wide(x)
    inverse = jax.lax.rsqrt(_mean(jnp.square(wide)) + epsilon)
    return (wide * inverse * scale).astype(x.dtype), (x, scale, inverse)


def _backward(epsilon: float, kept: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, scale, inverse = kept
    normal, gradient = _wide(x) * inverse, _wide(gradient)
    to_normal = gradient * scale
    to_x = inverse * (to_normal - normal * _mean(to_normal * normal))
    to_scale = (gradient * normal).reshape(-1, x.shape[-1]).sum(axis=0)
    return to_x.astype(x.dtype), to_scale.astype(scale.dtype)


rms_norm.defvjp(_forward, _backward)


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _mean(x: Float[Array, "*lead D"]) -> Float[Array, "*lead 1"]:
    """Over the last dimension. Of many rows on CPU as a product: XLA's sums take three times as long there."""
    if platform() == "cpu" and x.size > MANY * x.shape[-1]:
        return x @ jnp.full((x.shape[-1], 1), 1 / x.shape[-1], x.dtype)
    return x.mean(axis=-1, keepdims=True)
