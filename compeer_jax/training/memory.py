"""Memory of a run on CPUs: what its state and its programs take, beside what this machine has left for it."""

from collections.abc import Iterator
from pathlib import Path

import jax

from compeer_jax.errors import UserError

LESS = "raise gradient_accumulation, lower batch_size or row_tokens, or train adapters (model.lora.rank)"
MOMENTS = 2 * 4  # bytes a weight that learns, in AdamW


def left_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What this process may still take: of the machine, and of its control groups, version 1 or 2; None: not known.

    Args:
        proc: where the kernel tells of the machine.
        cgroups: where it tells of control groups.
    """
    try:
        fields = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        left = [int(fields["MemAvailable"].split()[0]) * 1024]
    except (OSError, KeyError, ValueError):
        left = []
    left += [max(0, limit - used) for limit, used in _limits(proc, cgroups)]
    return min(left, default=None)


def _limits(proc: Path, cgroups: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of each control group that this process is in; files in the page cache are not counted as used."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = cgroups / "memory" if controllers else cgroups
        names = ("limit_in_bytes", "usage_in_bytes") if controllers else ("max", "current")
        folder = root / path.lstrip("/")
        for group in (folder, *(parent for parent in folder.parents if parent.is_relative_to(root))):
            try:
                limit, used = (int((group / f"memory.{name}").read_text()) for name in names)
                stat = dict(one.split() for one in (group / "memory.stat").read_text().splitlines())
                yield limit, used - int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            except (OSError, ValueError):  # no such group here, or "max"
                continue


def check_state(weights: int, width: int) -> None:
    """Raises UserError where so many weights that learn, and their moments, don't fit.

    Args:
        weights: how many.
        width: bytes that each is kept in.
    """
    _check(weights * (width + MOMENTS), "What the optimiser updates", "take a smaller model or train adapters")


def program_bytes(compiled: jax.stages.Compiled) -> int | None:
    """What a program takes beside what it is given; None where the compiler doesn't say."""
    memory = compiled.memory_analysis()
    if memory is None:
        return None
    return memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes


def check_program(bytes_: int, what: str) -> None:
    """Raises UserError where a program that takes so many bytes doesn't fit beside what lies in memory already."""
    _check(bytes_, what, LESS)


def gigabytes(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.1f} GB"


def _check(needed: int, what: str, mend: str) -> None:
    left = left_bytes()
    if left is not None and needed > left:
        raise UserError(
            f"{what} needs {gigabytes(needed)} of memory and this machine has {gigabytes(left)} left: {mend}."
        )
