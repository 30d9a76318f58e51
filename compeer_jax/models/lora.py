"""Low-rank adapters (LoRA): y = x · W + x · A · B · alpha / rank, with W frozen and only A and B learnt.

The adapters are modules of the model's projections, so they run in the same graph as the model does, are laid out by
the same axis names, and can be taken apart from the frozen weights, and put back, as two parts of one tree. (`qwix` can
add them to a model too, but not to layers that are stacked and scanned over, since it creates them while the model
runs; the quantised base is its work: see quantized.py.)

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021; Dettmers et al., QLoRA, 2023.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Key

from compeer_jax.errors import UserError, require_at_least, unknown
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import MODELS, Decoder
from compeer_jax.models.layers import Projection
from compeer_jax.models.parameters import param_axes, product
from compeer_jax.models.quantized import QuantizedKernel, Storage
from compeer_jax.parallel.sharding import check_divides, shardings

TARGETS = {
    "q_proj": ("attention", "query"),
    "k_proj": ("attention", "key"),
    "v_proj": ("attention", "value"),
    "o_proj": ("attention", "output"),
    "gate_proj": ("mlp", "gate"),
    "up_proj": ("mlp", "up"),
    "down_proj": ("mlp", "down"),
}
"""The projections that can have an adapter, by Hugging Face's names, and where they are in a layer of ours."""


@dataclass(frozen=True)
class LoRAConfig:
    """Low-rank adapters on a frozen model.

    Args:
        rank: of each adapter; 0 trains the whole model.
        alpha: the adapters' outputs are multiplied by alpha / rank.
        targets: which projections of every layer have one, by Hugging Face's names (default: all seven).
        quantize: how the frozen projections are kept: as they are, in 8 bits (one scale an output channel), or in 4
            bits (NormalFloat, one scale for each 64 inputs; with adapters, that is QLoRA).
    """

    rank: int = 0
    alpha: float = 32.0
    targets: tuple[str, ...] = tuple(TARGETS)
    quantize: Storage = "none"

    def __post_init__(self):
        object.__setattr__(self, "targets", tuple(self.targets))
        require_at_least(0, self, "model.lora.", "rank")
        if not self.alpha > 0:
            raise UserError(f"model.lora.alpha is {self.alpha}; it must be above 0.")
        for target in self.targets:
            if target not in TARGETS:
                raise unknown("projection", target, TARGETS, where="model.lora.targets")
        if self.rank and not self.targets:
            raise UserError(f"model.lora.targets is empty; name some of {', '.join(TARGETS)}.")
        if self.quantize != "none" and not self.rank:
            raise UserError(
                f"model.lora.quantize is {self.quantize!r}, but model.lora.rank is 0: a whole model can't be trained "
                "in so few bits; give a rank, or leave quantize out."
            )

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank


class LowRank(nnx.Module):
    """x · a · b · scale, shaped as what the projection that it belongs to gives; a and b are in float32, or `dtype`."""

    def __init__(self, projection: Projection, config: LoRAConfig, dtype: DTypeLike):
        kernel = projection.kernel
        lead = int(kernel.axes[0] == "layers")  # layers that are stacked have one more dimension in front
        cut = lead + projection.contract
        shape, axes = kernel[...].shape, kernel.axes
        inputs, outputs = (*shape[:cut], config.rank), (*shape[:lead], config.rank, *shape[cut:])
        self.a = nnx.LoRAParam(jnp.zeros(inputs, dtype), axes=(*axes[:cut], None))
        self.b = nnx.LoRAParam(jnp.zeros(outputs, dtype), axes=(*axes[:lead], None, *axes[cut:]))
        self.contract = projection.contract
        self.scale = config.scale

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        with jax.named_scope("adapter"):
            low = product(x, self.a[...].astype(x.dtype), self.contract)
            return product(low, self.b[...].astype(x.dtype)) * self.scale


