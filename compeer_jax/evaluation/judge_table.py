"""Results of Table 1: how right judges are, published figures beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.evaluation.estimates import Estimate
from compeer_jax.evaluation.published_figures import published_notes
from compeer_jax.report.table import NOTHING, PUBLISHED, Cell, Table, estimate_cell, number, percent
from compeer_jax.rewards.generative_judge import OrderReport

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
class JudgeResults:
    """What judges are worth.

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


def judge_tables(results: JudgeResults) -> list[Table]:
    """How right judges are; how they differ from one of them; how much the order of answers matters to them."""
    tables = [_accuracy_table(results)]
    if results.against:
        tables.append(_difference_table(results))
    ordered = [[row.name, *map(percent, row.order)] for row in results.rows if row.order is not None]
    if ordered:
        tables.append(Table(ORDER_TITLE, ["judge", *_ORDER], ordered))
    return tables


MEANING = (
    "F1: weighted over classes. rec. F: recall of False, the share of wrong steps that are found. acc.: share of the "
    "four-way preferences that are right. unparsed: parts without a readable verdict, counted as wrong."
)

ORDER_TITLE = "Does the order of the two answers matter? Percent: 50 and 100 if not"

_STEP = {"f1": "F1", "recall_false": "rec. F"}
_RESPONSE = {"f1": "F1", "accuracy": "acc."}
_ORDER = ("the first, of those preferred", "same preference in both orders")


def _accuracy_table(results: JudgeResults) -> Table:
    def published(name: str) -> list[str]:
        figures = results.published[name]
        return [*(number(figures.get(metric), ".2f") for metric in results.metrics), NOTHING]

    names = [row.name for row in results.rows]
    lines = [[f"{name}, {PUBLISHED}", *published(name)] for name in results.published if name not in names]
    for row in results.rows:
        cells = [estimate_cell(row.scores.get(metric)) for metric in results.metrics]
        lines.append([row.name, *cells, percent(row.unparsed)])
        if row.name in results.published:
            lines.append([f"  {PUBLISHED}", *published(row.name)])
    return Table(results.title, ["judge", *results.metrics.values(), "unparsed"], lines, [MEANING, *results.notes])


def _difference_table(results: JudgeResults) -> Table:
    title = f"Minus {results.against}, in points, with paired 95 % bootstrap intervals; * where that leaves out 0"
    lines = [
        [row.name, *(_difference_cell(row.differences.get(metric)) for metric in results.metrics)]
        for row in results.rows
        if row.name != results.against
    ]
    return Table(title, ["judge", *results.metrics.values()], lines)


def _difference_cell(estimate: Estimate | None) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(NOTHING)
    value, low, high = (100 * one for one in estimate)
    return Cell(f"{value:+.1f}{'*' if low > 0 or high < 0 else ''}", f"{low:+.0f} to {high:+.0f}")
