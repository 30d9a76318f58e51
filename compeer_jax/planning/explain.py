"""Placement of weights: their logical axes, how the mesh splits them, and what every chip holds of them."""

import math
from dataclasses import dataclass

import jax
from flax import nnx

from compeer_jax.planning.abstract_run import device_bytes

LARGE = 64 * 2**20  # bytes; less than that may well be on every chip


@dataclass(frozen=True)
class Place:
    """One weight.

    Attributes:
        name: its path in the model.
        shape: the whole of it.
        axes: the logical name of each dimension.
        split: the mesh axes that each dimension is split over.
        bytes: what a chip holds of it.
        copies: how many chips hold the same part.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str | None, ...]
    split: tuple[str, ...]
    bytes: int
    copies: int

    @property
    def warning(self) -> str:
        """A sentence where a large weight is whole on every one of several chips, else ""."""
        if self.copies == 1 or self.bytes < LARGE or any(self.split):
            return ""
        return (
            f"{self.name} {list(self.shape)} lies whole on each of {self.copies} chips, {self.bytes / 2**20:,.0f} MiB "
            "a chip: give the mesh an fsdp or tensor axis, or its axes a rule that splits them."
        )


def explain(params: nnx.State) -> list[Place]:
    """The place of every weight of a placed tree, from `abstract_run.abstract_model`."""
    places = []
    for path, param in nnx.to_flat_state(params):
        sharding = param.get_value().sharding
        entries = (*sharding.spec, *(None,) * (len(param.shape) - len(sharding.spec)))
        split = tuple(_names(entry, sharding.mesh) for entry in entries)
        part = math.prod(sharding.shard_shape(param.shape))
        copies = sharding.mesh.size * part // math.prod(param.shape)
        leaf = jax.ShapeDtypeStruct(param.shape, param.dtype, sharding=sharding)
        name = ".".join(map(str, path))
        places.append(Place(name, param.shape, param.axes, split, device_bytes([leaf]), copies))
    return places


def _names(entry: str | tuple[str, ...] | None, mesh: jax.sharding.Mesh) -> str:
    """The mesh axes of more than one chip that a dimension is split over."""
    axes = () if entry is None else (entry,) if isinstance(entry, str) else entry
    return " x ".join(f"{axis}={mesh.shape[axis]}" for axis in axes if mesh.shape[axis] > 1)
