"""Whose choices follow from the reasoning: Figure 5a for the terminal, in Markdown, and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compeer_jax.errors import UserError
from compeer_jax.evaluation.judge_table import cell, joined, markdown, percent
from compeer_jax.evaluation.selection_study import SelectionRow, Versus
from compeer_jax.files import replacing

HEADINGS = ("inconsistent", "of", "by lot among equals", "no verdict")
MEANING = (
    "inconsistent: choices of which the checker says that the reply does not follow from the reasoning, with Wilson's "
    "95 % interval. of: choices with a verdict of the checker. by lot among equals: choices that were drawn among "
    "several outputs of the highest reward. no verdict: choices on which the checker gave none, twice; they are in no "
    "share."
)


@dataclass(frozen=True)
class SelectionTable:
    """Figure 5a.

    Attributes:
        prompts: how many.
        outputs: to all of them.
        source: where they are from.
        checker: its name.
        rows: a judge each.
        pairs: each two of them.
    """

    prompts: int
    outputs: int
    source: str
    checker: str
    rows: Sequence[SelectionRow]
    pairs: Sequence[Versus]

    @property
    def title(self) -> str:
        """What was chosen from, and who checked."""
        return (
            f"{self.prompts:,} prompts of {self.source}, {self.outputs / self.prompts:.1f} outputs each, one chosen by "
            f"each judge, checked by {self.checker}: percent"
        )

    @property
    def comparisons(self) -> list[str]:
        """Each two judges in words."""
        return [_versus(pair) for pair in self.pairs]


def _versus(pair: Versus) -> str:
    value, low, high = (100 * share for share in pair.paired.difference)
    return (
        f"{pair.first} minus {pair.second}: {value:+.1f} points of inconsistency (95 %: {low:+.1f} to {high:+.1f}, "
        f"bootstrap over prompts). They chose the same output {pair.same:,} times; {pair.first} alone is inconsistent "
        f"on {pair.paired.only_first:,} prompts, {pair.second} alone on {pair.paired.only_second:,} (McNemar's exact "
        f"test: p = {pair.paired.p:.2g})."
    )


def selection_rich(table: SelectionTable):
    """A rich table."""
    from rich.table import Table

    shown = Table(title=table.title, title_justify="left")
    shown.add_column("judge", no_wrap=True)
    for heading in HEADINGS:
        shown.add_column(heading, justify="right")
    for row in table.rows:
        shown.add_row(row.name, *_cells(row))
    return shown


def selection_markdown(table: SelectionTable) -> str:
    """The same in Markdown, with the comparisons and what the columns mean."""
    lines = [[row.name, *_cells(row)] for row in table.rows]
    parts = [f"{table.title}.", markdown(["judge", *HEADINGS], lines), *table.comparisons, MEANING]
    return "\n\n".join(parts) + "\n"


def _cells(row: SelectionRow) -> list[str]:
    return [joined(cell(row.inconsistent)), f"{row.count:,}", percent(row.tied), f"{row.unread:,}"]


def draw_selection(table: SelectionTable, path: Path) -> None:
    """A bar a judge with its interval, as a PNG; UserError when it can't be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in table.rows if row.count]
    figure = Figure(figsize=(max(3.6, 1.3 * len(rows) + 1.6), 3.4), dpi=130, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    heights = [100 * row.inconsistent.value for row in rows]
    margins = [
        [100 * (row.inconsistent.value - row.inconsistent.low) for row in rows],
        [100 * (row.inconsistent.high - row.inconsistent.value) for row in rows],
    ]
    places = range(len(rows))
    axes.bar(places, heights, width=0.55, color="#4477aa", yerr=margins, capsize=4, ecolor="#333333")
    for place, row, height in zip(places, rows, heights, strict=True):
        axes.annotate(
            f"{height:.1f}", (place, 100 * row.inconsistent.high), (0, 3), textcoords="offset points", ha="center"
        )
    axes.set_xticks(list(places), [row.name.replace("$", r"\$") for row in rows])
    axes.set_ylabel("inconsistent choices (%)")
    axes.set_ylim(0, max(100 * row.inconsistent.high for row in rows) * 1.12)
    axes.set_title(f"{table.prompts:,} prompts, checked by {table.checker}".replace("$", r"\$"), fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}.") from error
