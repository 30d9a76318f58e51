"""Adapters in and out of the files of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.files import read_json
from compeer_jax.models import weights
from compeer_jax.models.config import FAMILIES
from compeer_jax.models.hf_names import DECODER, TensorNames, hf_tensors
from compeer_jax.models.json_config import ConfigReader, shown, words
from compeer_jax.models.lora import TARGETS, LoRAConfig
from compeer_jax.models.saving import whole_directory
from compeer_jax.models.tokenizer_files import write_tokenizer

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

# The body of a model that reads text, and of one that sees, as PEFT calls it.
_TEXT, _SEEING = "base_model.model.model.", "base_model.model.model.language_model."
# In a model that sees, the tower too has projections by the names of TARGETS, so a pattern says which are meant.
_PATTERN = r"model\.language_model\.layers\.\d+\.(?:self_attn|mlp)\.(?:", ")"

# The keys that are read, and those that change nothing: what only training or starting asks for, and notes.
_READ = words("peft_type base_model_name_or_path target_modules r lora_alpha init_lora_weights revision")
_HARMLESS = words(
    "inference_mode lora_dropout peft_version runtime_config megatron_core layers_pattern qalora_group_size "
    "ensure_weight_tying loftq_config eva_config corda_config lora_ga_config"
)
# Of other keys, the values with which PEFT computes x · W + x · A · B · alpha / r; null is one of each, and false
# is one of any that is not here, such as those that PEFT adds later.
_PLAIN = {
    "task_type": ("CAUSAL_LM",),
    "bias": ("none",),
    **dict.fromkeys(("rank_pattern", "alpha_pattern", "megatron_config"), ({},)),
    **dict.fromkeys(("modules_to_save", "exclude_modules", "layers_to_transform", "layer_replication"), ([],)),
    **dict.fromkeys(("target_parameters", "trainable_token_indices"), ([],)),
}
# Ways to start A and B that leave W as it is. Others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA …) take a part out of W.
_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


def is_adapter(directory: str | Path) -> bool:
    """Whether a directory holds adapters, not a whole model."""
    return (Path(directory) / CONFIG).is_file()


def read_adapter_config(directory: str | Path) -> tuple[LoRAConfig, str]:
    """Config of the adapters in a directory, and the directory or hub id of the model that they are for.

    Raises:
        UserError: the file can't be read, or asks for what we have not.
    """
    path = Path(directory) / CONFIG
    settings = read_json(path, "the adapters' config", dict)
    read = ConfigReader(settings, str(path))
    if settings.get("peft_type") != "LORA":
        raise UserError(
            f"{path}: the adapters are of kind {shown(settings.get('peft_type'))}; only 'LORA' can be read."
        )
    rank, alpha = read.integer("r"), read.positive("lora_alpha")
    _refuse_other_adapters(settings, str(path))
    base, targets = settings.get("base_model_name_or_path"), settings.get("target_modules")
    if not isinstance(base, str) or not base:
        raise UserError(f"{path} names no base_model_name_or_path; write there the model that the adapters are for.")
    # PEFT also takes names that end in a target's name, such as layers.0.self_attn.q_proj, and any pattern.
    before, after = _PATTERN
    if isinstance(targets, str) and targets.startswith(before) and targets.endswith(after):
        targets = targets.removeprefix(before).removesuffix(after).split("|")
    names = targets if isinstance(targets, list) else [targets]
    strange = [name for name in names if not isinstance(name, str) or name not in TARGETS]
    if strange:
        raise UserError(f"{path}: target_modules has {shown(strange[0])}; it can hold {', '.join(TARGETS)}.")
    try:
        return LoRAConfig(rank, alpha, tuple(name for name in TARGETS if name in names)), base
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _refuse_other_adapters(settings: Mapping[str, Any], path: str) -> None:
    """Raises UserError for adapters that are not known to be plain low-rank ones on the model as it is."""
    start = settings.get("init_lora_weights", True)
    if not any(start is known or (isinstance(start, str) and start == known) for known in _STARTS):
        raise UserError(
            f"{path}: init_lora_weights is {shown(start)}, with which PEFT changes the model before it adds the "
            "adapters: save them with path_initial_model_for_weight_conversion, or export the model with them merged."
        )
    if settings.get("revision") not in (None, "main"):
        raise UserError(
            f"{path}: revision is {shown(settings['revision'])}; download that revision of the model, and write its "
            "directory into base_model_name_or_path and null into revision."
        )
    mapping = settings.get("auto_mapping")
    built = [family.architecture for family in FAMILIES.values()]
    if mapping and not (isinstance(mapping, dict) and mapping.get("base_model_class") in built):
        raise UserError(f"{path}: auto_mapping is {shown(mapping)}; only adapters of {', '.join(built)} can be read.")
    for name, value in settings.items():
        if name in _READ | _HARMLESS | {"auto_mapping"} or value is None:
            continue
        if value not in _PLAIN.get(name, ()) and value is not False:
            raise UserError(f"{path}: {name} is {shown(value)}, which is not supported; train adapters without it.")


def load_adapters(directory: str | Path, abstract: nnx.State, *, mesh: jax.sharding.Mesh | None = None) -> nnx.State:
    """Reads adapters into the tree of `abstract`, which says their shapes and types; see `weights.load`.

    Raises:
        UserError: the file is missing or damaged, or its tensors are not those that `abstract` has.
    """
    return weights.load(directory, abstract, mesh=mesh, names=_names(abstract))


def save_adapters(
    directory: str | Path,
    adapters: nnx.State,
    config: LoRAConfig,
    base: str,
    tokenizer: Any,
    *,
    sees: bool = False,
    beside: Iterable[Path] = (),
) -> None:
    """Writes a directory that `peft` loads unchanged; it appears whole or not at all.

    Args:
        directory: where. An empty directory, or earlier adapters, are replaced.
        adapters: written in the type they have.
        config: what they are.
        base: directory or hub id of the model that they are for.
        tokenizer: to put beside them.
        sees: whether that model does.
        beside: more files to put there, by their own names.

    Raises:
        UserError: the directory holds something else, or cannot be written.
    """
    from safetensors.numpy import save_file

    flat = dict(nnx.to_flat_state(adapters))
    with whole_directory(directory, described_in=CONFIG) as temporary:
        write_adapter_config(temporary, config, base, sees=sees)
        write_tokenizer(tokenizer, temporary)
        for file in beside:
            shutil.copyfile(file, temporary / file.name)
        arrays = {}
        for tensor in hf_tensors(adapters, _names(adapters), _SEEING if sees else _TEXT):
            value = flat[tensor.path][...]
            arrays[tensor.name] = tensor.to_hf(np.asarray(value if tensor.layer is None else value[tensor.layer]))
        save_file(arrays, temporary / WEIGHTS, metadata={"format": "pt"})


def write_adapter_config(directory: str | Path, config: LoRAConfig, base: str, *, sees: bool = False) -> None:
    """Writes adapter_config.json; see `save_adapters`."""
    targets = list(config.targets)
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "target_modules": "|".join(targets).join(_PATTERN) if sees else targets,
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
            name, (outputs, inputs) = DECODER.layer[(*path, "kernel")]  # by the dimensions of the kernel
            name = name.removesuffix(".weight")
            rank_in_a, outputs_in_b = (len(inputs),), tuple(d - len(inputs) + 1 for d in outputs)
            layer[(*path, "adapter", "a")] = (f"{name}.lora_A.weight", (rank_in_a, inputs))
            layer[(*path, "adapter", "b")] = (f"{name}.lora_B.weight", (outputs_in_b, (0,)))
    return TensorNames((_SEEING, _TEXT), {}, "layers.", layer, file=WEIGHTS, described_in=CONFIG)
