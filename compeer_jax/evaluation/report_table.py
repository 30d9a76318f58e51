"""Policy reports side by side, for the terminal and for Markdown."""

import dataclasses
from collections.abc import Iterable, Mapping

from compeer_jax.evaluation.policy_report import PolicyReport

COLUMNS = {
    "format": ("format", "{:.1%}"),
    "stage": ("stage", "{:.1%}"),
    "emotion": ("emotion", "{:.1%}"),
    "strategy": ("strategy", "{:.1%}"),
    "judge": ("judge", "{:+.2f}"),
    "rules": ("rules", "{:+.2f}"),
    "in_group": ("s_in", "{:.3f}"),
    "history": ("s_hi", "{:.3f}"),
    "self_bleu": ("self-BLEU", "{:.3f}"),
    "distinct_1": ("distinct-1", "{:.3f}"),
    "distinct_2": ("distinct-2", "{:.3f}"),
    "entropy": ("entropy", "{:.2f}"),
    "length": ("words", "{:.1f}"),
}


NOTHING = "–"


def columns_of(reports: Iterable[Mapping[str, float | None]]) -> dict[str, tuple[str, str]]:
    """The columns that any report has a number for."""
    reports = list(reports)
    return {field: shown for field, shown in COLUMNS.items() if any(report[field] is not None for report in reports)}


def rows(reports: Mapping[str, PolicyReport]) -> list[list[str]]:
    """The headings, then a row of formatted cells a report, its name first."""
    values = {name: dataclasses.asdict(report) for name, report in reports.items()}
    columns = columns_of(values.values())
    return [
        ["model", *(heading for heading, _ in columns.values())],
        *([name, *(_cell(row[field], form) for field, (_, form) in columns.items())] for name, row in values.items()),
    ]


def _cell(value: float | None, form: str) -> str:
    return NOTHING if value is None else form.format(value)


def terminal_table(reports: Mapping[str, PolicyReport], title: str):
    """A rich table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    (first, *headings), *cells = rows(reports)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)  # thirteen columns in 120 characters
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in cells:
        table.add_row(*row)
    return table


def markdown_table(reports: Mapping[str, PolicyReport]) -> str:
    """The same in Markdown."""
    headings, *cells = rows(reports)
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
