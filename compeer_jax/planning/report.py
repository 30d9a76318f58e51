"""Output of a plan: tables for people, JSON for programs."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from compeer_jax.planning.explain import Place
from compeer_jax.planning.plan import Phase, Plan
from compeer_jax.report.table import Table, print_tables

GIB = 2**30


def show(plan: Plan, console: Any) -> None:
    """Prints a plan on a rich console."""
    chip = plan.topology.chip
    how = "estimated by closed forms, no compiler" if plan.estimated else "compiled"
    console.print(
        f"{plan.topology.name}: {plan.topology.devices} chips with {chip.hbm / GIB:.2f} GiB each; mesh {plan.mesh}; "
        f"{how} in {plan.seconds:.0f} s",
        highlight=False,
    )
    for note in plan.notes:
        console.print(f"  {note}", highlight=False)
    print_tables([_memory(plan), _speed(plan)], console)
    console.print(summary(plan), highlight=False)


def summary(plan: Plan) -> str:
    """The plan in a sentence or two."""
    chip = plan.topology.chip
    peak = f"{plan.highest / GIB:.2f} of {chip.hbm / GIB:.2f} GiB a chip"
    if not plan.fits:
        return f"Does not fit: {peak}."
    return (
        f"Fits: {peak}. A step of {plan.config.prompts_per_step * plan.config.group_size} outputs takes at least "
        f"{plan.step_seconds:.1f} s by the roofline, mostly bound by {plan.bound}; matrix products alone would take "
        f"{plan.efficiency:.0%} of that."
    )


def as_json(plan: Plan, places: Iterable[Place] = ()) -> dict[str, Any]:
    """The plan as plain values; bytes, operations and seconds are per chip and step."""
    chip = plan.topology.chip
    return {
        "topology": plan.topology.name,
        "devices": plan.topology.devices,
        "mesh": dict(zip(("data", "fsdp", "tensor"), plan.mesh.sizes, strict=True)),
        "gradient_accumulation": plan.config.gradient_accumulation,
        "remat": plan.config.model.remat,
        "gather": plan.config.model.gather,
        "estimated": plan.estimated,
        "fits": plan.fits,
        "hbm_bytes": chip.hbm,
        "peak_bytes": plan.highest,
        "resident_bytes": plan.resident,
        "step_seconds": plan.step_seconds if plan.fits else None,
        "efficiency": plan.efficiency if plan.fits else None,
        "bound": plan.bound if plan.fits else None,
        "planning_seconds": plan.seconds,
        "notes": list(plan.notes),
        "programs": [
            {
                "name": program.name,
                "runs": program.runs,
                "fits": program.fits,
                "argument_bytes": program.arguments,
                "temporary_bytes": program.temporaries,
                "output_bytes": program.outputs,
                "peak_bytes": plan.peak(index),
                "compile_seconds": program.seconds,
            }
            for index, program in enumerate(plan.programs)
        ],
        "phases": [_phase_json(phase) for phase in plan.phases],
        "weights": [dataclasses.asdict(place) | {"warning": place.warning} for place in places],
    }


def _phase_json(phase: Phase) -> dict[str, Any]:
    times: Mapping[str, float] = dataclasses.asdict(phase.roofline)
    return {
        "name": phase.name,
        "flops": phase.counts.flops,
        "memory_bytes": phase.counts.bytes,
        "collectives": {kind: dataclasses.asdict(traffic) for kind, traffic in phase.counts.collectives.items()},
        "seconds": {**times, "roofline": phase.roofline.seconds},
        "bound": phase.roofline.bound,
    }


def _memory(plan: Plan) -> Table:
    headings = ["program", "arguments", "temporaries", "outputs", "beside", "peak", "of HBM"]
    everything = sum(plan.resident.values())
    rows = []
    for index, program in enumerate(plan.programs):
        peak = plan.peak(index)
        sizes = (program.arguments, program.temporaries, program.outputs, everything - plan.held[index], peak)
        share = f"{peak / plan.topology.chip.hbm:.0%}" if program.fits else "does not fit"
        rows.append([program.name, *(f"{size / GIB:.2f}" for size in sizes), share])
    return Table("memory of a chip, GiB", headings, rows)


def _speed(plan: Plan) -> Table:
    headings = ["phase", "TFLOP", "memory GB", "links GB", "collectives", "compute s", "memory s", "links s", "bound"]
    rows = []
    for phase in plan.phases:
        counts, times = phase.counts, phase.roofline
        kinds = sorted(counts.collectives.items(), key=lambda item: -item[1].bytes)
        rows.append(
            [
                phase.name,
                f"{counts.flops / 1e12:,.1f}",
                f"{counts.bytes / 1e9:,.1f}",
                f"{counts.received / 1e9:,.1f}",
                "\n".join(f"{kind} {moved.bytes / 1e9:,.1f} ({moved.calls:,.0f})" for kind, moved in kinds) or "none",
                *(f"{seconds:,.2f}" for seconds in (times.compute, times.memory, times.links)),
                times.bound,
            ]
        )
    return Table("a step of a chip", headings, rows)


def show_places(places: Iterable[Place], console: Any) -> None:
    """Prints where each weight lives, and warns of what is large and everywhere."""
    places = list(places)
    rows = [
        [
            place.name,
            "x".join(map(str, place.shape)),
            " ".join(axis or "-" for axis in place.axes),
            ", ".join(f"{axis}: {over}" for axis, over in zip(place.axes, place.split, strict=True) if over)
            or "nothing",
            f"{place.bytes / 2**20:,.1f}",
            str(place.copies),
        ]
        for place in places
    ]
    warnings = [f"Warning: {place.warning}" for place in places if place.warning]
    headings = ["weight", "shape", "axes", "split over", "MiB a chip", "copies"]
    print_tables([Table("weights", headings, rows, warnings)], console)


def show_ranking(plans: Iterable[Plan], console: Any) -> None:
    """Prints plans, the fastest that fits first."""
    rows = [
        [
            str(plan.mesh),
            str(plan.config.gradient_accumulation),
            plan.config.model.remat,
            "once" if plan.config.model.gather else "",
            f"{plan.highest / GIB:.2f}",
            f"{plan.step_seconds:.1f}" if plan.fits else "does not fit",
            plan.bound if plan.fits else "",
            "estimated" if plan.estimated else f"compiled in {plan.seconds:.0f} s",
        ]
        for plan in plans
    ]
    headings = ["mesh", "parts", "remat", "gather", "peak GiB", "step s", "bound by", "planned"]
    print_tables([Table("what fits, fastest first", headings, rows)], console)
