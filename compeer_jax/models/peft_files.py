"""Adapters in and out of the files of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors."""

import json
import operator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.models import weights
from compeer_jax.models.hf_names import QWEN2, TensorNames, hf_tensors
from compeer_jax.models.lora import TARGETS, LoRAConfig

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

# Settings of PEFT that make another function of the same two matrices, and what they are where they don't.
PLAIN = {
    "bias": ("none", None),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "modules_to_save": ([], None),
    "layers_to_transform": ([], None),
    "layer_replication": ([], None),
    "target_parameters": ([], None),
    "trainable_token_indices": ([], None),
}


def is_adapter(directory: str | Path) -> bool:
    """Whether a directory holds adapters, not a whole model."""
    return (Path(directory) / CONFIG).is_file()


def read_adapter_config(directory: str | Path) -> tuple[LoRAConfig, str]:
    """What adapters the directory holds, and the directory or hub id of the model that they are for.

    Raises:
        UserError: the file can't be read, or asks for what we have not.
    """
    path = Path(directory) / CONFIG
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        kind, base, targets = settings["peft_type"], settings["base_model_name_or_path"], settings["target_modules"]
        rank, alpha = operator.index(settings["r"]), float(settings["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the config of LoRA adapters ({error!r}); copy it anew.") from error
    if kind != "LORA":
        raise UserError(f"{path}: the adapters are of kind {kind!r}; only 'LORA' can be read.")
    if rank < 1:
        raise UserError(f"{path}: r is {rank}; it must be at least 1.")
    for name, plain in PLAIN.items():
        if (value := settings.get(name)) not in plain:
            raise UserError(f"{path}: {name} is {value!r}, which is not supported; train adapters without it.")
    if not base:
        raise UserError(f"{path} names no base_model_name_or_path; write there the model that the adapters are for.")
    # PEFT also takes names that end in a target's name, such as layers.0.self_attn.q_proj, and patterns.
    strange = [targets] if isinstance(targets, str) else [name for name in targets if name not in TARGETS]
    if strange:
        raise UserError(f"{path}: target_modules has {strange[0]!r}; it can hold {', '.join(TARGETS)}.")
    try:
        return LoRAConfig(rank, alpha, tuple(name for name in TARGETS if name in targets)), base
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def load_adapters(directory: str | Path, abstract: nnx.State, *, mesh: jax.sharding.Mesh | None = None) -> nnx.State:
    """Reads adapters into the tree of `abstract`, which says their shapes and types; see `weights.load`.

    Raises:
        UserError: the file is missing or damaged, or its tensors are not those that `abstract` has.
    """
    return weights.load(directory, abstract, mesh=mesh, names=_names(abstract))


def save_adapters(directory: str | Path, adapters: nnx.State, config: LoRAConfig, base: str, tokenizer: Any) -> None:
    """Writes a directory that `peft` loads unchanged; it appears whole or not at all.

    Args:
        directory: where. An empty directory, or earlier adapters, are replaced.
        adapters: written in the type they have.
        config: what they are.
        base: directory or hub id of the model that they are for.
        tokenizer: to put beside them.

    Raises:
        UserError: the directory holds something else, or cannot be written.
    """
    from safetensors.numpy import save_file

    flat = dict(nnx.to_flat_state(adapters))
    with weights.whole_directory(directory, described_in=CONFIG) as temporary:
        write_adapter_config(temporary, config, base)
        tokenizer.save_pretrained(str(temporary))
        arrays = {}
        for tensor in hf_tensors(adapters, _names(adapters)):
            value = flat[tensor.path][...]
            arrays[tensor.name] = tensor.to_hf(np.asarray(value if tensor.layer is None else value[tensor.layer]))
        save_file(arrays, temporary / WEIGHTS, metadata={"format": "pt"})


def write_adapter_config(directory: str | Path, config: LoRAConfig, base: str) -> None:
    """Writes adapter_config.json."""
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(config.targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    (Path(directory) / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _names(adapters: nnx.State) -> TensorNames:
    """What PEFT calls these adapters. A and B are [rank, inputs] and [outputs, rank] there."""
    held = {path[-4:-2] for path, _ in nnx.to_flat_state(adapters)}
    layer = {}
    for path in TARGETS.values():
        if path in held:
            name, (outputs, inputs) = QWEN2.layer[(*path, "kernel")]  # by the dimensions of the kernel
            name = name.removesuffix(".weight")
            rank_in_a, outputs_in_b = (len(inputs),), tuple(d - len(inputs) + 1 for d in outputs)
            layer[(*path, "adapter", "a")] = (f"{name}.lora_A.weight", (rank_in_a, inputs))
            layer[(*path, "adapter", "b")] = (f"{name}.lora_B.weight", (outputs_in_b, (0,)))
    return TensorNames(("base_model.model.model.",), {}, "layers.", layer, file=WEIGHTS, described_in=CONFIG)
