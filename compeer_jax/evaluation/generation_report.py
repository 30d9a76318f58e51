"""Report on generation metrics, published figures beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from compeer_jax.evaluation.estimates import Estimate
from compeer_jax.evaluation.published_figures import published_notes
from compeer_jax.report.table import PUBLISHED, Cell, Table, estimate_cell, number

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
class GenerationResults:
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
    def _made(self) -> list[str]:
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

    @property
    def table(self) -> Table:
        """A line a metric; a column each report, with published figures of its name beside it, then all others."""
        columns = []
        for report in self.reports:
            columns.append([report.name, *(_cell(one, report.scores.get(key)) for key, one in self.metrics.items())])
            if report.name in self.published:
                columns.append(self._published(report.name))
        names = [report.name for report in self.reports]
        columns += [self._published(name) for name in self.published if name not in names]
        first = ["metric", *(metric.heading for metric in self.metrics.values())]
        headings, *lines = map(list, zip(first, *columns, strict=True))
        return Table(self.title, headings, lines, [MEANING, *self._made])

    def _published(self, name: str) -> list[str]:
        figures = self.published[name]
        shown = (number(figures.get(key), f".{metric.digits}f") for key, metric in self.metrics.items())
        return [f"{name}, {PUBLISHED}", *shown]


def _cell(metric: Metric, estimate: Estimate | None) -> Cell:
    return estimate_cell(estimate, scale=metric.scale, digits=metric.digits, interval_digits=metric.digits)
