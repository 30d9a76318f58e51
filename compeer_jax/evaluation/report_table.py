"""Policy reports side by side, for the terminal and for Markdown."""

import dataclasses
from collections.abc import Mapping

from compeer_jax.evaluation.policy_report import PolicyReport

COLUMNS = {
    "format": ("format", "{:.1%}"),
    "stage": ("stage", "{:.1%}"),
    "emotion": ("emotion", "{:.1%}"),
    "strategy": ("strategy", "{:.1%}"),
    "reward": ("reward", "{:+.2f}"),
    "in_group": ("s_in", "{:.3f}"),
    "history": ("s_hi", "{:.3f}"),
    "distinct_1": ("distinct-1", "{:.3f}"),
    "distinct_2": ("distinct-2", "{:.3f}"),
    "length": ("words", "{:.1f}"),
}


def rows(reports: Mapping[str, PolicyReport]) -> list[list[str]]:
    """A row of formatted cells a report, its name first."""
    return [
        [name, *(form.format(dataclasses.asdict(report)[field]) for field, (_, form) in COLUMNS.items())]
        for name, report in reports.items()
    ]


def terminal_table(reports: Mapping[str, PolicyReport], title: str):
    """A rich table."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for heading, _ in COLUMNS.values():
        table.add_column(heading, justify="right")
    for row in rows(reports):
        table.add_row(*row)
    return table


def markdown_table(reports: Mapping[str, PolicyReport]) -> str:
    """The same in Markdown."""
    headings = ["model", *(heading for heading, _ in COLUMNS.values())]
    lines = [headings, ["---"] + ["---:"] * len(COLUMNS), *rows(reports)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
