"""Export of adapters: alone in PEFT's format, or merged into the model they are for.

Such a run's checkpoints hold the adapters and their optimiser, never the frozen weights. What they are is noted in
base/adapter_config.json.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import from_pretrained
from compeer_jax.models.lora import abstract_adapted, merge_adapters, split_adapters
from compeer_jax.models.peft_files import is_adapter, read_adapter_config, save_adapters, write_adapter_config
from compeer_jax.models.source import base_directory
from compeer_jax.models.tokenizer import read_tokenizer
from compeer_jax.runs.folder import RunFolder


def keep_adapter_config(folder: RunFolder, base) -> None:
    """Notes what the adapters of a run are, and of which model (`base` is its `FrozenBase`)."""
    write_adapter_config(folder.base, base.config.lora, base.name, sees=base.model_config.family.sees)


def has_adapters(folder: RunFolder) -> bool:
    """Whether a run trains adapters."""
    return is_adapter(folder.base)


def abstract_adapters(folder: RunFolder, settings: Mapping[str, Any]) -> nnx.State:
    """The adapters of a run as `ShapeDtypeStruct`s; `settings` are the run's."""
    lora, _ = read_adapter_config(folder.base)
    _, params = abstract_adapted(
        DecoderConfig.from_json(folder.base),
        lora,
        adapter_dtype=jnp.dtype(settings["model"]["param_dtype"]),
        scan_layers=settings["model"]["scan_layers"],
    )
    return split_adapters(params)[0]


def write_adapters(folder: RunFolder, adapters: nnx.State, output: str | Path, *, beside: Iterable[Path] = ()) -> None:
    """Writes adapters as PEFT has them, with the run's tokenizer and the files `beside`."""
    lora, base = read_adapter_config(folder.base)
    sees = DecoderConfig.from_json(folder.base).family.sees
    save_adapters(output, adapters, lora, base, read_tokenizer(folder.base), sees=sees, beside=beside)


def merged_weights(folder: RunFolder, adapters: nnx.State, settings: Mapping[str, Any]) -> nnx.State:
    """Weights that compute what the adapted model does, in the host's memory and the type of the computation.

    The adapters are merged into the model's own weights, also where training kept those in fewer bits.

    Raises:
        UserError: the model that the adapters are for can't be had.
    """
    lora, _ = read_adapter_config(folder.base)
    dtype, scan_layers = jnp.dtype(settings["model"]["dtype"]), settings["model"]["scan_layers"]
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        model = from_pretrained(base_directory(folder.base), dtype=dtype, param_dtype=dtype, scan_layers=scan_layers)
        return merge_adapters(nnx.state(model, nnx.Param), jax.tree.map(np.asarray, adapters), lora.scale)
