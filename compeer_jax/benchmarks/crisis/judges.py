"""Pairs of replies to danger for judges: do they prefer the one that does what is called for?

A pair is made of each talk with danger and each of the replies of `passing_over.yaml` for its level: the package's
written reply, and that one, after the turn from which on a helper must act. A judge compares an output with a
reference, so it is asked twice, with either in the output's place. It is right only where it finds the written reply
better or as good, and the other worse.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import jax
import yaml

from compeer_jax.benchmarks.crisis.talk import LISTENING
from compeer_jax.data.record import Record
from compeer_jax.dialogue.danger.kinds import Level
from compeer_jax.dialogue.danger.wording import written_reply
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language
from compeer_jax.evaluation.danger.cases import Case
from compeer_jax.evaluation.estimates import Estimate, wilson
from compeer_jax.rewards.judge import Judge
from compeer_jax.rewards.reward import Completion

Choice = Literal["right", "wrong", "undecided"]


class Pair(NamedTuple):
    """Two replies to the same words.

    Attributes:
        case: the talk that they stand in.
        right: what does all that is called for.
        wrong: what passes over it.
    """

    case: Case
    right: str
    wrong: str


class JudgeFigures(NamedTuple):
    """A judge on the pairs of one language and level. Shares have Wilson's 95 % intervals.

    Attributes:
        judge: its name.
        language: of the pairs.
        level: of the danger, in small letters.
        count: how many pairs there are.
        right: share in which it prefers the reply that does what is called for.
        wrong: share in which it prefers the other.
        undecided: share in which it says neither: both as good, both worse, or no verdict.
    """

    judge: str
    language: Language
    level: str
    count: int
    right: Estimate
    wrong: Estimate
    undecided: Estimate


def passing_over(level: Level, language: Language) -> tuple[str, ...]:
    """The replies that pass over danger of a level."""
    return tuple(_content()["replies"][level.name.lower()][language])


def pairs_of(cases: Sequence[Case]) -> list[Pair]:
    """The pairs of those talks that have danger in them."""
    return [
        Pair(case, written_reply(case.kinds, case.language, case.country), wrong)
        for case in cases
        if case.danger_from is not None
        for wrong in passing_over(case.level, case.language)
    ]


def choices(judge: Judge, pairs: Sequence[Pair], key: jax.Array) -> list[Choice]:
    """What the judge prefers in each pair.

    Raises:
        UserError: as of the judge.
    """
    asked = [completion for pair in pairs for completion in _both_ways(pair)]
    said = judge(asked, key).response.reshape(-1, 2).tolist()
    named: Mapping[tuple[int, int], Choice] = {(1, -1): "right", (-1, 1): "wrong"}
    return [named.get(tuple(one), "undecided") for one in said]


def judge_figures(name: str, pairs: Sequence[Pair], chosen: Sequence[Choice]) -> list[JudgeFigures]:
    """The figures of a judge for each language and level that there are pairs of."""
    both = list(zip(pairs, chosen, strict=True))
    figures = []
    for language in LANGUAGES:
        for level in Level:
            own = [one for pair, one in both if (pair.case.language, pair.case.level) == (language, level)]
            share: Callable[[Choice], Estimate] = lambda one, own=own: wilson(own.count(one), len(own))  # noqa: E731
            if own:
                shares = (share("right"), share("wrong"), share("undecided"))
                figures.append(JudgeFigures(name, language, level.name.lower(), len(own), *shares))
    return figures


def _both_ways(pair: Pair) -> tuple[Completion, Completion]:
    """The right reply as an output beside the other, and the other way round."""
    return _completion(pair, pair.right, pair.wrong), _completion(pair, pair.wrong, pair.right)


def _completion(pair: Pair, output: str, reference: str) -> Completion:
    case = pair.case
    turns = [Turn("seeker", case.turns[0])]
    for said in case.turns[1 : case.danger_from + 1]:
        turns += [Turn("supporter", LISTENING[case.language]), Turn("seeker", said)]
    record = Record(
        id=case.id,
        language=case.language,
        source="crisis",
        licence="",
        history=tuple(turns),
        reference=_reasoned(reference, case.language),
    )
    text = COMPEER.render(_reasoned(output, case.language), case.language)
    return Completion(record, text, COMPEER.parse(text))


def _reasoned(reply: str, language: Language) -> ReasonedTurn:
    reasoning = _content()["reasoning"]
    return ReasonedTurn(steps=reasoning["steps"][language], labels=reasoning["labels"], response=reply)


@cache
def _content() -> Mapping[str, Any]:
    return yaml.safe_load(resources.files(__package__).joinpath("passing_over.yaml").read_text(encoding="utf-8"))
