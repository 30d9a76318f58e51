"""Report on a policy on held-out dialogues: format, labels, reward, redundancy and diversity, in one row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import jax.numpy as jnp
import numpy as np

from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.evaluation.diversity import distinct_n, self_bleu
from compeer_jax.report.table import NOTHING, Table
from compeer_jax.rewards.encoders import encode_token_counts
from compeer_jax.rewards.reward import Completion, Rewards
from compeer_jax.rewards.rules import word_list
from compeer_jax.rl.redundancy import cosine_redundancy


@dataclass(frozen=True)
class PolicyReport:
    """Shares are in [0, 1] over all outputs; accuracies, over those to records whose gold label is known, count an
    output without that label as wrong.

    Attributes:
        format: outputs with every part, once, in order, and with an end.
        stage, emotion, strategy: outputs whose label is the gold one; None where the format has no such label, or no
            record's is known.
        judge: mean reward of a judge before any reweighting; None when none was asked.
        rules: mean reward by rules, which no trained judge can flatter: of the rule judge for COMPEER's format (-5 to
            +5), of the hierarchical reward for CARE's (0 to 3); over outputs to records with all gold labels that it
            compares with. None where there are none, and for plain replies, of which rules know nothing.
        in_group, history: mean s_in and s_hi of Eq. 6 on token counts, over groups of `group_size` sampled outputs.
        self_bleu: of all responses, each against all others.
        distinct_1, distinct_2: over the words of all responses.
        entropy: mean of -log p over the sampled tokens, in nats: an estimate of the policy's entropy a token.
        length: mean words a response.
    """

    format: float
    stage: float | None
    emotion: float | None
    strategy: float | None
    judge: float | None
    rules: float | None
    in_group: float
    history: float
    self_bleu: float
    distinct_1: float
    distinct_2: float
    entropy: float
    length: float


def policy_report(
    completions: Sequence[Completion],
    group_size: int,
    *,
    format: ReasoningFormat,
    judged: Rewards | None,
    rules: Rewards | None,
    entropy: float,
    tokenizer,
) -> PolicyReport:
    """The report on N = B·G completions, those of one prompt standing together.

    Args:
        completions: sampled outputs.
        group_size: G.
        format: of the outputs.
        judged: what a judge gave them, if one was asked.
        rules: what those to records with the gold labels got by rules, if there are any for the format.
        entropy: see `PolicyReport`.
        tokenizer: for the token counts.
    """

    def accuracy(label: str) -> float | None:
        if label not in {spec.name for spec in format.labels}:
            return None
        known = [item for item in completions if not item.record.lacks([label])]
        right = [item.turn.labels.get(label) == item.record.reference.labels[label] for item in known]
        return float(np.mean(right)) if known else None

    words = [word_list(item.turn.response) for item in completions]
    s_in, s_hi = cosine_redundancy(*map(jnp.asarray, encode_token_counts(completions, group_size, tokenizer)))
    return PolicyReport(
        format=float(np.mean([item.format_ok for item in completions])),
        stage=accuracy("stage"),
        emotion=accuracy("emotion"),
        strategy=accuracy("strategy"),
        judge=None if judged is None else float(judged.total.mean()),
        rules=None if rules is None else float(rules.total.mean()),
        in_group=float(s_in.mean()),
        history=float(s_hi.mean()),
        self_bleu=self_bleu(words),
        distinct_1=distinct_n(words, 1),
        distinct_2=distinct_n(words, 2),
        entropy=entropy,
        length=float(np.mean([len(word) for word in words])),
    )


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
"""Field of `PolicyReport` -> its heading and format."""


def columns_of(reports: Iterable[Mapping[str, float | None]]) -> dict[str, tuple[str, str]]:
    """The columns that any report has a number for."""
    reports = list(reports)
    return {field: shown for field, shown in COLUMNS.items() if any(report[field] is not None for report in reports)}


def policy_table(reports: Mapping[str, PolicyReport], title: str = "") -> Table:
    """A line a report, its name first."""
    values = {name: asdict(report) for name, report in reports.items()}
    columns = columns_of(values.values())
    lines = [
        [name, *(NOTHING if row[field] is None else form.format(row[field]) for field, (_, form) in columns.items())]
        for name, row in values.items()
    ]
    return Table(title, ["model", *(heading for heading, _ in columns.values())], lines)
