"""Compilation for TPUs on a machine without any, and what the compiler says of a program."""

import math
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax

from compeer_jax.errors import UserError
from compeer_jax.parallel.libtpu import calm
from compeer_jax.parallel.topologies import Topology
from compeer_jax.planning.counts import Counts, count
from compeer_jax.planning.hlo import parse
from compeer_jax.planning.programs import Planned


@dataclass(frozen=True)
class Compiled:
    """Compiler's figures of a program, for each device.

    Attributes:
        name: of the program.
        runs: how often it runs in a step.
        arguments, temporaries, outputs: bytes; outputs without those that take an argument's place.
        phases: what it does, by phase; nothing where it doesn't fit.
        seconds: how long it took to trace and compile.
        fits: False where the compiler gave up for lack of memory; `temporaries` is then what it would have needed.
    """

    name: str
    runs: float
    arguments: int
    temporaries: int
    outputs: int
    phases: dict[str, Counts]
    seconds: float
    fits: bool = True


def topology_devices(topology: Topology) -> list[jax.Device]:
    """The devices of a TPU slice, which can be compiled for and not computed on.

    Raises:
        UserError: libtpu, which holds the compiler, is not installed, or does not know the slice.
    """
    calm()
    try:
        import libtpu  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Planning for {topology.name} needs the TPU compiler, which libtpu holds: pip install 'compeer_jax[plan]'."
        ) from error
    from jax.experimental import topologies

    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology.name)
    except Exception as error:  # the plugin raises errors of many kinds
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The TPU compiler does not take {topology.name} ({reason}); name another topology.") from error
    return list(found.devices)


def compile_program(planned: Planned) -> Compiled:
    """Compiles one program and reads what the compiler says of it."""
    start = time.monotonic()
    try:
        with jax.set_mesh(planned.mesh), uncached():
            compiled, text = _compile(planned)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        used = _used(str(error))
        return Compiled(planned.name, planned.runs, 0, used, 0, {}, time.monotonic() - start, fits=False)
    memory = compiled.memory_analysis()
    phases = count(parse(text), planned.loops)
    named = {phase or planned.rest: counts for phase, counts in phases.items()}
    return Compiled(
        planned.name,
        planned.runs,
        memory.argument_size_in_bytes,
        memory.temp_size_in_bytes + memory.generated_code_size_in_bytes,
        max(0, memory.output_size_in_bytes - memory.alias_size_in_bytes),
        named,
        time.monotonic() - start,
    )


def _compile(planned: Planned) -> tuple[jax.stages.Compiled, str]:
    """The compiled program and its text.

    The TPU compiler writes the text itself: JAX's own reader of its programs may be older than they are.
    """
    lowered = planned.lower()
    if planned.mesh.devices.flat[0].platform != "tpu":
        compiled = lowered.compile()
        return compiled, compiled.as_text()
    with tempfile.TemporaryDirectory() as folder:
        compiled = lowered.compile(compiler_options={"xla_dump_to": folder, "xla_dump_hlo_as_text": True})
        (path,) = Path(folder).glob("*.after_optimizations.txt")
        return compiled, path.read_text(encoding="utf-8", errors="replace")


@contextmanager
def uncached() -> Iterator[None]:
    """Writes nothing to JAX's compilation cache on disk, which can't read programs for absent devices again."""
    least = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    try:
        yield
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)


def _used(error: str) -> int:
    """The memory that a program would have needed, from "Used 20.50G of 15.75G hbm" or "HLO temporaries (18.50G)
    exceeds available HBM (15.75G)"; 0 where that is not said.
    """
    found = re.search(r"([\d.]+)([KMGT]?)\)? (?:of [\d.]+[KMGT]? hbm|exceeds available HBM)", error)
    return 0 if found is None else int(float(found[1]) * 2 ** (10 * " KMGT".index(found[2] or " ")))
