"""Settings of loading a model, declared once for all settings that name one."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LoadConfig:
    """How a model is loaded.

    Args:
        dtype: type of the computation, and of weights that nothing learns.
        scan_layers: keep layers stacked and loop over them, so that compile time and memory don't grow with depth; few
            layers are faster on CPU without. By default from 16 layers on.
    """

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    scan_layers: bool | Literal["auto"] = "auto"


@dataclass(frozen=True, kw_only=True)
class DecodeConfig(LoadConfig):
    """How a model is loaded that generates beside training.

    Args:
        gather: generate with weights that are whole on every `fsdp` shard, gathered once a rollout instead of for every
            token; they take the room of a copy in `dtype` there (7B in bfloat16: 15 GB over `mesh.tensor`).
        decode_cache: keep keys and values in `dtype`, or in 8 bits with a scale for each token and head: half the
            memory, for more or longer outputs at once. CPUs gain nothing else.
    """

    gather: bool = False
    decode_cache: Literal["dtype", "int8"] = "dtype"
