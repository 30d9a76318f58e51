"""Judges that are language models, as they rate completions.

UnifiReward is one model that rates the steps and then the response in one conversation. PRM and ORM are two: the first
rates each step in a conversation of its own, the second the response. The two responses are shown in an order drawn by
chance, or in both orders one after the other.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import jax
import numpy as np

from compeer_jax.dialogue.judging import JudgeCase, JudgeKind, Preference, swap_preference
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.rewards.conversation import (
    FAULTS,
    SWAPPED,
    Fault,
    JudgeModel,
    Verdict,
    ask_judge,
    has_part,
    rounds_with,
)
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.streaming import Stream, stream_map


class GenerativeJudge:
    """Rates completions by asking one or more models.

    The two answers of a completion, the reference and its own, are shown in an order drawn from the key, and the
    verdict is turned back. A step that is missing and a response that is empty are wrong, whatever the models say, and
    so are those that are too long to be shown whole: a judge reads all that the seeker would read. A part whose verdict
    can't be read even the second time counts 0. With `both_orders` the answers are shown in the other order too, and a
    preference counts only where it is the same in both: a response that gets two different ones, or only one, counts 0.

    What it logs, over the parts that were there:

    - judge/unparsed, judge/unparsed_share: parts without a verdict at last, and their share; a response that lacks it
      in either order is one;
    - judge/cut, judge/refused, judge/silent, judge/thinking: how many of them for which reason; the others' replies are
      whole and say no verdict;
    - judge/too_long: parts that could not be shown whole. Of these, outputs' are wrong; a response beside a reference
      that is too long has no verdict;
    - judge/retried: conversations held a second time;
    - judge/true_share: share of True among the verdicts on steps;
    - judge/first_share: share of "first" among all answers preferred, in the order shown: 0.5 when the place of an
      answer makes no difference. Absent when none was preferred;
    - judge/order_agreement, with `both_orders`: share of the responses with the same preference in both orders, among
      those with a verdict in each. Absent when there are none;
    - judge/order_disagreed, with `both_orders`: responses that count 0 because the two preferences differ.

    Args:
        format: of the completions.
        models: who to ask, by what they were trained for: {"unifi": …}, or {"prm": …, "orm": …}.
        both_orders: ask about the answers in both orders.
    """

    def __init__(self, format: ReasoningFormat, models: Mapping[JudgeKind, JudgeModel], *, both_orders: bool = False):
        self.format = format
        self.models = dict(models)
        self.both_orders = both_orders
        self.step_names = format.tags[:-1]

    def __call__(self, completions: Sequence[Completion], key: jax.Array) -> Verdicts:
        """The verdicts.

        Raises:
            UserError: the models gave no verdict on anything, so that what they are asked is worth nothing.
        """
        order_key, *keys = jax.random.split(key, 1 + len(self.models))
        swapped = np.asarray(jax.random.bernoulli(order_key, shape=(len(completions),)))
        cases = stream_map(
            lambda index, completion: [case_of(completion, self.format, swapped=bool(swapped[index]))], completions
        )
        results = []
        for (kind, model), model_key in zip(self.models.items(), keys, strict=True):
            rounds, group_size = rounds_with(model, kind, self.format), group_size_of(completions)
            results.append(
                ask_judge(model, rounds, cases, model_key, group_size=group_size, both_orders=self.both_orders)
            )
        rated = [_Rated(case) for case in cases]
        for result in results:
            for one, shown, verdicts, faults in zip(rated, *result[:3], strict=True):
                one.shown |= dict.fromkeys(verdicts, shown)
                one.verdicts |= verdicts
                one.faults |= faults
        _check_anything_said(rated)
        steps = [[one.step_score(tag) for tag in self.step_names] for one in rated]
        response = [one.response_score(bool(swap)) for one, swap in zip(rated, swapped, strict=True)]
        return Verdicts(
            np.array(steps, np.int32).reshape(-1, len(self.step_names)),
            np.array(response, np.int32),
            _diagnostics(rated, sum(one.retried for one in results)),
        )


class _Rated:
    """A case, what was shown of it under each tag, and what was said."""

    def __init__(self, case: JudgeCase):
        self.case = case
        self.shown: dict[str, JudgeCase] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.faults: dict[str, Fault] = {}

    def there(self, tag: str) -> bool:
        """Whether there is a part that the judge was shown under this tag."""
        return has_part(self.shown[tag], tag)

    def step_score(self, tag: str) -> int:
        """+1, -1 or 0, as `Verdicts` has it."""
        if not self.there(tag):
            return -1
        return {True: 1, False: -1, None: 0}[self.verdicts[tag]]

    def response_score(self, swapped: bool) -> int:
        """The same of the output's response, which is the first of the two where they are `swapped`."""
        verdict = self._preference()
        output = self.shown[RESPONSE].responses[0 if swapped else 1]
        if not output.strip():
            return -1
        if verdict is None:
            return 0
        # "second" is the output, once the order drawn is undone.
        return 1 if (swap_preference(verdict) if swapped else verdict) in ("second", "similar") else -1

    def _preference(self) -> Preference | None:
        """What counts as the judge's preference, in the order drawn; None for none, or another in each order."""
        drawn = self.verdicts[RESPONSE]
        return drawn if SWAPPED not in self.verdicts or orders_agree(drawn, self.verdicts[SWAPPED]) else None


