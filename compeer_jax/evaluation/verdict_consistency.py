"""Consistency of a judge's verdict on a response with its verdicts on the steps before it.

Not the paper's way, which looks at what judges choose (`selection_study`), but one that needs one output a prompt. Who
decides is a `ConsistencyJudge`: a rule, or a chat model. The rule: a judge is consistent on an
output if it accepts the response exactly when it finds most of the steps right. A judge that always says the same is
consistent by that rule on every output, which is why Cohen's kappa, agreement beyond chance, stands beside the share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool

from compeer_jax.chat.models import Malformed, Parsed, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.dialogue.consistency import consistency_messages
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_step_verdict
from compeer_jax.evaluation.estimates import Estimate, Paired, Weights, library, weighted_mean
from compeer_jax.report.table import Cell, Table, estimate_cell, number, percent
from compeer_jax.rewards.generative_judge import case_of
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.reward import Completion


class ConsistencyJudge(Protocol):
    """Says of each output whether the verdicts on it go together; None where that is not known."""

    def __call__(self, completions: Sequence[Completion], verdicts: Verdicts) -> list[bool | None]: ...


def by_rule(completions: Sequence[Completion], verdicts: Verdicts) -> list[bool | None]:
    """The rule above. Verdicts that are not all there don't go together."""
    agree = accepted(verdicts) == most_right(verdicts)
    return (agree & complete(verdicts)).tolist()


class ByModel:
    """A chat model, asked with the prompt `consistency`.

    Verdicts that are not all there don't go together, and are not asked about. Where the model's own answer can't be
    read, the second time it is asked either, the result is None.

    Args:
        model: who is asked.
        format: of the outputs.
    """

    def __init__(self, model: ChatModel, format: ReasoningFormat):
        self.format, self.model = format, model

    def __call__(self, completions: Sequence[Completion], verdicts: Verdicts) -> list[bool | None]:
        def messages(row: int) -> list[dict[str, str]]:
            return consistency_messages(case_of(completions[row], self.format), self._said(verdicts, row))

        result: list[bool | None] = [False] * len(completions)
        for row, answer in ask_each(self.model, np.flatnonzero(complete(verdicts)).tolist(), messages, _verdict):
            result[row] = answer.value if isinstance(answer, Parsed) else None
        return result

    def _said(self, verdicts: Verdicts, row: int) -> Mapping[str, bool]:
        steps = zip(self.format.tags[:-1], verdicts.steps[row] > 0, strict=True)
        return {tag: bool(right) for tag, right in steps} | {RESPONSE: bool(verdicts.response[row] > 0)}


def _verdict(row: int, text: str) -> bool:
    verdict = parse_step_verdict(text)
    if verdict is None:
        raise Malformed("no verdict")
    return verdict


def complete(verdicts: Verdicts) -> Bool[np.ndarray, " N"]:
    """Where a judge gave a verdict on every part."""
    return (verdicts.steps != 0).all(axis=1) & (verdicts.response != 0)


def accepted(verdicts: Verdicts) -> Bool[np.ndarray, " N"]:
    """Where it accepts the response, as better than the reference or similar."""
    return verdicts.response > 0


def most_right(verdicts: Verdicts) -> Bool[np.ndarray, " N"]:
    """Where it finds more than half of the steps right."""
    return (verdicts.steps > 0).sum(axis=1) * 2 > verdicts.steps.shape[1]


class ConsistencyRow(NamedTuple):
    """A judge on N outputs.

    Attributes:
        name: of the judge.
        share: of outputs on which its verdicts go together.
        kappa: Cohen's, between accepting the response and finding most steps right, where all verdicts are there; None
            when one of the two never varies.
        accepted, most_right: shares of outputs.
        unparsed: share of outputs with a part without a verdict.
        rule_steps, rule_response: share of verdicts that are the rule judge's; None where it can't judge.
    """

    name: str
    share: Estimate
    kappa: float | None
    accepted: float
    most_right: float
    unparsed: float
    rule_steps: float | None = None
    rule_response: float | None = None


def consistency_row(
    name: str,
    verdicts: Verdicts,
    consistent: Sequence[bool],
    weights: Weights,
    rules: Verdicts | None = None,
) -> ConsistencyRow:
    """The row of a judge.

    Args:
        name: the judge's.
        verdicts: on N outputs.
        consistent: whether they go together.
        weights: see `clustered_resamples`.
        rules: verdicts of the rule judge.
    """
    whole = complete(verdicts)
    takes, right = accepted(verdicts)[whole], most_right(verdicts)[whole]
    vary = bool(takes.any() and right.any() and not takes.all() and not right.all())
    return ConsistencyRow(
        name=name,
        share=weighted_mean(np.asarray(consistent, float), weights),
        kappa=float(library("sklearn.metrics").cohen_kappa_score(takes, right)) if vary else None,
        accepted=float(accepted(verdicts).mean()),
        most_right=float(most_right(verdicts).mean()),
        unparsed=float(1 - whole.mean()),
        rule_steps=None if rules is None else float((verdicts.steps == rules.steps).mean()),
        rule_response=None if rules is None else float((verdicts.response == rules.response).mean()),
    )


_HEADINGS = ("consistent", "kappa", "accepted", "most steps right", "unparsed", "steps as rules", "response as rules")

_MEANING = {
    "rule": "consistent: the response is accepted (better than the reference, or similar) exactly when most steps are "
    "found right. By that, a judge that always says the same is 100 % consistent; it has no kappa. ",
    "model": "consistent: so says a model that was shown the output and all verdicts on it. ",
}
_MEANING_OF_REST = (
    "kappa: how far accepting responses and finding most steps right agree beyond chance. unparsed: outputs with a "
    "part without a readable verdict, which are never consistent. as rules: verdicts that are the rule judge's, which "
    "knows the silver labels."
)


@dataclass(frozen=True)
class ConsistencyResults:
    """Agreement of the verdicts of judges.

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

    @property
    def table(self) -> Table:
        """A line a judge, the comparison, and what the columns mean."""
        notes = [*filter(None, [self.difference]), _MEANING[self.by] + _MEANING_OF_REST]
        return Table(self.title, ["judge", *_HEADINGS], [[row.name, *_cells(row)] for row in self.rows], notes)


def _cells(row: ConsistencyRow) -> list[str | Cell]:
    shares = (row.accepted, row.most_right, row.unparsed, row.rule_steps, row.rule_response)
    return [estimate_cell(row.share), number(row.kappa, "+.2f"), *map(percent, shares)]
