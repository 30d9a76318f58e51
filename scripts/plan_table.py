"""Plans one recipe for growing TPU slices, and shows where it stops scaling.

python scripts/plan_table.py [--config configs/qwen2.5-7b_grpo.yaml] [--models 7B 32B] [--topologies v5e:4x4 …]
                             [--rows plan_table.jsonl] [--compiles 1]

For each model and slice every mesh, number of parts and remat policy is estimated, with and without `gather`, and the
most promising ones are compiled with the TPU compiler, minutes each (`--compiles 0`: none); the fastest that fits makes
a row. Rows are kept in a file as they come: the same command goes on where it stopped, and prints the table of all.

The policy and its judge are of the same size. A step draws the recipe's outputs whatever the slice, so this is strong
scaling: "speed-up" is how many times faster the step is than on the smallest slice that the model fits, and "of chips"
that divided by how many times more chips it takes.
"""

import argparse
import json
from pathlib import Path

import jax

from compeer_jax.cli.configure import parse_config
from compeer_jax.errors import UserError
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.config import PlanConfig
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
    parser.add_argument("--compiles", type=int, default=1)
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    for model in options.models:
        for name in options.topologies:
            if any((row["model"], row["topology"]) == (model, name) for row in rows):
                continue
            row = {"model": model, "topology": name, **best(options.config, model, name, options.compiles)}
            with options.rows.open("a") as file:
                print(json.dumps(row), file=file)
            rows.append(row)
    print(table(rows))


def best(config_file: str, model: str, topology: str, compiles: int) -> dict:
    """The fastest plan that fits, as `compeer plan --json` gives it; where nothing fits, the nearest."""
    path = f"Qwen/Qwen2.5-{model}-Instruct"
    settings = [f"--topology={topology}", f"--model.path={path}", f"--reward.models.unifi={path}"]
    settings += [f"--search_compiles={compiles}", "--search_minutes=600"]
    config = parse_config(PlanConfig, ["--config", config_file, *settings], command="plan", description="")
    try:
        return as_json(search(config, parse_topology(topology), print)[0])
    except UserError as error:
        print(error)
        return {"fits": False, "mesh": {}, "peak_bytes": None, "phases": [], "devices": 0, "planning_seconds": 0.0}


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
