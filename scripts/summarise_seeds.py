"""Prints the mean and the seed-to-seed deviation of several quickstarts' tables, as Markdown.

python scripts/summarise_seeds.py runs/quickstart-sample-0 runs/quickstart-sample-1 runs/quickstart-sample-2
"""

import json
import sys
from pathlib import Path

import numpy as np

from compeer_jax.evaluation.report_table import COLUMNS

STAGES = {"SFT": "sft", "GRPO": "grpo", "GRPO, reweighted": "grpo_reweighted"}


def reports(folders: list[Path], stage: str) -> list[dict[str, float]]:
    """One stage's report of every quickstart."""
    return [json.loads((folder / stage / "report.json").read_text())["report"] for folder in folders]


def cell(values: list[float], form: str) -> str:
    """Mean ± standard deviation (ddof 1), in the column's format."""
    return f"{form.format(np.mean(values))} ± {form.replace('+', '').format(np.std(values, ddof=1))}"


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    if len(folders) < 2:
        sys.exit("Give the folders of at least two quickstarts that differ in their seed.")
    columns = {name: COLUMNS[name] for name in ("format", "stage", "strategy", "reward", "in_group", "distinct_2")}
    print("| model | " + " | ".join(heading for heading, _ in columns.values()) + " | gain in reward, each seed |")
    print("| --- |" + " ---: |" * (len(columns) + 1))
    start = [report["reward"] for report in reports(folders, STAGES["SFT"])]
    for name, stage in STAGES.items():
        found = reports(folders, stage)
        cells = [cell([report[column] for report in found], form) for column, (_, form) in columns.items()]
        gains = [report["reward"] - before for report, before in zip(found, start, strict=True)]
        shown = "" if stage == "sft" else ", ".join(f"{gain:+.2f}" for gain in gains)
        print(f"| {name} | " + " | ".join(cells) + f" | {shown} |")


if __name__ == "__main__":
    main()
