"""Does a judge's verdict on a response go together with its verdicts on the steps before it?

Not the paper's way, which looks at what judges choose (`selection_study`), but one that needs one output a prompt. Who
decides is a `ConsistencyJudge`: a rule, or a chat model. The rule: a judge is consistent on an
output if it accepts the response exactly when it finds most of the steps right. A judge that always says the same is
consistent by that rule on every output, which is why Cohen's kappa, agreement beyond chance, stands beside the share.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from compeer_jax.chat.models import Malformed, Parsed, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.dialogue.consistency import consistency_messages
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_step_verdict
from compeer_jax.evaluation.judge_accuracy import Estimate, interval, sklearn_metrics
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


class Paired(NamedTuple):
    """Two judges on the same outputs.

    Attributes:
        difference: share of the first minus that of the second.
        only_first, only_second: outputs on which only one of them is consistent.
        p: of McNemar's exact test; it takes outputs for independent, the interval of the difference doesn't.
    """

    difference: Estimate
    only_first: int
    only_second: int
    p: float


def consistency_row(
    name: str,
    verdicts: Verdicts,
    consistent: Sequence[bool],
    weights: Int[np.ndarray, "R N"],
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
        share=_share(np.asarray(consistent, float), weights),
        kappa=float(sklearn_metrics().cohen_kappa_score(takes, right)) if vary else None,
        accepted=float(accepted(verdicts).mean()),
        most_right=float(most_right(verdicts).mean()),
        unparsed=float(1 - whole.mean()),
        rule_steps=None if rules is None else float((verdicts.steps == rules.steps).mean()),
        rule_response=None if rules is None else float((verdicts.response == rules.response).mean()),
    )


def compare(first: Sequence[bool], second: Sequence[bool], weights: Int[np.ndarray, "R N"]) -> Paired:
    """How much more often the first is consistent than the second, on the same N outputs."""
    from scipy.stats import binomtest

    one, other = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    differ = only_first + only_second
    return Paired(
        _share(one.astype(float) - other, weights),
        only_first,
        only_second,
        float(binomtest(only_first, differ).pvalue) if differ else 1.0,
    )


def clustered_resamples(clusters: Sequence[Hashable], count: int, seed: int) -> Int[np.ndarray, "R N"]:
    """How often each of N items is drawn in each of `count` resamples, in which whole clusters are drawn.

    Outputs of one prompt resemble each other; resampling them one by one would make intervals too narrow.
    """
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    drawn = np.random.default_rng(seed).multinomial(len(numbers), [1 / len(numbers)] * len(numbers), size=count)
    return drawn[:, [numbers[cluster] for cluster in clusters]]


def _share(values: Float[np.ndarray, " N"], weights: Int[np.ndarray, "R N"]) -> Estimate:
    return Estimate(float(values.mean()), *interval(weights @ values / weights.sum(axis=1)))