def abstract_adapted(
    config: DecoderConfig, lora: LoRAConfig, *, adapter_dtype: DTypeLike = jnp.float32, **options: Any
) -> tuple[nnx.GraphDef, nnx.State]:
    """A model with adapters: its graph, and its weights and adapters as `ShapeDtypeStruct`s; nothing is allocated.

    Args:
        config: the model's shape.
        lora: which adapters, and how the frozen projections are kept.
        adapter_dtype: what the adapters are kept and updated in.
        options: the keyword arguments of `Decoder`.
    """

    def build() -> Decoder:
        model = MODELS[config.model_type](config, rngs=nnx.Rngs(0), **options)
        adapted = {TARGETS[target] for target in lora.targets}
        for layer in [model.layers] if model.scan_layers else model.layers:
            for part, name in TARGETS.values():
                projection = getattr(getattr(layer, part), name)
                if (part, name) in adapted:
                    projection.adapter = LowRank(projection, lora, adapter_dtype)
                if lora.quantize != "none":
                    projection.kernel = QuantizedKernel(projection.kernel, projection.contract, lora.quantize)
        return model

    return nnx.split(nnx.eval_shape(build), nnx.Param)


def split_adapters(params: nnx.State) -> tuple[nnx.State, nnx.State]:
    """The adapters, which learn, and all other weights, which are frozen."""
    return nnx.split_state(params, nnx.LoRAParam, ...)


def join(adapters: nnx.State, frozen: nnx.State | None) -> nnx.State:
    """The whole weights again, as the model's graph wants them; nothing is copied. No `frozen`: the first are whole."""
    return adapters if frozen is None else nnx.merge_state(frozen, adapters)


def new_adapters(abstract: nnx.State, key: Key[Array, ""], mesh: jax.sharding.Mesh | None = None) -> nnx.State:
    """Adapters that change nothing yet: A uniform in ±1/√inputs, as PEFT starts it, and B zero.

    Args:
        abstract: their shapes, from `abstract_adapted` and `split_adapters`.
        key: of the noise.
        mesh: where to put them, by their axis names; None is the default device.

    Raises:
        UserError: the mesh does not divide one.
    """
    flat = nnx.to_flat_state(abstract)
    places = None
    if mesh is not None:
        check_divides(abstract, param_axes(abstract), mesh)
        places = shardings(param_axes(abstract), mesh)

    def draw(key: Key[Array, ""]) -> nnx.State:
        drawn = []
        for number, (path, param) in enumerate(flat):
            if path[-1] == "a":
                lead = int(param.axes[0] == "layers")
                bound = 1 / math.sqrt(math.prod(param.shape[lead:-1]))
                noise = jax.random.uniform(jax.random.fold_in(key, number), param.shape, minval=-bound, maxval=bound)
                drawn.append((path, param.replace(noise.astype(param.dtype))))
            else:
                drawn.append((path, param.replace(jnp.zeros(param.shape, param.dtype))))
        return nnx.from_flat_state(drawn)

    return jax.jit(draw, out_shardings=places)(key)


def merge_adapters(weights: nnx.State, adapters: nnx.State, scale: float) -> nnx.State:
    """The weights of a plain model that computes what the adapted one does: W + A · B · scale, one kernel at a time.

    Args:
        weights: of the plain model, not quantised; the memory of those that change is given away.
        adapters: to be merged into them.
        scale: alpha / rank.
    """
    merged = dict(nnx.to_flat_state(weights))
    for kernel, a, b in _pairs(adapters):
        stacked = a.axes[0] == "layers"
        merged[kernel] = merged[kernel].replace(_add_product(merged[kernel][...], a[...], b[...], scale, stacked))
    return nnx.from_flat_state(list(merged.items()))


def _pairs(adapters: nnx.State) -> Iterator[tuple[tuple, nnx.LoRAParam, nnx.LoRAParam]]:
    """Of every adapter: the path of the kernel that it belongs to, A and B."""
    flat = dict(nnx.to_flat_state(adapters))
    for path, a in flat.items():
        if path[-1] == "a":
            yield (*path[:-2], "kernel"), a, flat[(*path[:-1], "b")]


@partial(jax.jit, static_argnames=("scale", "stacked"), donate_argnums=0)
def _add_product(kernel: Array, a: Array, b: Array, scale: float, stacked: bool) -> Array:
    multiply = partial(jnp.tensordot, axes=1)
    product = (jax.vmap(multiply) if stacked else multiply)(a.astype(jnp.float32), b.astype(jnp.float32))
    return (kernel.astype(jnp.float32) + product * scale).astype(kernel.dtype)
