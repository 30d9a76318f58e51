"""A decoder in a GGUF file, seen as Hugging Face's: the values of its config, and its tensors by their names there."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.models.gguf_file import GGUFFile, GGUFTensor
from compeer_jax.models.json_config import shown

_PAIRED = {"qwen2": False, "qwen3": False, "llama": True}
"""The architectures that are read; and whether llama.cpp turns neighbouring numbers of a query or key there, not those
half a head apart, so that their rows lie in pairs."""

# By the key of the metadata, behind the architecture's name: the key of config.json.
_KEYS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}
_TOKENS = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
_SCALING = {"type": "rope_type", "factor": "factor", "original_context_length": "original_max_position_embeddings"}
_NOTES = ("rope.scaling.finetuned",)
_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ROPE_FACTORS = "rope_freqs.weight"
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The scaling of every Llama that has one; its file holds what comes of it, not the numbers."""


def config_values(path: str | Path) -> dict[str, Any]:
    """Values of config.json for the model in a GGUF file.

    Raises:
        UserError: the file can't be read, or its metadata asks for something that is not built.
    """
    return _config_values(GGUFFile.open(path))


def hf_weights(path: str | Path) -> dict[str, "GGUFWeights"]:
    """The tensors of a GGUF file by Hugging Face's names, each read in blocks as `safe_open`'s are.

    Raises:
        UserError: see `config_values`.
    """
    file = GGUFFile.open(path)
    values = _config_values(file)
    paired = {}
    if _PAIRED[values["model_type"]]:
        heads = values.get("num_attention_heads")
        paired = {"attn_q": heads, "attn_k": values.get("num_key_value_heads", heads)}
    return {
        _hf_name(name): GGUFWeights(tensor, paired.get(name.split(".")[2]) if name.count(".") > 2 else None)
        for name, tensor in file.tensors.items()
        if name != _ROPE_FACTORS
    }


@dataclasses.dataclass(frozen=True)
class GGUFWeights:
    """One tensor, laid out as Hugging Face's, with the methods of safetensors' slices.

    Attributes:
        tensor: of the file.
        paired_heads: None, or how many heads have their rows in pairs (0, h/2), (1, h/2 + 1) … there.
    """

    tensor: GGUFTensor
    paired_heads: int | None = None

    def get_slice(self, name: str) -> "GGUFWeights":
        return self

    def get_dtype(self) -> str:
        """The type of what is read, not of what is stored."""
        return "F32"

    def get_shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    def __getitem__(self, block: tuple[slice, ...]) -> np.ndarray:
        """A block of the values; only its rows are unpacked."""
        rows, *columns = block
        if not columns:
            return self.tensor.rows(slice(None))[0, rows]
        if self.paired_heads is None:
            return self.tensor.rows(rows)[:, columns[0]]
        places = np.arange(self.tensor.shape[0]).reshape(self.paired_heads, -1, 2).swapaxes(1, 2).reshape(-1)
        return self.tensor.rows(places[rows])[:, columns[0]]


def _config_values(file: GGUFFile) -> dict[str, Any]:
    kind = file.value("general.architecture", str)
    if kind not in _PAIRED:
        raise UserError(
            f"{file.path}: its general.architecture is {shown(kind)}; only {', '.join(map(repr, _PAIRED))} are built."
        )
    found = {key.removeprefix(f"{kind}."): value for key, value in file.metadata.items() if key.startswith(f"{kind}.")}
    values = {ours: found.pop(theirs) for theirs, ours in _KEYS.items() if theirs in found}
    ids = {name: file.metadata.get(f"tokenizer.ggml.{theirs}_token_id") for name, theirs in _TOKENS.items()}
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise UserError(f"{file.path} holds no token_embd.weight, so it is no language model: give a whole model.")
    values |= {
        "model_type": kind,
        "vocab_size": embedding.shape[0],
        "tie_word_embeddings": "output.weight" not in file.tensors,
        **{name: i for name, i in ids.items() if i is not None},
    }
    scaling = {ours: found.pop(f"rope.scaling.{name}", None) for name, ours in _SCALING.items()}
    if scaling["rope_type"] not in (None, "none"):
        values["rope_scaling"] = scaling
    _refuse_others(found, values, str(file.path))
    if _ROPE_FACTORS in file.tensors:
        values["rope_scaling"] = _llama3_scaling(file, values)
    return values


def _refuse_others(found: Mapping[str, Any], values: Mapping[str, Any], where: str) -> None:
    """Refuses what the metadata says of the architecture beyond `_KEYS`, unless it says nothing new."""
    head = _head_size(values)
    right = {"vocab_size": values["vocab_size"], "attention.value_length": head, "rope.dimension_count": head}
    for name, value in found.items():
        if value and name not in _NOTES and (name not in right or value != right[name]):
            wanted = f"only {right[name]} is built" if name in right else "what it asks for is not built"
            raise UserError(f"{where}: {values['model_type']}.{name} is {shown(value)} in its metadata; {wanted}.")


def _llama3_scaling(file: GGUFFile, values: dict[str, Any]) -> dict[str, Any]:
    """RoPE's scaling that has the factors of a file, one for each pair of numbers."""
    factors = file.tensors[_ROPE_FACTORS].rows(slice(None)).reshape(-1)
    factor, theta, size = float(factors.max()), values.get("rope_theta"), 2 * len(factors)
    if type(theta) is float and min(theta, factor) > 0 and size == _head_size(values) and "rope_scaling" not in values:
        rotations = _LLAMA3["original_max_position_embeddings"] / (2 * np.pi) * theta ** -(np.arange(0, size, 2) / size)
        low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
        kept = np.clip((rotations - low) / (high - low), 0, 1)
        if np.allclose(1 / (kept + (1 - kept) / factor), factors, rtol=1e-4):
            return {"rope_type": "llama3", "factor": factor, **_LLAMA3}
    raise UserError(f"{file.path}: {_ROPE_FACTORS} holds factors of RoPE that are not Llama 3's, which alone is built.")


def _head_size(values: Mapping[str, Any]) -> int | None:
    heads, size = values.get("num_attention_heads"), values.get("hidden_size")
    return values.get("head_dim", size // heads if type(size) is type(heads) is int and heads else None)


def _hf_name(name: str) -> str:
    """Hugging Face's name of a tensor, or its own where that has none."""
    if name in _OUTER:
        return _OUTER[name]
    match name.split("."):
        case ["blk", layer, part, "weight" | "bias" as kind] if part in _LAYER:
            return f"model.layers.{layer}.{_LAYER[part]}.{kind}"
    return name
