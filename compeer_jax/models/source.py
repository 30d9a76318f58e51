"""The model that a config names: a directory, or a hub id that is fetched first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax.numpy as jnp
from jax.sharding import Mesh

from compeer_jax.errors import UserError
from compeer_jax.models.qwen2 import Qwen2


@dataclass(frozen=True)
class ModelConfig:
    """The model to start from.

    Args:
        path: Hugging Face directory, or a hub id such as Qwen/Qwen2.5-7B-Instruct.
        dtype: type of the computation.
        param_dtype: type the weights are kept and updated in (float32 masters with bfloat16 compute is the safe pair).
        scan_layers: keep layers stacked and scan over them: flat compile time on TPU and GPU, half the speed on CPU.
        remat: what the backward pass computes again instead of keeping: nothing, all but matrix products ("dots"), all.
    """

    path: str = "Qwen/Qwen2.5-7B-Instruct"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    param_dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = False
    remat: Literal["none", "dots", "full"] = "none"


def model_directory(path: str) -> Path:
    """The local directory of `path`; a hub id ("owner/name") is downloaded, or found in the hub's cache.

    Raises:
        UserError: no such directory, and no such id can be had.
    """
    directory = Path(path).expanduser()
    if directory.is_dir():
        return directory
    parts = path.split("/")
    if len(parts) != 2 or not all(parts) or path.startswith((".", "~")):
        raise UserError(
            f"model {path!r} is no directory; give a Hugging Face directory or a hub id such as owner/name."
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.jinja", "tokenizer*"]
    try:
        return Path(snapshot_download(path, allow_patterns=patterns))
    except Exception as error:  # the hub raises many kinds: offline, gated, not found
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"model {path!r} is no directory here, and the hub gave nothing by that name ({type(error).__name__}: "
            f"{reason}); give a directory."
        ) from error


def load_model(config: ModelConfig, mesh: Mesh) -> Qwen2:
    """The model on `mesh`, with the types and the layout that `config` asks for."""
    return Qwen2.from_pretrained(
        model_directory(config.path),
        mesh=mesh,
        dtype=jnp.dtype(config.dtype),
        param_dtype=jnp.dtype(config.param_dtype),
        scan_layers=config.scan_layers,
        remat=config.remat,
    )
