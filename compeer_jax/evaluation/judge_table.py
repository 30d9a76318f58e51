"""Table 1: judges in the paper's order, published figures beside, for the terminal and for Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.evaluation.judge_accuracy import Estimate
from compeer_jax.evaluation.published_figures import published_notes
from compeer_jax.rewards.answer_order import OrderReport

NOTHING = "–"
PUBLISHED = "published"

Figures = Mapping[str, Mapping[str, float]]
"""Row -> metric -> figure in percent."""


class JudgeRow(NamedTuple):
    """One row of the table.

    Attributes:
        name: of the judge.
        scores: metric, such as "history_f1" or "response_accuracy" -> estimate; only of what the judge rates.
        unparsed: share of parts without a verdict; None for what is no judge.
        order: how much the place of an answer matters; None for a judge that is shown none.
        differences: metric -> this row's score minus that of the row compared with, on the same records; only of what
            both rate, and empty when rows are not compared.
    """

    name: str
    scores: Mapping[str, Estimate]
    unparsed: float | None = None
    order: OrderReport | None = None
    differences: Mapping[str, Estimate] = {}


@dataclass(frozen=True)
class JudgeTable:
    """Table 1.

    Attributes:
        title: what was judged.
        tags: of the steps and, last, the response.
        rows: in their order.
        published: figures of others; those of a row that is here are shown below it, the rest first.
        against: name of the row that the others are compared with; "" for none.
    """

    title: str
    tags: tuple[str, ...]
    rows: Sequence[JudgeRow]
    published: Figures = field(default_factory=dict)
    against: str = ""

    @property
    def metrics(self) -> dict[str, str]:
        """Metric -> its heading."""
        return metric_headings(self.tags)

    @property
    def notes(self) -> list[str]:
        """What is to be said beside the published figures."""
        return published_notes(self.published, self.metrics)


def metric_headings(tags: Sequence[str]) -> dict[str, str]:
    """What is measured of steps and response, and how it is headed."""
    steps = {f"{tag}_{name}": f"{tag} {head}" for tag in tags[:-1] for name, head in _STEP.items()}
    return steps | {f"{RESPONSE}_{name}": f"{RESPONSE} {head}" for name, head in _RESPONSE.items()}


def accuracy_table(table: JudgeTable):
    """A rich table."""
    from rich.table import Table

    shown = Table(title=table.title, title_justify="left", padding=(0, 0, 0, 1))
    shown.add_column("judge", no_wrap=True)
    for heading in (*table.metrics.values(), "unparsed"):
        shown.add_column(heading.replace(" ", "\n", 1), justify="right")
    for name, cells in _lines(table):
        shown.add_row(name, *("\n".join(filter(None, one)) for one in cells))
    return shown


def order_table(table: JudgeTable):
    """A rich table on the place of answers; None when no judge compares any."""
    from rich.table import Table

    rows = [row for row in table.rows if row.order is not None]
    if not rows:
        return None
    shown = Table(title=ORDER_TITLE, title_justify="left")
    for heading in ("judge", *_ORDER):
        shown.add_column(heading, justify="left" if heading == "judge" else "right")
    for row in rows:
        shown.add_row(row.name, *map(percent, row.order))
    return shown


def difference_table(table: JudgeTable):
    """A rich table of paired differences; None when rows are not compared."""
    from rich.table import Table

    if not table.against:
        return None
    shown = Table(title=difference_title(table), title_justify="left")
    shown.add_column("judge", no_wrap=True)
    for heading in table.metrics.values():
        shown.add_column(heading.replace(" ", "\n", 1), justify="right")
    for name, cells in _difference_lines(table):
        shown.add_row(name, *("\n".join(filter(None, one)) for one in cells))
    return shown


def difference_title(table: JudgeTable) -> str:
    """What the table of differences shows."""
    return f"Minus {table.against}, in points, with paired 95 % bootstrap intervals; * where that leaves out 0"


def accuracy_markdown(table: JudgeTable) -> str:
    """All tables in Markdown, with what their columns mean."""
    headings = ["judge", *table.metrics.values(), "unparsed"]
    lines = [[name, *(joined(one) for one in cells)] for name, cells in _lines(table)]
    parts = [f"{table.title}.", markdown(headings, lines), MEANING, *table.notes]
    if table.against:
        lines = [[name, *(joined(one) for one in cells)] for name, cells in _difference_lines(table)]
        parts += [f"{difference_title(table)}.", markdown(["judge", *table.metrics.values()], lines)]
    ordered = [[row.name, *map(percent, row.order)] for row in table.rows if row.order is not None]
    if ordered:
        parts += [f"{ORDER_TITLE}.", markdown(["judge", *_ORDER], ordered)]
    return "\n\n".join(parts) + "\n"


MEANING = (
    "F1: weighted over classes. rec. F: recall of False, the share of wrong steps that are found. acc.: share of the "
    "four-way preferences that are right. unparsed: parts without a readable verdict, counted as wrong."
)

ORDER_TITLE = "Does the order of the two answers matter? Percent: 50 and 100 if not"

_STEP = {"f1": "F1", "recall_false": "rec. F"}
_RESPONSE = {"f1": "F1", "accuracy": "acc."}
_ORDER = ("the first, of those preferred", "same preference in both orders")


def _lines(table: JudgeTable) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Name and cells of each line: a figure and its interval."""
    names = [row.name for row in table.rows]
    for name, figures in table.published.items():
        if name not in names:
            yield f"{name}, {PUBLISHED}", _published_cells(table, figures)
    for row in table.rows:
        cells = [cell(row.scores.get(metric)) for metric in table.metrics]
        yield row.name, [*cells, (percent(row.unparsed), "")]
        if row.name in table.published:
            yield f"  {PUBLISHED}", _published_cells(table, table.published[row.name])


def _published_cells(table: JudgeTable, figures: Mapping[str, float]) -> list[tuple[str, str]]:
    cells = [(f"{figures[metric]:.2f}" if metric in figures else NOTHING, "") for metric in table.metrics]
    return [*cells, (NOTHING, "")]


def _difference_lines(table: JudgeTable) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for row in table.rows:
        if row.name != table.against:
            yield row.name, [_difference_cell(row.differences.get(metric)) for metric in table.metrics]


def _difference_cell(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None or estimate.value is None:
        return NOTHING, ""
    sure = "*" if estimate.low > 0 or estimate.high < 0 else ""
    return f"{100 * estimate.value:+.1f}{sure}", f"{100 * estimate.low:+.0f} to {100 * estimate.high:+.0f}"


def cell(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None or estimate.value is None:
        return NOTHING, ""
    return percent(estimate.value), f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f}"


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"


def joined(shown: tuple[str, str]) -> str:
    figure, interval = shown
    return f"{figure} ({interval})" if interval else figure


def rich_cells(headings: Sequence[str], lines: Iterable[Sequence[tuple[str, str]]]) -> Any:
    """A rich table of figures with their intervals below, numbers from the second column on."""
    from rich.table import Table

    shown = Table(padding=(0, 0, 0, 1))
    for heading in headings:
        shown.add_column(heading.replace(" ", "\n", 1), justify="right" if shown.columns else "left")
    for cells in lines:
        shown.add_row(*("\n".join(filter(None, one)) for one in cells))
    return shown


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers from the second column on; names that hold a bar or line ends stay one cell."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in (headings, *lines)]
    rows = [cells[0], ["---"] + ["---:"] * (len(headings) - 1), *cells[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
