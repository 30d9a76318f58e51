"""Machines that can be named: chips with their published figures, and how many of them stand together in what shape."""

import difflib
import math
import re
from dataclasses import dataclass
from typing import Literal

from compeer_jax.errors import UserError, unknown

GIB = 2**30


@dataclass(frozen=True)
class Chip:
    """One accelerator, by its maker's figures.

    Attributes:
        name: as in a topology.
        kind: whose compiler builds programs for it.
        hbm: bytes of memory that programs can use.
        flops: bfloat16 operations a second of its matrix units, dense.
        bandwidth: bytes a second between it and its memory.
        link: bytes a second that it can receive from its neighbours, over all links together.
        shapes: slices that can be had, for a TPU.
    """

    name: str
    kind: Literal["tpu", "gpu"]
    hbm: int
    flops: float
    bandwidth: float
    link: float
    shapes: tuple[str, ...] = ()


_PLANE = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_SPACE = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16", "16x16x16")

# TPUs: https://cloud.google.com/tpu/docs/v5e, /v5p and /v6e; the figure for links there counts both directions, so half
# of it is what a chip receives. Usable memory is what the compiler says it may fill: 0.25 GiB of a v5e's 16 GiB and
# 0.75 of a v6e's 32 are the system's own.
# GPUs: https://www.nvidia.com/en-us/data-center/a100, /h100 and /h200 (SXM, dense bfloat16; NVLink, one direction);
# 1 GiB is left to the driver and the libraries.
CHIPS: dict[str, Chip] = {
    chip.name: chip
    for chip in (
        Chip("v5e", "tpu", int(15.75 * GIB), 197e12, 819e9, 200e9, _PLANE),
        Chip("v5p", "tpu", int(95.74 * GIB), 459e12, 2765e9, 600e9, _SPACE),
        Chip("v6e", "tpu", int(31.25 * GIB), 918e12, 1640e9, 400e9, _PLANE),
        Chip("A100-40G", "gpu", 39 * GIB, 312e12, 1555e9, 300e9),
        Chip("A100-80G", "gpu", 79 * GIB, 312e12, 2039e9, 300e9),
        Chip("H100-80G", "gpu", 79 * GIB, 989e12, 3350e9, 450e9),
        Chip("H200-141G", "gpu", 140 * GIB, 989e12, 4800e9, 450e9),
    )
}


@dataclass(frozen=True)
class Topology:
    """So many chips of one kind, standing together.

    Attributes:
        name: "v5e:8x8", or "gpu:8xH100-80G".
        chip: what each of them is.
        devices: how many there are.
    """

    name: str
    chip: Chip
    devices: int


def parse_topology(name: str) -> Topology:
    """The topology of a name: "v5e:8x8" for a TPU slice, "gpu:8xH100-80G" for a machine with GPUs.

    Raises:
        UserError: there is no such topology; the sentence lists the near ones.
    """
    kind, _, shape = name.partition(":")
    if kind == "gpu":
        return _gpus(name, shape)
    tpus = [chip.name for chip in CHIPS.values() if chip.kind == "tpu"]
    if kind not in tpus:
        raise unknown("topology", name, [*(f"{chip}:{CHIPS[chip].shapes[5]}" for chip in tpus), "gpu:8xH100-80G"])
    chip = CHIPS[kind]
    if shape not in chip.shapes:
        raise UserError(f"There is no topology {name!r}; near ones are {', '.join(_near(shape, chip))}.")
    return Topology(name, chip, _chips(shape))


def _gpus(name: str, shape: str) -> Topology:
    found = re.fullmatch(r"([1-9]\d*)x(.+)", shape)
    gpus = [chip.name for chip in CHIPS.values() if chip.kind == "gpu"]
    if found is None:
        raise UserError(f"The topology {name!r} does not say how many of which GPU; write it as gpu:8xH100-80G.")
    if found[2] not in gpus:
        raise unknown("GPU", found[2], gpus, where=name)
    return Topology(name, CHIPS[found[2]], int(found[1]))


def _near(shape: str, chip: Chip) -> list[str]:
    """The three slices of the nearest number of chips; or those that are spelt most alike."""
    if re.fullmatch(r"\d+(x\d+)*", shape):
        wanted = max(1, _chips(shape))
        shapes = sorted(chip.shapes, key=lambda known: abs(math.log(_chips(known) / wanted)))[:3]
    else:
        shapes = difflib.get_close_matches(shape, chip.shapes, n=3, cutoff=0.0)
    return [f"{chip.name}:{known}" for known in shapes]


def _chips(shape: str) -> int:
    return math.prod(map(int, shape.split("x")))
