"""Names and shapes of a model's tensors at Hugging Face, and how each is cut out of ours.

A linear map is [outputs, inputs] there and [inputs, outputs] here, with heads and their size apart. So each dimension
of their tensor merges one or two neighbouring dimensions of ours: `merges[i]` says which.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np
from flax import nnx

from compeer_jax.models.config import DecoderConfig

Path = tuple[str | int, ...]
Merges = tuple[tuple[int, ...], ...]

_VECTOR, _HEADS_VECTOR, _AS_IS, _TRANSPOSED = ((0,),), ((0, 1),), ((0,), (1,)), ((1,), (0,))
_OUT_OF_HEADS, _INTO_HEADS = ((2,), (0, 1)), ((1, 2), (0,))


@dataclass(frozen=True)
class TensorNames:
    """The names of one kind of model.

    Attributes:
        prefixes: what may stand before the names of the body; a checkpoint of the body alone leaves it out.
        outer: by path in our tree, the body's tensors outside the layers, of those that it has.
        layers: what stands before a layer's number.
        layer: by path in a layer, the tensors that each layer may have; the first it has.
        head: by path in our tree, tensors that are not the body's and have no prefix.
        spare: patterns of what may lie in a checkpoint without a place in our tree.
        copies: names of what may lie in a checkpoint once more, by the path in our tree of what it must equal.
        file: what a checkpoint of one file is called.
        described_in: the file beside it that says which tensors there are.
        newer: the same model by other names, which a checkpoint has if one begins with their prefix.
    """

    prefixes: tuple[str, ...]
    outer: Mapping[Path, tuple[str, Merges]]
    layers: str
    layer: Mapping[Path, tuple[str, Merges]]
    head: Mapping[Path, tuple[str, Merges]] = field(default_factory=dict)
    spare: tuple[str, ...] = ()
    copies: Mapping[str, Path] = field(default_factory=dict)
    file: str = "model.safetensors"
    described_in: str = "config.json"
    newer: "TensorNames | None" = None

    def spelled_in(self, names: Iterable[str]) -> "TensorNames":
        """These names as a checkpoint spells them."""
        newer = self.newer
        return newer if newer and any(name.startswith(newer.prefixes[0]) for name in names) else self

    def prefix_in(self, names: Iterable[str]) -> str:
        """The prefix that a checkpoint with these names uses, or "" for a checkpoint of the body alone."""
        names = list(names)
        return next((prefix for prefix in self.prefixes if any(name.startswith(prefix) for name in names)), "")

    def is_spare(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.spare)


DECODER = TensorNames(
    prefixes=("model.",),
    outer={("embedding",): ("embed_tokens.weight", _AS_IS), ("norm", "scale"): ("norm.weight", _VECTOR)},
    layers="layers.",
    layer={
        ("attention_norm", "scale"): ("input_layernorm.weight", _VECTOR),
        ("attention", "query", "kernel"): ("self_attn.q_proj.weight", _INTO_HEADS),
        ("attention", "query", "bias"): ("self_attn.q_proj.bias", _HEADS_VECTOR),
        ("attention", "key", "kernel"): ("self_attn.k_proj.weight", _INTO_HEADS),
        ("attention", "key", "bias"): ("self_attn.k_proj.bias", _HEADS_VECTOR),
        ("attention", "value", "kernel"): ("self_attn.v_proj.weight", _INTO_HEADS),
        ("attention", "value", "bias"): ("self_attn.v_proj.bias", _HEADS_VECTOR),
        ("attention", "output", "kernel"): ("self_attn.o_proj.weight", _OUT_OF_HEADS),
        ("attention", "query_norm", "scale"): ("self_attn.q_norm.weight", _VECTOR),
        ("attention", "key_norm", "scale"): ("self_attn.k_norm.weight", _VECTOR),
        ("mlp_norm", "scale"): ("post_attention_layernorm.weight", _VECTOR),
        ("mlp", "gate", "kernel"): ("mlp.gate_proj.weight", _TRANSPOSED),
        ("mlp", "up", "kernel"): ("mlp.up_proj.weight", _TRANSPOSED),
        ("mlp", "down", "kernel"): ("mlp.down_proj.weight", _TRANSPOSED),
    },
    head={("output",): ("lm_head.weight", _TRANSPOSED)},
    spare=("*rotary_emb.inv_freq",),  # buffers of old checkpoints; `transformers` passes over them too
    copies={"lm_head.weight": ("embedding",)},  # a tied head
)


def _with_bias(path: Path, name: str, kernel: Merges, bias: Merges) -> dict[Path, tuple[str, Merges]]:
    return {(*path, "kernel"): (f"{name}.weight", kernel), (*path, "bias"): (f"{name}.bias", bias)}


def _layer_norm(path: Path, name: str) -> dict[Path, tuple[str, Merges]]:
    return {(*path, "scale"): (f"{name}.weight", _VECTOR), (*path, "bias"): (f"{name}.bias", _VECTOR)}


BERT = TensorNames(
    prefixes=("bert.", "roberta."),
    outer={
        ("words",): ("embeddings.word_embeddings.weight", _AS_IS),
        ("places",): ("embeddings.position_embeddings.weight", _AS_IS),
        ("types",): ("embeddings.token_type_embeddings.weight", _AS_IS),
        **_layer_norm(("norm",), "embeddings.LayerNorm"),
    },
    layers="encoder.layer.",
    layer={
        **_with_bias(("attention", "query"), "attention.self.query", _INTO_HEADS, _HEADS_VECTOR),
        **_with_bias(("attention", "key"), "attention.self.key", _INTO_HEADS, _HEADS_VECTOR),
        **_with_bias(("attention", "value"), "attention.self.value", _INTO_HEADS, _HEADS_VECTOR),
        **_with_bias(("attention", "output"), "attention.output.dense", _OUT_OF_HEADS, _VECTOR),
        **_layer_norm(("attention_norm",), "attention.output.LayerNorm"),
        **_with_bias(("mlp", "up"), "intermediate.dense", _TRANSPOSED, _VECTOR),
        **_with_bias(("mlp", "down"), "output.dense", _TRANSPOSED, _VECTOR),
        **_layer_norm(("mlp_norm",), "output.LayerNorm"),
    },
    # What predicts words or pairs of sentences, and buffers of old checkpoints.
    spare=("*pooler.*", "cls.*", "lm_head.*", "*embeddings.position_ids"),
)


TOWER = TensorNames(
    prefixes=("visual.", "model.visual."),
    outer={("patches",): ("patch_embed.proj.weight", ((4,), (0,), (1,), (2,), (3,)))},
    layers="blocks.",
    layer={
        ("attention_norm", "scale"): ("norm1.weight", _VECTOR),
        **_with_bias(("attention", "qkv"), "attn.qkv", ((1, 2, 3), (0,)), ((0, 1, 2),)),
        **_with_bias(("attention", "output"), "attn.proj", _OUT_OF_HEADS, _VECTOR),
        ("mlp_norm", "scale"): ("norm2.weight", _VECTOR),
        **_with_bias(("mlp", "gate"), "mlp.gate_proj", _TRANSPOSED, _VECTOR),
        **_with_bias(("mlp", "up"), "mlp.up_proj", _TRANSPOSED, _VECTOR),
        **_with_bias(("mlp", "down"), "mlp.down_proj", _TRANSPOSED, _VECTOR),
    },
    spare=("*visual.merger.*", "model.*", "lm_head.weight"),
)
"""The vision tower of Qwen2.5-VL, without the merger."""


def _seeing(tower: str, body: str) -> TensorNames:
    merger = f"{tower}merger."
    return replace(
        DECODER,
        prefixes=(body,),
        head={
            **DECODER.head,
            ("merger", "norm", "scale"): (f"{merger}ln_q.weight", _VECTOR),
            **_with_bias(("merger", "up"), f"{merger}mlp.0", _TRANSPOSED, _VECTOR),
            **_with_bias(("merger", "down"), f"{merger}mlp.2", _TRANSPOSED, _VECTOR),
        },
        spare=(*DECODER.spare, f"{tower}patch_embed.*", f"{tower}blocks.*"),
    )


SEEING_DECODER = replace(_seeing("visual.", "model."), newer=_seeing("model.visual.", "model.language_model."))
"""Qwen2.5-VL's language model and merger: as published and as transformers writes them, or by its modules' names."""


def decoder_names(config: DecoderConfig) -> TensorNames:
    return DECODER if config.vision is None else SEEING_DECODER


def body_names(config: DecoderConfig) -> TensorNames:
    """Without a head, whatever a checkpoint has for one."""
    names = decoder_names(config)
    both = (names, names.newer) if names.newer else (names,)
    first, *rest = (replace(one, spare=(*one.spare, "lm_head.weight"), copies={}) for one in both)
    return replace(first, newer=rest[0]) if rest else first


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


def hf_tensors(params: nnx.State, names: TensorNames = DECODER, prefix: str | None = None) -> Iterator[HFTensor]:
    """Every tensor of the checkpoint that holds these weights (arrays or `ShapeDtypeStruct`s), outer ones first.

    Args:
        params: the weights.
        names: of the kind of model.
        prefix: what stands before the names of the body; default: the first that `names` knows.
    """
    prefix = names.prefixes[0] if prefix is None else prefix
    flat = dict(nnx.to_flat_state(params))
    outer = {path: (prefix + name, merges) for path, (name, merges) in names.outer.items()} | dict(names.head)
    for path, (name, merges) in outer.items():
        if path in flat:
            yield HFTensor(name, path, None, tuple(flat[path].shape), merges)
    first = ("layers", *next(iter(names.layer)))
    stacked = first in flat
    layers = flat[first].shape[0] if stacked else len(params["layers"])
    for layer in range(layers):
        for inner, (name, merges) in names.layer.items():
            path = ("layers", *inner) if stacked else ("layers", layer, *inner)
            if path not in flat:
                continue
            shape = tuple(flat[path].shape)[int(stacked) :]
            name = f"{prefix}{names.layers}{layer}.{name}"
            yield HFTensor(name, path, layer if stacked else None, shape, merges)
