"""Judges that are language models: what they are asked about completions, and how their replies become verdicts.

UnifiReward is one model that rates the steps and then the response in one conversation. PRM and ORM are two: the first
rates each step in a conversation of its own, the second the response. Who replies, a model in this process or a server,
is behind `Respond`. The two responses are shown in an order drawn by chance, or in both orders one after the other.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import jax
import numpy as np

from compeer_jax.dialogue.judging import (
    JudgeCase,
    JudgeKind,
    Preference,
    conversations,
    swap_preference,
)
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict
from compeer_jax.rewards.answer_order import order_report, orders_agree
from compeer_jax.rewards.arriving import Arriving, spread
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.reward import Completion

Verdict = bool | Preference | None
"""On a step: right or wrong. On two responses as they were shown: which is better. None where none can be read."""


SWAPPED = "swapped_response"
"""Tag of the verdict on the two responses in the other order, as they were shown then."""


class Conversation(NamedTuple):
    """One conversation with a judge.

    Attributes:
        case: what it is about.
        rounds: the tag of what each round asks.
        both_orders: the last round, on the responses, is asked a second time as an alternative to the first: with the
            responses in the other order, and after the same rounds before it.
    """

    case: JudgeCase
    rounds: tuple[str, ...]
    both_orders: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """The tag of each reply."""
        return (*self.rounds, SWAPPED) if self.both_orders else self.rounds


class Respond(Protocol):
    """Somebody who holds conversations as the judge: a model in this process, or a server.

    One that was trained to be asked in a certain way has a `card`, see `rounds_with`.
    """

    def __call__(
        self, conversations: Sequence[Conversation], key: jax.Array, *, group_size: int, retry: bool = False
    ) -> list[tuple[str, ...]]:
        """The replies of each conversation, one for each of its `tags`.

        Args:
            conversations: those about outputs of one prompt stand together.
            key: of all that is random in the replies; a fresh one for every call.
            group_size: how many conversations are about one prompt.
            retry: these replies had no verdict before, so they must be drawn differently now.
        """
        ...


def rounds_with(respond: Respond, kind: JudgeKind, format: ReasoningFormat) -> tuple[tuple[str, ...], ...]:
    """The rounds of each conversation about an output: as the judge's card has them, else as its kind does."""
    card: JudgeCard | None = getattr(respond, "card", None)
    return conversations(kind, format) if card is None else card.conversations


class Heard(NamedTuple):
    """What came out of conversations about some cases.

    Attributes:
        verdicts: for each case, by tag; on responses as they were shown, under `SWAPPED` in the other order.
        retried: conversations that were held twice.
    """

    verdicts: list[dict[str, Verdict]]
    retried: int


