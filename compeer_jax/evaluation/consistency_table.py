"""Whose verdicts go together, for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from compeer_jax.evaluation.consistency import ConsistencyRow, Paired
from compeer_jax.evaluation.judge_table import NOTHING, cell, joined, markdown, percent

HEADINGS = ("consistent", "kappa", "accepted", "most steps right", "unparsed", "steps as rules", "response as rules")

MEANING = {
    "rule": "consistent: the response is accepted (better than the reference, or similar) exactly when most steps are "
    "found right. By that, a judge that always says the same is 100 % consistent; it has no kappa. ",
    "model": "consistent: so says a model that was shown the output and all verdicts on it. ",
}
MEANING_OF_REST = (
    "kappa: how far accepting responses and finding most steps right agree beyond chance. unparsed: outputs with a "
    "part without a readable verdict, which are never consistent. as rules: verdicts that are the rule judge's, which "
    "knows the silver labels."
)


@dataclass(frozen=True)
class ConsistencyTable:
    """Figure 5a.

    Attributes:
        count: outputs counted.
        unknown: outputs left out, as the consistency judge gave no verdict.
        source: where they are from.
        by: who decided, "rule" or "model".
        rows: a judge each.
        paired: the first against the second, if there are so many.
    """

    count: int
    unknown: int
    source: str
    by: str
    rows: Sequence[ConsistencyRow]
    paired: Paired | None

    @property
    def title(self) -> str:
        """What was judged."""
        left_out = f", {self.unknown} more not decided" if self.unknown else ""
        return f"{self.count} outputs of {self.source}{left_out}: percent, with 95 % bootstrap intervals over prompts"

    @property
    def meaning(self) -> str:
        """What the columns mean."""
        return MEANING[self.by] + MEANING_OF_REST

    @property
    def difference(self) -> str:
        """The comparison in words; "" where there is none."""
        if self.paired is None:
            return ""
        first, second = (row.name for row in self.rows[:2])
        value, low, high = (100 * share for share in self.paired.difference)
        return (
            f"{first} minus {second}: {value:+.1f} points of consistency (95 %: {low:+.1f} to {high:+.1f}). "
            f"{first} alone is consistent on {self.paired.only_first} outputs, {second} alone on "
            f"{self.paired.only_second} (McNemar's exact test: p = {self.paired.p:.2g})."
        )


def consistency_rich(table: ConsistencyTable):
    """A rich table."""
    from rich.table import Table

    shown = Table(title=table.title, title_justify="left")
    shown.add_column("judge", no_wrap=True)
    for heading in HEADINGS:
        shown.add_column(heading, justify="right")
    for row in table.rows:
        (figure, interval), *rest = _cells(row)
        shown.add_row(row.name, f"{figure}\n{interval}", *(text for text, _ in rest))
    return shown


def consistency_markdown(table: ConsistencyTable) -> str:
    """The same in Markdown, with the comparison and what the columns mean."""
    lines = [[row.name, *map(joined, _cells(row))] for row in table.rows]
    parts = [f"{table.title}.", markdown(["judge", *HEADINGS], lines), table.difference, table.meaning]
    return "\n\n".join(filter(None, parts)) + "\n"


def _cells(row: ConsistencyRow) -> list[tuple[str, str]]:
    shares = (row.accepted, row.most_right, row.unparsed, row.rule_steps, row.rule_response)
    kappa = NOTHING if row.kappa is None else f"{row.kappa:+.2f}"
    return [cell(row.share), (kappa, ""), *((percent(share), "") for share in shares)]
