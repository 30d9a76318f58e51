"""The plan of a run on a machine: whether it fits, and what bounds its speed (roofline)."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flax import nnx

from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.topologies import Chip, Topology
from compeer_jax.planning.compile_tpu import Compiled, compile_program, topology_devices
from compeer_jax.planning.counts import Counts
from compeer_jax.planning.programs import Planned, Step, grpo_step
from compeer_jax.planning.tower import TOWER
from compeer_jax.training.config import GRPOConfig

COMPUTE, MEMORY, LINKS = "compute", "memory", "links"


@dataclass(frozen=True)
class Roofline:
    """The least time that a chip can take for what it is given: each of the three alone, the longest counts.

    Attributes:
        compute: seconds of matrix products, at the chip's peak.
        memory: seconds of reading and writing its memory.
        links: seconds of receiving from other chips.
    """

    compute: float
    memory: float
    links: float

    @property
    def seconds(self) -> float:
        """The longest of the three, which could all run at once."""
        return max(self.compute, self.memory, self.links)

    @property
    def bound(self) -> str:
        """The largest of the three."""
        return max((COMPUTE, MEMORY, LINKS), key=lambda name: getattr(self, name))


def roofline(counts: Counts, chip: Chip) -> Roofline:
    """The times of these counts on a chip."""
    return Roofline(counts.flops / chip.flops, counts.bytes / chip.bandwidth, counts.received / chip.link)


@dataclass(frozen=True)
class Phase:
    """A part of a step.

    Attributes:
        name: of the program, and of the phase in it.
        counts: of a whole step.
        roofline: its times.
    """

    name: str
    counts: Counts
    roofline: Roofline


@dataclass(frozen=True)
class Plan:
    """Plan of a step on one of a machine's chips.

    Attributes:
        topology: the machine.
        mesh: sizes of its axes.
        config: the settings planned for.
        resident: bytes that lie in memory all the time, by name.
        programs: as compiled, or estimated.
        held: for each program, bytes of `resident` that are among its arguments.
        phases: of all programs, in their order.
        notes: where shapes came from, and what was assumed.
        params: the policy's weights, each with its axes and its place.
        seconds: how long planning took.
        estimated: whether the counts are closed forms instead of a compiler's.
    """

    topology: Topology
    mesh: MeshConfig
    config: GRPOConfig
    resident: dict[str, int]
    programs: tuple[Compiled, ...]
    held: tuple[int, ...]
    phases: tuple[Phase, ...]
    notes: tuple[str, ...]
    params: nnx.State
    seconds: float
    estimated: bool = False

    def peak(self, index: int) -> int:
        """Bytes in use on a chip while program `index` runs, with what lies there besides."""
        program = self.programs[index]
        beside = sum(self.resident.values()) - self.held[index]
        return beside + program.arguments + program.temporaries + program.outputs

    @property
    def highest(self) -> int:
        """The peak of all programs."""
        return max(map(self.peak, range(len(self.programs))))

    @property
    def fits(self) -> bool:
        """Whether every program fits into the chip's memory, with all that lies there besides."""
        return all(program.fits for program in self.programs) and self.highest <= self.topology.chip.hbm

    @property
    def step_seconds(self) -> float:
        """The roofline time of a step, phase after phase."""
        return sum(phase.roofline.seconds for phase in self.phases)

    @property
    def efficiency(self) -> float:
        """The share of a step's roofline time that matrix products at the chip's peak would take."""
        return sum(phase.roofline.compute for phase in self.phases) / max(self.step_seconds, 1e-12)

    @property
    def bound(self) -> str:
        """Bound of the largest share of a step's time."""
        shares = {
            name: math.fsum(phase.roofline.seconds for phase in self.phases if phase.roofline.bound == name)
            for name in (COMPUTE, MEMORY, LINKS)
        }
        return max(shares, key=shares.__getitem__)


def plan_tpu(config: GRPOConfig, topology: Topology, say: Callable[[str], None] = lambda line: None) -> Plan:
    """Compiles a step for a TPU slice.

    Args:
        config: the run.
        topology: a TPU slice.
        say: told of every program that is compiled.

    Raises:
        UserError: the TPU compiler is missing, or the mesh does not fit the slice, the weights or the outputs.
    """
    start = time.monotonic()
    mesh = make_mesh(config.mesh, topology_devices(topology))
    step = grpo_step(config, mesh)
    compiled = []
    for planned in step.programs:
        compiled.append(compile_program(planned))
        say(f"{planned.name}: compiled in {compiled[-1].seconds:.0f} s")
    return make_plan(config, topology, MeshConfig(*mesh.devices.shape), step, compiled, start)


def make_plan(
    config: GRPOConfig,
    topology: Topology,
    mesh: MeshConfig,
    step: Step,
    programs: Sequence[Compiled],
    start: float,
    *,
    estimated: bool = False,
) -> Plan:
    """A plan from what was compiled of a step's programs, or estimated, since `start`."""
    held = [_held(step, planned) for planned in step.programs]
    if step.tower is not None:
        lies = step.resident[TOWER]
        seen = Compiled(TOWER, 1, lies, step.tower.temporaries, 0, {"": step.tower.counts}, 0.0)
        programs, held = [seen, *programs], [lies, *held]
    phases = []
    for program in programs:
        for name, counts in program.phases.items():
            a_step = counts.times(program.runs)
            title = f"{program.name}: {name}" if name else program.name
            phases.append(Phase(title, a_step, roofline(a_step, topology.chip)))
    return Plan(
        topology,
        mesh,
        config,
        dict(step.resident),
        tuple(programs),
        tuple(held),
        tuple(phases),
        step.notes,
        step.params,
        time.monotonic() - start,
        estimated,
    )


def _held(step: Step, planned: Planned) -> int:
    """Bytes of what lies in memory all the time that a program is given."""
    return sum(step.resident[name] for name in planned.holds)
