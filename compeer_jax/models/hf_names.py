"""How Hugging Face names and shapes Qwen2's tensors, and how each is cut out of ours.

A linear map is [outputs, inputs] there and [inputs, outputs] here, with heads and their size apart. So each dimension
of their tensor merges one or two neighbouring dimensions of ours: `merges[i]` says which.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from flax import nnx

Path = tuple[str | int, ...]
Merges = tuple[tuple[int, ...], ...]

_VECTOR, _HEADS_VECTOR, _AS_IS, _TRANSPOSED = ((0,),), ((0, 1),), ((0,), (1,)), ((1,), (0,))
_OUT_OF_HEADS, _INTO_HEADS = ((2,), (0, 1)), ((1, 2), (0,))

_OUTER: dict[Path, tuple[str, Merges]] = {
    ("embedding",): ("model.embed_tokens.weight", _AS_IS),
    ("norm", "scale"): ("model.norm.weight", _VECTOR),
    ("output",): ("lm_head.weight", _TRANSPOSED),
}
_LAYER: dict[Path, tuple[str, Merges]] = {
    ("attention_norm", "scale"): ("input_layernorm.weight", _VECTOR),
    ("attention", "query", "kernel"): ("self_attn.q_proj.weight", _INTO_HEADS),
    ("attention", "query", "bias"): ("self_attn.q_proj.bias", _HEADS_VECTOR),
    ("attention", "key", "kernel"): ("self_attn.k_proj.weight", _INTO_HEADS),
    ("attention", "key", "bias"): ("self_attn.k_proj.bias", _HEADS_VECTOR),
    ("attention", "value", "kernel"): ("self_attn.v_proj.weight", _INTO_HEADS),
    ("attention", "value", "bias"): ("self_attn.v_proj.bias", _HEADS_VECTOR),
    ("attention", "output", "kernel"): ("self_attn.o_proj.weight", _OUT_OF_HEADS),
    ("mlp_norm", "scale"): ("post_attention_layernorm.weight", _VECTOR),
    ("mlp", "gate", "kernel"): ("mlp.gate_proj.weight", _TRANSPOSED),
    ("mlp", "up", "kernel"): ("mlp.up_proj.weight", _TRANSPOSED),
    ("mlp", "down", "kernel"): ("mlp.down_proj.weight", _TRANSPOSED),
}


@dataclass(frozen=True)
class HFTensor:
    """One tensor of a Hugging Face checkpoint.

    Attributes:
        name: its name there.
        path: where it lies in our tree of weights.
        layer: its place in our stacked array [L, …]; None when ours is not stacked.
        shape: our shape, without the layers' dimension.
        merges: for each of its dimensions, which of ours it merges.
    """

    name: str
    path: Path
    layer: int | None
    shape: tuple[int, ...]
    merges: Merges

    @property
    def hf_shape(self) -> tuple[int, ...]:
        return tuple(math.prod(self.shape[d] for d in dims) for dims in self.merges)

    def to_hf(self, ours: np.ndarray) -> np.ndarray:
        """Our array, laid out as theirs (contiguous, as the file format needs it)."""
        order = [d for dims in self.merges for d in dims]
        return np.ascontiguousarray(ours.transpose(order).reshape(self.hf_shape))

    def read(self, theirs: Callable[[tuple[slice, ...]], np.ndarray], index: tuple[slice, ...]) -> np.ndarray:
        """Our array's slice `index`, asking theirs only for the block that covers it.

        Args:
            theirs: gives a block of their tensor, as `safe_open(...).get_slice(name)[block]` does.
            index: one slice (step 1) a dimension of ours.
        """
        bounds = [part.indices(size)[:2] for part, size in zip(index, self.shape, strict=True)]
        block, shape, inner = [], [], []
        for first, *rest in self.merges:
            (start, stop), width = bounds[first], math.prod(self.shape[d] for d in rest)
            block.append(slice(start * width, stop * width))
            shape += [stop - start, *(self.shape[d] for d in rest)]
            inner += [slice(None), *(slice(*bounds[d]) for d in rest)]
        order = [d for dims in self.merges for d in dims]
        return theirs(tuple(block)).reshape(shape)[tuple(inner)].transpose(np.argsort(order))


def hf_tensors(params: nnx.State) -> Iterator[HFTensor]:
    """Every tensor of the checkpoint that holds these weights (arrays or `ShapeDtypeStruct`s), outer ones first."""
    flat = dict(nnx.to_flat_state(params))
    for path, (name, merges) in _OUTER.items():
        if path in flat:
            yield HFTensor(name, path, None, tuple(flat[path].shape), merges)
    stacked = ("layers", *next(iter(_LAYER))) in flat
    layers = flat["layers", *next(iter(_LAYER))].shape[0] if stacked else len(params["layers"])
    for layer in range(layers):
        for inner, (name, merges) in _LAYER.items():
            path = ("layers", *inner) if stacked else ("layers", layer, *inner)
            shape = tuple(flat[path].shape)[int(stacked) :]
            yield HFTensor(f"model.layers.{layer}.{name}", path, layer if stacked else None, shape, merges)
