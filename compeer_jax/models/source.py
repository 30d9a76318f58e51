"""The model that a config names: a directory, a GGUF file, or a packaged model or hub id that is fetched first."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Decoder, from_pretrained
from compeer_jax.models.gguf_file import check_magic
from compeer_jax.models.load_config import DecodeConfig
from compeer_jax.models.lora import LoRAConfig, abstract_adapted, merge_adapters, split_adapters
from compeer_jax.models.packaged import PACKAGES, packaged_directory
from compeer_jax.models.peft_files import is_adapter, load_adapters, read_adapter_config


@dataclass(frozen=True)
class ModelConfig(DecodeConfig):
    """The model to start from.

    Args:
        path: Hugging Face directory, a file in GGUF, a hub id such as Qwen/Qwen2.5-7B-Instruct, or smollm2, which pip
            fetches.
        param_dtype: type the weights are kept and updated in (float32 masters with bfloat16 compute is the safe pair).
        remat: what the backward pass computes again instead of keeping: nothing, all but products with weights
            ("dots"), all ("full"). By default dots where layers are scanned, nothing elsewhere.
        attention: which code computes it in training: what is made for the backend at hand (auto), plain XLA, the cuDNN
            kernel of NVIDIA GPUs (half precision), or the splash kernel of TPUs.
        decode_weights: generate with the projections' weights in `dtype`, or rounded to 8 bits before each rollout (one
            scale an output): half of bfloat16's bytes to read for every token. Needs qwix. CPUs gain nothing.
        lora: what is trained instead of the weights themselves.
    """

    path: str = "Qwen/Qwen2.5-7B-Instruct"
    param_dtype: Literal["float32", "bfloat16"] = "float32"
    remat: Literal["auto", "none", "dots", "full"] = "auto"
    attention: Literal["auto", "xla", "cudnn", "splash"] = "auto"
    decode_weights: Literal["dtype", "int8"] = "dtype"
    lora: LoRAConfig = field(default_factory=LoRAConfig)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of `Decoder`, types apart."""
        names = ("scan_layers", "remat", "attention", "gather", "decode_weights", "decode_cache")
        return {name: getattr(self, name) for name in names}


def model_directory(path: str) -> Path:
    """The local directory or GGUF file of `path`; one of `PACKAGES` and a hub id ("owner/name") are downloaded once.

    Raises:
        UserError: no such directory, a file of another format, and no such id can be had.
    """
    directory = Path(path).expanduser()
    if directory.is_dir():
        return directory
    if directory.exists():
        check_magic(directory)
        return directory
    if path in PACKAGES:
        return packaged_directory(path)
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


def base_directory(directory: str | Path) -> Path:
    """The directory of the whole model: of that which adapters are for, or `directory` itself.

    Raises:
        UserError: the model that the adapters name can't be had.
    """
    directory = Path(directory)
    if not is_adapter(directory):
        return directory
    base = read_adapter_config(directory)[1]
    try:
        return model_directory(base)
    except UserError as error:
        raise UserError(f"the adapters in {directory} are for {base}: {error}") from error


def base_name(path: str) -> str:
    """Name by which adapters refer to the model at `path`, or of the adapters there: hub id, or whole path."""
    directory = model_directory(path)
    if is_adapter(directory):
        return read_adapter_config(directory)[1]
    return str(directory.absolute()) if path in PACKAGES or Path(path).expanduser().exists() else path


def load_model(config: ModelConfig, mesh: Mesh | None) -> Decoder:
    """The model on `mesh`, with the types and the layout that `config` asks for; adapters are merged into it."""
    directory = model_directory(config.path)
    dtype, param_dtype = jnp.dtype(config.dtype), jnp.dtype(config.param_dtype)
    options = {"dtype": dtype, "param_dtype": param_dtype, **config.options}
    model = from_pretrained(base_directory(directory), mesh=mesh, **options)
    if not is_adapter(directory):
        return model
    lora, _ = read_adapter_config(directory)
    abstract = split_adapters(abstract_adapted(model.config, lora, **options)[1])[0]
    graphdef, params = nnx.split(model, nnx.Param)
    del model
    return nnx.merge(graphdef, merge_adapters(params, load_adapters(directory, abstract, mesh=mesh), lora.scale))


def model_shape(directory: str | Path) -> DecoderConfig:
    """The shape of the model in a directory or GGUF file, or of that which the adapters there are for."""
    return DecoderConfig.from_json(base_directory(directory))
