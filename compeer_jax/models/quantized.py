"""Frozen weights in 8 or 4 bits, multiplied out where they are used.

Those of a frozen base, of a judge, or those that a policy generates with, rounded anew for every rollout. `qwix` does
the rounding. What it makes is kept here as ordinary weights with axis names, so that they are laid out on a mesh like
all others.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Integer

from compeer_jax.errors import UserError
from compeer_jax.models.parameters import product
from compeer_jax.parallel.sharding import shardings

Storage = Literal["none", "int8", "nf4"]

BLOCK = 64  # inputs that share a scale in 4 bits, as QLoRA has it

# NormalFloat's sixteen values: quantiles of a normal distribution (QLoRA, appendix E), in the order of their codes.
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


class QuantizedKernel(nnx.Module):
    """Stands for a projection's kernel: `kernel[...]` gives its weights, multiplied out, in the type of the scales.

    `multiply` is the product with them. In 8 bits it takes the codes as they are, and scales what comes out: nothing
    wider than they are is read from memory.

    Attributes:
        values: the kernel's shape; int8, or the codes of NF4 in uint4 (two to a byte on the device).
        scale: in 8 bits, one for each output; in 4, one for each output and block of inputs.
    """

    def __init__(self, kernel: nnx.Param, contract: int, storage: Storage):
        shape, axes = kernel[...].shape, kernel.axes
        lead = int(axes[0] == "layers")
        inputs = range(lead, lead + contract)
        if storage == "int8":
            blocks, names = [1 if d in inputs else n for d, n in enumerate(shape)], list(axes)
            for d in inputs:
                names[d] = None
        else:
            blocks, names = list(shape), list(axes)
            blocks[inputs[-1]] //= block_size(shape[inputs[-1]])
            names[inputs[-1]] = None  # whole on every device: few, and their number need not divide over a mesh
        self.values = nnx.Param(jnp.zeros(shape, jnp.int8 if storage == "int8" else jnp.uint4), axes=axes)
        self.scale = nnx.Param(jnp.zeros(blocks, kernel[...].dtype), axes=tuple(names))
        self.storage = storage
        self.contract = contract

    def __getitem__(self, _: Any) -> Float[Array, "..."]:
        with jax.named_scope("dequantize"):
            return dequantize(self.values[...], self.scale[...], self.storage)

    def multiply(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """x · kernel, as `parameters.product`; exact but for the rounding of the kernel and of sums."""
        if self.storage != "int8":
            return product(x, self[...].astype(x.dtype), self.contract)
        scale = self.scale[...]
        y = product(x, self.values[...].astype(x.dtype), self.contract)
        return y * scale.reshape(scale.shape[self.contract :]).astype(x.dtype)

    def round(self, kernel: nnx.Param, mesh: jax.sharding.Mesh | None = None) -> tuple[nnx.Param, nnx.Param]:
        """The values and scales of `kernel`, on its mesh; this module, which may be abstract, says their shapes."""
        stacked = kernel.axes[0] == "layers"
        places = None if mesh is None else shardings((self.values.axes, self.scale.axes), mesh)
        values, scale = _rounding(self.storage, self.contract, stacked, places)(kernel[...])
        return self.values.replace(values), self.scale.replace(scale)


def in_few_bits(model: Any, storage: Storage) -> Any:
    """The model with its projections' kernels quantised, those that are not yet; unchanged for "none".

    Embedding, head, biases and norms stay as they are. Also to be compiled.

    Args:
        model: a `Decoder`, which is changed; of concrete weights each is let go of as soon as it is rounded.
        storage: how they are kept.

    Raises:
        UserError: qwix is not installed.
    """
    for _, module in nnx.iter_modules(model) if storage != "none" else ():
        kernel = getattr(module, "kernel", None)
        if isinstance(kernel, nnx.Param):
            module.kernel = nnx.eval_shape(lambda: QuantizedKernel(kernel, module.contract, storage))  # noqa: B023
            module.kernel.values, module.kernel.scale = module.kernel.round(kernel)
    return model


def block_size(inputs: int) -> int:
    """Block of neighbouring inputs that share a scale in 4 bits: 64, or the largest divisor of `inputs` below."""
    return next(size for size in range(min(BLOCK, inputs), 0, -1) if inputs % size == 0)


def dequantize(values: Integer[Array, "..."], scale: Float[Array, "..."], storage: Storage) -> Float[Array, "..."]:
    """The weights that `values` and `scale` stand for.

    It is `qwix.dequantize`, but shape by shape and with selects for NF4's table: that function flattens the codes,
    which a compiler can't do to an array that lies on several devices without gathering it.
    """
    if storage == "nf4":
        values = _nf4_values(values)
    shape = []  # each dimension as (blocks, values a block), so that a scale spreads over its block
    for size, blocks in zip(values.shape, scale.shape, strict=True):
        shape += [blocks, size // blocks]
    spread = scale.reshape([n for blocks in scale.shape for n in (blocks, 1)])
    return (values.astype(scale.dtype).reshape(shape) * spread).reshape(values.shape)


def _nf4_values(codes: Integer[Array, "..."]) -> Float[Array, "..."]:
    """The value of each code: a tree of selects, bit by bit, which vector units do faster than a gather."""
    codes = codes.astype(jnp.int8)
    level: list[Any] = [np.float32(value) for value in NF4]
    for bit in range(4):
        odd = (codes >> bit) & 1 == 1
        level = [jnp.where(odd, high, low) for low, high in zip(level[::2], level[1::2], strict=True)]
    return level[0]


@cache
def _rounding(storage: Storage, contract: int, stacked: bool, places: tuple | None) -> Callable[[Array], tuple]:
    """The compiled function from kernels to values and scales.

    Raises:
        UserError: qwix is not installed.
    """
    try:
        import qwix
    except ImportError as error:
        raise UserError(
            f"Weights in {storage!r} need qwix, which rounds them: pip install 'compeer_jax[lora]'."
        ) from error

    def round_8(kernel: Array) -> tuple[Array, Array]:
        lead = int(stacked)
        own = (*range(lead), *range(lead + contract, kernel.ndim))
        return finish(kernel, qtype=jnp.int8, channelwise_axes=own)

    def round_4(kernel: Array) -> tuple[Array, Array]:
        *whole, blocked = range(contract)
        blocks = {blocked: block_size(kernel.shape[blocked])}
        own = (*whole, *range(contract, kernel.ndim))
        return finish(kernel, qtype="nf4", channelwise_axes=own, tiled_axes=blocks)

    def finish(kernel: Array, **how) -> tuple[Array, Array]:
        made = qwix.quantize(kernel.astype(jnp.float32), **how)
        return made.qvalue, made.scale.astype(kernel.dtype)

    # In 8 bits a compiler needs no room for it; in 4 it does, which one layer at a time keeps small.
    rounding = round_8 if storage == "int8" else partial(jax.lax.map, round_4) if stacked else round_4
    return jax.jit(rounding, out_shardings=places)
