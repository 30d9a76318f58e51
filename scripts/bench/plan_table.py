"""Plans one recipe for growing TPU slices, and shows where it stops scaling.

python scripts/bench/plan_table.py [--config configs/qwen2.5-7b_grpo.yaml] [--models 7B 32B] [--topologies v5e:4x4 …]
                             [--rows plan_table.jsonl] [--compiles 0]

For each model and slice every mesh, number of parts and remat policy is estimated, with and without `gather`; the
fastest that fits by closed forms makes a row. With `--compiles N` the TPU compiler takes the fastest by estimate, some
minutes each, then the next, at most N, until one fits by its account. What was planned is kept in a file as it comes:
the same command goes on where it stopped, and prints the table of all that is there, by estimate or compiled.

The policy and its judge are of the same size. A step draws the recipe's outputs whatever the slice, so this is strong
scaling: "speed-up" is how many times faster the step is than on the smallest slice that the model fits, and "of chips"
that divided by how many times more chips it takes.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import jax

from compeer_jax.cli.configure import parse_config
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.config import PlanConfig
from compeer_jax.planning.plan import plan_tpu
from compeer_jax.planning.report import GIB, as_json
from compeer_jax.planning.search import search

SLICES = ("v5e:4x4", "v5e:4x8", "v5e:8x8", "v5e:8x16", "v5e:16x16")
SLICES += ("v5p:2x4x4", "v5p:4x4x4", "v5p:4x4x8", "v5p:4x8x8")  # sold as v5p-64, -128, -256 and -512, by cores
STOPS = 0.5  # a slice on which half of the added chips are lost is past the point where the recipe scales


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/qwen2.5-7b_grpo.yaml")
    parser.add_argument("--models", nargs="+", default=["7B", "32B"])
    parser.add_argument("--topologies", nargs="+", default=SLICES)
    parser.add_argument("--rows", type=Path, default=Path("plan_table.jsonl"))
    parser.add_argument("--compiles", type=int, default=0)
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    kept = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    kept = [row for row in kept if row["estimated"] == (options.compiles == 0)]
    for model, topology in product(options.models, options.topologies):
        tried = [row for row in kept if (row["model"], row["topology"]) == (model, topology)]
        for row in plan_slice(options.config, model, topology, options.compiles, tried):
            kept.append({"model": model, "topology": topology, **row})
            with options.rows.open("a") as file:
                print(json.dumps(kept[-1]), file=file)
    print(table(chosen(kept)))


def chosen(kept: list[dict]) -> list[dict]:
    """For each model and slice what fits of all that was tried, models as they came and the smallest slice first."""
    tried: dict[tuple[str, str], list[dict]] = {}
    for row in kept:
        tried.setdefault((row["model"], row["topology"]), []).append(row)
    models = list(dict.fromkeys(row["model"] for row in kept))
    rows = [next((row for row in of_slice if row["fits"]), of_slice[0]) for of_slice in tried.values()]
    return sorted(rows, key=lambda row: (models.index(row["model"]), row["topology"].partition(":")[0], row["devices"]))


def plan_slice(config_file: str, model: str, topology: str, compiles: int, before: list[dict]) -> Iterator[dict]:
    """Plans for a slice, as `compeer plan --json` gives them, the last of which fits, if any does.

    Args:
        compiles: how many to compile at most; with 0 it is the fastest by estimate.
        before: those of an earlier call.
    """
    if any(row["fits"] for row in before) or len(before) >= max(1, compiles):
        return
    path = f"Qwen/Qwen2.5-{model}-Instruct"
    settings = [f"--topology={topology}", f"--model.path={path}", f"--reward.models.unifi={path}"]
    config = parse_config(
        PlanConfig, ["--config", config_file, *settings, "--search_compiles=0"], command="plan", description=""
    )
    machine = parse_topology(topology)
    estimates = search(config, machine, lambda line: print(f"{model} on {topology}: {line}"))
    if not compiles:
        yield as_json(estimates[0])
        return
    for estimate in estimates[len(before) : compiles]:
        print(f"mesh {estimate.mesh}, {estimate.config.gradient_accumulation} parts, {estimate.config.model.remat}")
        plan = plan_tpu(estimate.config, machine, print)
        yield as_json(plan)
        if plan.fits:
            return


def table(rows: list[dict]) -> str:
    """Markdown, with the speed-up over the first slice that each model fits on each kind of chip."""
    lines = [
        "| model | slice | chips | mesh | parts | remat | gather | GiB a chip | links GB | step s | efficiency "
        "| bound by | speed-up | of chips | planned in |",
        "| --- | --- | ---: | --- | ---: | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    first: dict[tuple[str, str], dict] = {}
    stopped: set[tuple[str, str]] = set()
    notes = []
    for row in rows:
        if not row["fits"]:
            lines.append(f"| {row['model']} | {row['topology']} | does not fit |" + " |" * 12)
            continue
        kind = (row["model"], row["topology"].partition(":")[0])
        base = first.setdefault(kind, row)
        faster = base["step_seconds"] / row["step_seconds"]
        share = faster * base["devices"] / row["devices"]
        mesh = " x ".join(f"{axis} {size}" for axis, size in row["mesh"].items() if size > 1)
        links = sum(moved["bytes"] for phase in row["phases"] for moved in phase["collectives"].values())
        cells = [row["model"], row["topology"], str(row["devices"]), mesh, str(row["gradient_accumulation"])]
        cells += [
            row["remat"],
            "once" if row["gather"] else "",
            f"{row['peak_bytes'] / GIB:.1f} of {row['hbm_bytes'] / GIB:.1f}",
            f"{links / 1e9:,.0f}",
        ]
        cells += [f"{row['step_seconds']:.1f}", f"{row['efficiency']:.1%}", row["bound"], f"{faster:.2f}"]
        planned = "estimated" if row["estimated"] else f"{row['planning_seconds']:.0f} s"
        lines.append("| " + " | ".join([*cells, f"{share:.0%}", planned]) + " |")
        if share < STOPS and kind not in stopped:
            stopped.add(kind)
            slowest = max(row["phases"], key=lambda phase: phase["seconds"]["roofline"])
            notes.append(
                f"{row['model']} on {kind[1]} stops scaling at {row['topology']}: {slowest['name']} takes "
                f"{slowest['seconds']['roofline'] / row['step_seconds']:.0%} of the step, bound by {slowest['bound']}."
            )
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    main()