def case_of(completion: Completion, format: ReasoningFormat, *, swapped: bool = False) -> JudgeCase:
    """What a judge is shown of a completion: the reference first and the output second, or the other way round."""
    record, turn = completion.record, completion.turn
    steps = {tag: format.section(turn, tag, record.language) for tag in format.tags[:-1]}
    case = JudgeCase(record.language, record.history, steps, (record.reference.response, turn.response))
    return case.swapped() if swapped else case


def group_size_of(completions: Sequence[Completion]) -> int:
    """The most completions a group may have, when every group is of one prompt and all are of one size."""
    if isinstance(completions, Stream):
        return completions.group_size
    runs = [len(list(run)) for _, run in groupby(completion.record.id for completion in completions)]
    return math.gcd(*runs) or 1


# What a fault is called in a sentence, and what mends it.
_FAULTS: Mapping[Fault, tuple[str, str]] = {
    "cut": ("cut off", "let it write more (max_tokens, or max_new_tokens of its training), or train it for longer"),
    "refused": ("refused", "take a judge, or a filter, that bears to read of distress"),
    "silent": ("without words", "look at its server's log, chat template and reasoning parser"),
    "thinking": ("thoughts alone", "switch its thinking off, or let it write more (max_tokens)"),
    "unclear": ("without a verdict", "read what it says, and take a judge that keeps to its prompt"),
    "too_long": ("too long to be shown", "take a judge with a longer context or higher limits.max_part_tokens"),
}


def _check_anything_said(rated: Sequence[_Rated]) -> None:
    """Raises UserError where not one reply has a verdict, though parts were there, or has no words on missing ones."""
    asked = [(fault, has_part(one.case, tag)) for one in rated for tag, fault in one.faults.items()]
    wordless = all(fault in ("refused", "silent", "thinking") for fault, _ in asked)
    why = Counter(fault for fault, there in asked if there) or Counter(fault for fault, _ in asked if wordless)
    if why and not any(verdict is not None for one in rated for verdict in one.verdicts.values()):
        counted = why.most_common()
        causes = ", ".join(f"{count} {_FAULTS[fault][0]}" for fault, count in counted)
        raise UserError(
            f"the judge gave no verdict on any of {why.total()} parts ({causes}); {_FAULTS[counted[0][0]][1]}."
        )


def _diagnostics(rated: Sequence[_Rated], retried: int) -> dict[str, float]:
    there = [{tag: verdict for tag, verdict in one.verdicts.items() if one.there(tag)} for one in rated]
    steps = [verdict for said in there for tag, verdict in said.items() if tag not in (RESPONSE, SWAPPED)]
    responses = [said for said in there if RESPONSE in said]
    shown = [said[RESPONSE] for said in responses]
    both_orders = any(SWAPPED in one.verdicts for one in rated)
    swapped = [said[SWAPPED] for said in responses] if both_orders else None
    order = order_report(shown, swapped)
    known = [verdict for verdict in steps if verdict is not None]
    why = Counter(_fault(one, tag) for one in rated for tag in one.verdicts if tag != SWAPPED)
    unparsed = sum(why[fault] for fault in FAULTS if fault != "too_long")
    shares = {
        "judge/unparsed_share": unparsed / (len(steps) + len(shown)) if steps or shown else None,
        "judge/true_share": sum(known) / len(known) if known else None,
        "judge/first_share": order.first_share,
        "judge/order_agreement": order.same,
    }
    counts = {"judge/unparsed": unparsed, "judge/retried": retried}
    counts |= {f"judge/{fault}": why[fault] for fault in FAULTS if fault != "unclear"}
    if both_orders:
        pairs = zip(shown, swapped, strict=True)
        counts["judge/order_disagreed"] = [orders_agree(*pair) for pair in pairs].count(False)
    return {name: float(value) for name, value in (counts | shares).items() if value is not None}


def _fault(one: _Rated, tag: str) -> Fault | None:
    """Why a part that is there has no verdict; a response needs one in each order in which it was asked about."""
    if not has_part(one.case, tag):
        return None
    return one.faults.get(tag) or (one.faults.get(SWAPPED) if tag == RESPONSE else None)


class OrderReport(NamedTuple):
    """Report on how much the place of an answer matters to a judge.

    Attributes:
        first_share: share of "first" among answers preferred, as shown; 0.5 when the place makes no difference, None
            when none was preferred.
        same: share of pairs with the same preference in both orders, among those with a verdict in each; None when
            there is no such pair.
    """

    first_share: float | None
    same: float | None


def order_report(
    shown: Sequence[Preference | None], shown_swapped: Sequence[Preference | None] | None = None
) -> OrderReport:
    """The report on preferences as shown, in one order and in the other one, if that was asked."""
    preferred = [said for said in (*shown, *(shown_swapped or ())) if said in ("first", "second")]
    agree = [orders_agree(*pair) for pair in zip(shown, shown_swapped, strict=True)] if shown_swapped else []
    known = [one for one in agree if one is not None]
    return OrderReport(
        preferred.count("first") / len(preferred) if preferred else None, sum(known) / len(known) if known else None
    )


def orders_agree(shown: Preference | None, shown_swapped: Preference | None) -> bool | None:
    """Whether the preference is the same in both orders; None where it is not known in one of them."""
    if shown is None or shown_swapped is None:
        return None
    return shown == swap_preference(shown_swapped)