def hear(
    respond: Respond,
    rounds: Sequence[tuple[str, ...]],
    cases: Sequence[JudgeCase],
    key: jax.Array,
    *,
    group_size: int = 1,
    both_orders: bool = False,
) -> Heard:
    """Holds the conversations about each case, a second time where a part got no verdict; then it has none.

    A verdict of the first time stands. Parts that a case lacks are asked about with the rest, but not a second time.
    All verdicts but the one in the other order are those that there would be without it.

    Args:
        respond: the judge.
        rounds: of each conversation about a case, see `judging.conversations`.
        cases: those about one prompt stand together; they may be arriving.
        key: a fresh one for every call.
        group_size: cases a prompt.
        both_orders: ask about responses in the other order too.
    """
    first_key, second_key = jax.random.split(key)

    def about(_: int, case: JudgeCase) -> list[Conversation]:
        return [Conversation(case, tags, both_orders and RESPONSE in tags) for tags in rounds]

    asked = spread(about, cases, each=len(rounds))
    replies = respond(asked, first_key, group_size=group_size * len(rounds))
    heard = [_read(one.tags, texts) for one, texts in zip(asked, replies, strict=True)]
    unread = [index for index, one in enumerate(asked) if _lacks_verdict(one, one.tags, heard[index])]
    # Noise goes by the place in a call: those that are asked again in any case come where they always come.
    unread.sort(key=lambda index: not _lacks_verdict(asked[index], asked[index].rounds, heard[index]))
    if unread:
        again = respond([asked[index] for index in unread], second_key, group_size=1, retry=True)
        for index, texts in zip(unread, again, strict=True):
            second = _read(asked[index].tags, texts)
            heard[index] = {tag: second[tag] if old is None else old for tag, old in heard[index].items()}
    merged: list[dict[str, Verdict]] = [{} for _ in cases]
    for index, verdicts in enumerate(heard):
        merged[index // len(rounds)] |= verdicts
    return Heard(merged, len(unread))


class GenerativeJudge:
    """Rates completions by asking one or more models.

    The two answers of a completion, the reference and its own, are shown in an order drawn from the key, and the
    verdict is turned back. A step that is missing and a response that is empty are wrong, whatever the models say. A
    part whose verdict can't be read even the second time counts 0. With `both_orders` the answers are shown in the
    other order too, and a preference counts only where it is the same in both: a response that gets two different
    ones, or only one, counts 0.

    What it logs, over the parts that were there:

    - judge/unparsed: parts without a verdict at last; a response that lacks it in either order is one;
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

    def __init__(self, format: ReasoningFormat, models: Mapping[JudgeKind, Respond], *, both_orders: bool = False):
        self.format = format
        self.models = dict(models)
        self.both_orders = both_orders
        self.step_names = format.tags[:-1]

    def __call__(self, completions: Sequence[Completion], key: jax.Array) -> Verdicts:
        order_key, *keys = jax.random.split(key, 1 + len(self.models))
        swapped = np.asarray(jax.random.bernoulli(order_key, shape=(len(completions),)))
        cases = spread(
            lambda index, completion: [case_of(completion, self.format, swapped=bool(swapped[index]))], completions
        )
        verdicts: list[dict[str, Verdict]] = [{} for _ in range(len(cases))]  # which may be still arriving
        retried = 0
        for (kind, respond), model_key in zip(self.models.items(), keys, strict=True):
            rounds, group_size = rounds_with(respond, kind, self.format), group_size_of(completions)
            heard = hear(respond, rounds, cases, model_key, group_size=group_size, both_orders=self.both_orders)
            retried += heard.retried
            for said, more in zip(verdicts, heard.verdicts, strict=True):
                said |= more
        steps = [
            [_step_score(case, said, tag) for tag in self.step_names]
            for case, said in zip(cases, verdicts, strict=True)
        ]
        response = [
            _response_score(completion, _preference(said), bool(swap))
            for completion, said, swap in zip(completions, verdicts, swapped, strict=True)
        ]
        return Verdicts(
            np.array(steps, np.int32).reshape(-1, len(self.step_names)),
            np.array(response, np.int32),
            _diagnostics(cases, verdicts, retried),
        )


def case_of(completion: Completion, format: ReasoningFormat, *, swapped: bool = False) -> JudgeCase:
    """What a judge is shown of a completion: the reference first and the output second, or the other way round."""
    record, turn = completion.record, completion.turn
    steps = {tag: format.section(turn, tag, record.language) for tag in format.tags[:-1]}
    case = JudgeCase(record.language, record.history, steps, (record.reference.response, turn.response))
    return case.swapped() if swapped else case


def group_size_of(completions: Sequence[Completion]) -> int:
    """The most completions a group may have, when every group is of one prompt and all are of one size."""
    if isinstance(completions, Arriving):
        return completions.group_size
    runs = [len(list(run)) for _, run in groupby(completion.record.id for completion in completions)]
    return math.gcd(*runs) or 1


def _read(tags: Sequence[str], replies: Sequence[str]) -> dict[str, Verdict]:
    return {
        tag: parse_preference(reply) if tag in (RESPONSE, SWAPPED) else parse_step_verdict(reply)
        for tag, reply in zip(tags, replies, strict=True)
    }


def _is_there(case: JudgeCase, tag: str) -> bool:
    """Whether the case has what is asked about under `tag`; for the response, both answers."""
    texts = case.responses if tag in (RESPONSE, SWAPPED) else (case.steps.get(tag, ""),)
    return all(text.strip() for text in texts)


def _lacks_verdict(conversation: Conversation, tags: Sequence[str], verdicts: Mapping[str, Verdict]) -> bool:
    """Whether one of these parts, which the case has, got no verdict."""
    return any(verdicts[tag] is None and _is_there(conversation.case, tag) for tag in tags)


def _preference(verdicts: Mapping[str, Verdict]) -> Preference | None:
    """What counts as the judge's preference, in the order drawn; None where it has none, or another in each order."""
    drawn = verdicts[RESPONSE]
    return drawn if SWAPPED not in verdicts or orders_agree(drawn, verdicts[SWAPPED]) else None


def _step_score(case: JudgeCase, verdicts: Mapping[str, Verdict], tag: str) -> int:
    if not _is_there(case, tag):
        return -1
    return {True: 1, False: -1, None: 0}[verdicts[tag]]


def _response_score(completion: Completion, verdict: Preference | None, swapped: bool) -> int:
    if not completion.turn.response.strip():
        return -1
    if verdict is None:
        return 0
    # "second" is the output, once the order drawn is undone.
    return 1 if (swap_preference(verdict) if swapped else verdict) in ("second", "similar") else -1


def _diagnostics(
    cases: Sequence[JudgeCase], verdicts: Sequence[Mapping[str, Verdict]], retried: int
) -> dict[str, float]:
    there = [
        {tag: verdict for tag, verdict in said.items() if _is_there(case, tag)}
        for case, said in zip(cases, verdicts, strict=True)
    ]
    steps = [verdict for said in there for tag, verdict in said.items() if tag not in (RESPONSE, SWAPPED)]
    responses = [said for said in there if RESPONSE in said]
    shown = [said[RESPONSE] for said in responses]
    both_orders = any(SWAPPED in said for said in verdicts)
    swapped = [said[SWAPPED] for said in responses] if both_orders else None
    order = order_report(shown, swapped)
    known = [verdict for verdict in steps if verdict is not None]
    shares = {
        "judge/true_share": sum(known) / len(known) if known else None,
        "judge/first_share": order.first_share,
        "judge/order_agreement": order.same,
    }
    pairs = list(zip(shown, swapped if both_orders else shown, strict=True))
    counts = {"judge/unparsed": steps.count(None) + sum(None in pair for pair in pairs), "judge/retried": retried}
    if both_orders:
        counts["judge/order_disagreed"] = [orders_agree(*pair) for pair in pairs].count(False)
    return {name: float(value) for name, value in (counts | shares).items() if value is not None}
