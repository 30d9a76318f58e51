"""The device mesh: three named axes over which data, weights and heads are split.

- `data`: each slice sees other rows of the batch and holds a full copy of the weights.
- `fsdp`: each slice sees other rows of the batch and holds a share of the weights (gathered layer by layer).
- `tensor`: slices share the rows and split heads, feed-forward and vocabulary.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax.experimental.mesh_utils import create_device_mesh
from jax.sharding import AxisType, Mesh

from compeer_jax.errors import UserError

AXES = ("data", "fsdp", "tensor")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeshConfig:
    """Sizes of the mesh axes; -1 on one of them means "all devices that the others leave".

    Args:
        data: devices over which the batch is split, each with a whole copy of the weights.
        fsdp: devices over which the batch and the weights are split; weights are gathered layer by layer.
        tensor: devices over which heads, feed-forward and vocabulary are split.
    """

    data: int = 1
    fsdp: int = 1
    tensor: int = 1

    def __post_init__(self):
        for name, size in zip(AXES, self.sizes, strict=True):
            if isinstance(size, bool) or not isinstance(size, int) or (size < 1 and size != -1):
                raise UserError(
                    f"mesh.{name} is {size!r}; it must be a whole number of devices from 1, or -1 for the rest."
                )
        if self.sizes.count(-1) > 1:
            raise UserError(f"The mesh {self} has -1 on more than one axis; give all axes but one a size.")

    def __str__(self) -> str:
        return " x ".join(f"{name}={size}" for name, size in zip(AXES, self.sizes, strict=True))

    @property
    def sizes(self) -> tuple[int, int, int]:
        return (self.data, self.fsdp, self.tensor)

    def resolve(self, devices: int) -> tuple[int, int, int]:
        """The three sizes with -1 filled in for this number of devices.

        Raises:
            UserError: the sizes do not divide the devices, or ask for more than there are.
        """
        known = math.prod(size for size in self.sizes if size != -1)
        if -1 in self.sizes:
            if devices % known:
                raise UserError(
                    f"The mesh {self} does not divide the {devices} devices at hand: "
                    f"its fixed axes take {known}, which must be a divisor of {devices}."
                )
            return tuple(devices // known if size == -1 else size for size in self.sizes)
        if known > devices:
            raise UserError(
                f"The mesh {self} needs {known} devices and there {'is' if devices == 1 else 'are'} {devices}; "
                f"make its sizes multiply to at most {devices}."
            )
        return self.sizes


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Lay devices out as a mesh with the axes `data`, `fsdp` and `tensor` (all of type Auto).

    A mesh smaller than the machine takes the first devices and says so in the log; with several processes the first of
    each process, since each has to own a part of each array.

    Args:
        config: the sizes.
        devices: what to lay out; all devices of all processes when None.

    Raises:
        UserError: the sizes do not fit the devices; the sentence names both.
    """
    devices = list(jax.devices() if devices is None else devices)
    sizes = config.resolve(len(devices))
    used = math.prod(sizes)
    if used < len(devices):
        log.warning(
            "The mesh %s uses %d of %d devices; set one of its axes to -1 to use all.", config, used, len(devices)
        )
        devices = share_of_each_process(devices, used, f"The mesh {config}")
    types = (AxisType.Auto,) * len(AXES)
    if used == 1:  # a topology-aware layout has nothing to choose
        return Mesh(np.array(devices).reshape(sizes), AXES, axis_types=types)
    # As `jax.make_mesh` does it; but it refuses axes of which a TPU's torus would have to split one of its own.
    laid_out = create_device_mesh(sizes, devices, allow_split_physical_axes=True)
    return Mesh(laid_out, AXES, axis_types=types)


def share_of_each_process(
    devices: Sequence[jax.Device], count: int, what: str, *, last: bool = False
) -> list[jax.Device]:
    """The first (or the last) of each process's devices, `count` in all.

    Args:
        devices: of all processes, as many of each.
        count: at most their number.
        what: takes them, for the error.
        last: take the last ones instead.

    Raises:
        UserError: the processes don't share `count` equally.
    """
    processes: dict[int, list[jax.Device]] = {}
    for device in devices:
        processes.setdefault(device.process_index, []).append(device)
    each, left = divmod(count, len(processes))
    if left:
        raise UserError(
            f"{what} uses {count} of {len(devices)} devices, which {len(processes)} processes can't share equally; "
            f"take a multiple of {len(processes)}, so that each process owns a part of every array."
        )
    return [device for own in processes.values() for device in (own[-each:] if last else own[:each])]


def platform() -> str:
    """The kind of machine that a program is for: "cpu", "gpu" or "tpu".

    It is that of the current mesh (`jax.set_mesh`), whose devices may be absent, else JAX's default.

    Code that chooses by platform asks here rather than `jax.default_backend`, so that `compeer plan` compiles for a
    pod what the pod will run.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else device.platform
