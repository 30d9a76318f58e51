"""Prints one table of several kinds of run, mean ± deviation over their seeds, and draws how they went.

python scripts/recipes/summarise.py [--curves FILE.png] KIND=FOLDER ...

FOLDER holds the report.json of `compeer eval` or `compeer quickstart`, and the metrics.jsonl of a run for the picture.
A KIND that is given several times has several seeds:

    for seed in 0 1 2; do bash scripts/quickstart.sh --seed $seed; done
    python scripts/recipes/summarise.py SFT=runs/quickstart-sample-{0,1,2}/sft GRPO=runs/quickstart-sample-{0,1,2}/grpo
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.evaluation.policy_report import columns_of
from compeer_jax.report.table import NOTHING
from compeer_jax.runs.curves import plot_comparison
from compeer_jax.runs.metrics import read_metrics

CURVES = {
    "redundancy/in_group": "Redundancy within the group (cosine)",
    "redundancy/history": "Redundancy with the history (cosine)",
    "entropy": "Entropy (nats per token)",
}


def cell(values: list[float | None], form: str) -> str:
    """Mean ± standard deviation (ddof 1) in the column's format; the value alone when there is one seed."""
    if None in values:
        return NOTHING
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(np.mean(values))} ± {form.replace('+', '').format(np.std(values, ddof=1))}"


def table(kinds: dict[str, list[Path]]) -> str:
    """The reports of all kinds as Markdown; columns that no report has are left out."""
    reports = {
        kind: [json.loads((folder / "report.json").read_text(encoding="utf-8"))["report"] for folder in folders]
        for kind, folders in kinds.items()
    }
    columns = columns_of(report for seeds in reports.values() for report in seeds)
    lines = [["kind", *(heading for heading, _ in columns.values())], ["---"] + ["---:"] * len(columns)]
    for kind, seeds in reports.items():
        lines.append([kind, *(cell([report[name] for report in seeds], form) for name, (_, form) in columns.items())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="KIND=FOLDER")
    parser.add_argument("--curves", type=Path, help="PNG file: redundancy and entropy over the steps, a line a kind")
    arguments = parser.parse_args()
    kinds: dict[str, list[Path]] = {}
    for run in arguments.runs:
        kind, found, folder = run.partition("=")
        if not found:
            parser.error(f"{run!r} is not KIND=FOLDER")
        kinds.setdefault(kind, []).append(Path(folder))
    try:
        print(table(kinds))
        if arguments.curves:
            trained = {
                kind: [read_metrics(folder / "metrics.jsonl") for folder in seeds] for kind, seeds in kinds.items()
            }
            # SFT has no rollouts, so no redundancy.
            rolled = {
                kind: seeds
                for kind, seeds in trained.items()
                if all("redundancy/in_group" in rows[0] for rows in seeds)
            }
            plot_comparison(rolled, CURVES, arguments.curves)
    except (UserError, FileNotFoundError) as error:
        sys.exit(f"summarise: {error}")


if __name__ == "__main__":
    main()
