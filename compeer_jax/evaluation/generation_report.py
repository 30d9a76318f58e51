"""Generation metrics side by side, published figures beside, for the terminal and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from compeer_jax.evaluation.judge_accuracy import Estimate
from compeer_jax.evaluation.judge_table import NOTHING, PUBLISHED, joined, markdown
from compeer_jax.evaluation.published_figures import published_notes

LONGEST = 100_000.0


class Metric(NamedTuple):
    """How a metric is shown.

    Attributes:
        heading: of its column.
        scale: what it is multiplied by: 100 for percent.
        digits: behind the point.
        least, most: what a published figure may lie between.
    """

    heading: str
    scale: float = 100.0
    digits: int = 2
    least: float = 0.0
    most: float = 100.0


METRICS: Mapping[str, Metric] = {
    **{f"bleu_{n}": Metric(f"BLEU-{n}") for n in (1, 2, 3, 4)},
    "rouge_l": Metric("ROUGE-L"),
    "meteor": Metric("METEOR"),
    "bertscore": Metric("BERTScore", least=-LONGEST),  # a rescaled one may be negative
    "distinct_1": Metric("Distinct-1"),
    "distinct_2": Metric("Distinct-2"),
    "self_bleu": Metric("self-BLEU"),
    "strategy_accuracy": Metric("strategy accuracy"),
    "strategy_f1": Metric("strategy macro-F1"),
    "strategy_bias": Metric("strategy bias", scale=1, most=3),
    "no_strategy": Metric("no strategy"),
    "empty": Metric("empty"),
    "length": Metric("tokens an answer", scale=1, most=LONGEST),
}

MEANING = (
    "Percent, but for strategy bias and tokens an answer. macro-F1: the mean over strategies that are "
    "right or taken. strategy bias: how unevenly strategies are taken where another was right, 0 (evenly) to 2.65 "
    "(always the same), by Kang et al., 2024. no strategy: outputs that name none, counted as wrong. empty: outputs "
    "without a readable answer, counted as sharing nothing with the reference."
)


@dataclass(frozen=True)
class GenerationReport:
    """What answers of one language are worth.

    Attributes:
        name: of the column.
        language: of the answers.
        count: how many there are.
        tokens: what was counted.
        scores: metric -> estimate, shares in 0 … 1; only of what could be rated.
        notes: "bleu", "rouge_l", "meteor", "distinct", "bertscore" -> how it was made.
    """

    name: str
    language: str
    count: int
    tokens: str
    scores: Mapping[str, Estimate]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerationTable:
    """Reports on answers, a column each.

    Attributes:
        source: what was rated.
        flavour: of the metrics.
        reports: in their order.
        published: figures of others; those of a report that is here stand beside it, the rest last.
    """

    source: str
    flavour: str
    reports: Sequence[GenerationReport]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What was rated."""
        counts = ", ".join(f"{report.count} {report.name}" for report in self.reports)
        intervals = any(one.low is not None for report in self.reports for one in report.scores.values())
        return f"{self.source} ({counts}), {self.flavour} flavour" + (
            ", with 95 % bootstrap intervals over prompts" if intervals else ""
        )

    @property
    def metrics(self) -> dict[str, Metric]:
        """Those that there is any figure for."""
        shown = {metric for report in self.reports for metric in report.scores}
        shown |= {metric for figures in self.published.values() for metric in figures}
        return {name: metric for name, metric in METRICS.items() if name in shown}

    @property
    def made(self) -> list[str]:
        """How the reports were made, a line for those made alike, and what is to be said of published figures."""
        heads = {
            "bleu": "BLEU",
            "rouge_l": "ROUGE-L",
            "meteor": "METEOR",
            "distinct": "Distinct",
            "bertscore": "BERTScore",
        }
        alike: dict[str, list[str]] = {}
        for report in self.reports:
            notes = "; ".join(f"{heads[key]}: {note}" for key, note in report.notes.items())
            alike.setdefault(f"tokens are {report.tokens}; {notes}.", []).append(report.name)
        own = [f"{'; '.join(names)}: {made}" for made, names in alike.items()]
        return [*own, *published_notes(self.published, METRICS)]


def generation_rich(table: GenerationTable):
    """A rich table, a line a metric. Its title stands apart, as it may be wider than the table."""
    from rich.table import Table

    shown = Table()
    headings, *lines = _lines(table)
    for heading in headings:
        shown.add_column(heading, justify="right" if shown.columns else "left")
    for line in lines:
        shown.add_row(*line)
    return shown


def generation_markdown(table: GenerationTable) -> str:
    """The same in Markdown, with what the columns mean and how they were made."""
    headings, *lines = _lines(table)
    return "\n\n".join([f"{table.title}.", markdown(headings, lines), MEANING, *table.made]) + "\n"


def _lines(table: GenerationTable) -> list[list[str]]:
    """The headings, then a line of cells a metric: each report, published figures of its name, then all others."""
    columns = []
    for report in table.reports:
        columns.append([report.name, *(_cell(metric, report.scores.get(key)) for key, metric in table.metrics.items())])
        if report.name in table.published:
            columns.append(_published(f"{report.name}, {PUBLISHED}", table.published[report.name], table))
    names = [report.name for report in table.reports]
    others = {name: figures for name, figures in table.published.items() if name not in names}
    columns += [_published(f"{name}, {PUBLISHED}", figures, table) for name, figures in others.items()]
    headings = ["metric", *(metric.heading for metric in table.metrics.values())]
    return [list(line) for line in zip(headings, *columns, strict=True)]


def _cell(metric: Metric, estimate: Estimate | None) -> str:
    """A figure, and its interval if there is one."""
    if estimate is None or estimate.value is None:
        return NOTHING
    value, low, high = (one if one is None else f"{one * metric.scale:.{metric.digits}f}" for one in estimate)
    return joined((value, f"{low}–{high}" if low is not None else ""))


def _published(name: str, figures: Mapping[str, float], table: GenerationTable) -> list[str]:
    shown = table.metrics.items()
    return [name, *(f"{figures[key]:.{metric.digits}f}" if key in figures else NOTHING for key, metric in shown)]
