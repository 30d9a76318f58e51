"""Judges that are language models: what they are asked about completions, and how their replies become verdicts.

UnifiReward is one model that rates the steps and then the response in one conversation. PRM and ORM are two: the first
rates each step in a conversation of its own, the second the response. Who replies, a model in this process or a server,
is behind `Respond`. The two responses are shown in an order drawn by chance, or in both orders one after the other.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, Protocol, get_args

import jax
import numpy as np

from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.judging import (
    JudgeCase,
    JudgeKind,
    Preference,
    conversations,
    swap_preference,
)
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict
from compeer_jax.errors import UserError
from compeer_jax.rewards.answer_order import order_report, orders_agree
from compeer_jax.rewards.arriving import Arriving, spread
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.reward import Completion

Verdict = bool | Preference | None
"""On a step: right or wrong. On two responses as they were shown: which is better. None where none can be read."""

Fault = Literal["cut", "refused", "silent", "thinking", "unclear", "too_long"]
"""Why there is no verdict: the reply is not whole (`chat.types.Ending`), it is whole and has none, or the part could
not be shown whole, so that nobody was asked."""

FAULTS: tuple[Fault, ...] = get_args(Fault)

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

    One that was trained to be asked in a certain way has a `card`, see `rounds_with`; one that can't read parts of any
    length says so by a method `fitted`, see `fitted_to`.
    """

    def __call__(
        self, conversations: Sequence[Conversation], key: jax.Array, *, group_size: int, retry: bool = False
    ) -> list[tuple[Answer, ...]]:
        """The replies of each conversation, whole or not, one for each of its `tags`.

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


def fitted_to(respond: Respond) -> Callable[[JudgeCase], JudgeCase]:
    """What the judge can be shown of a case: each part whole, or "" in its place where that is too long for it."""
    return getattr(respond, "fitted", lambda case: case)


class Heard(NamedTuple):
    """What came out of conversations about some cases.

    Attributes:
        shown: the cases as the judge was shown them, see `fitted_to`.
        verdicts: for each case, by tag; on responses as they were shown, under `SWAPPED` in the other order.
        faults: for each case, why there is no verdict, by tag.
        retried: conversations that were held twice.
    """

    shown: Sequence[JudgeCase]
    verdicts: list[dict[str, Verdict]]
    faults: list[dict[str, Fault]]
    retried: int


class _Said(NamedTuple):
    """What a reply says: a verdict, or None and why."""

    verdict: Verdict
    fault: Fault | None


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

    Only a whole reply has a verdict. A verdict of the first time stands. Parts that a case lacks are asked about with
    the rest, but not a second time. So are parts that the judge can't be shown whole, as if they were lacking; whatever
    it says, they have no verdict. All verdicts but the one in the other order are those that there would be without it.

    Args:
        respond: the judge.
        rounds: of each conversation about a case, see `judging.conversations`.
        cases: those about one prompt stand together; they may be arriving.
        key: a fresh one for every call.
        group_size: cases a prompt.
        both_orders: ask about responses in the other order too.
    """
    first_key, second_key = jax.random.split(key)
    fitted = fitted_to(respond)
    shown = spread(lambda _, case: [fitted(case)], cases)

    def about(_: int, case: JudgeCase) -> list[Conversation]:
        return [Conversation(case, tags, both_orders and RESPONSE in tags) for tags in rounds]

    asked = spread(about, shown, each=len(rounds))
    replies = respond(asked, first_key, group_size=group_size * len(rounds))
    heard = [_read(one.tags, texts) for one, texts in zip(asked, replies, strict=True)]
    unread = [index for index, one in enumerate(asked) if _lacks_verdict(one, one.tags, heard[index])]
    # Noise goes by the place in a call: those that are asked again in any case come where they always come.
    unread.sort(key=lambda index: not _lacks_verdict(asked[index], asked[index].rounds, heard[index]))
    if unread:
        again = respond([asked[index] for index in unread], second_key, group_size=1, retry=True)
        for index, texts in zip(unread, again, strict=True):
            second = _read(asked[index].tags, texts)
            heard[index] = {tag: second[tag] if old.fault else old for tag, old in heard[index].items()}
    merged: list[dict[str, _Said]] = [{} for _ in cases]
    for index, said in enumerate(heard):
        merged[index // len(rounds)] |= said
    for case, as_shown, said in zip(cases, shown, merged, strict=True):
        said |= {tag: _Said(None, "too_long") for tag in said if is_there(case, tag) and not is_there(as_shown, tag)}
    return Heard(
        shown,
        [{tag: one.verdict for tag, one in said.items()} for said in merged],
        [{tag: one.fault for tag, one in said.items() if one.fault} for said in merged],
        len(unread),
    )


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

    def __init__(self, format: ReasoningFormat, models: Mapping[JudgeKind, Respond], *, both_orders: bool = False):
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
        cases = spread(
            lambda index, completion: [case_of(completion, self.format, swapped=bool(swapped[index]))], completions
        )
        heard = []
        for (kind, respond), model_key in zip(self.models.items(), keys, strict=True):
            rounds, group_size = rounds_with(respond, kind, self.format), group_size_of(completions)
            heard.append(hear(respond, rounds, cases, model_key, group_size=group_size, both_orders=self.both_orders))
        rated = [_Rated(case) for case in cases]
        for by_model in heard:
            for one, shown, verdicts, faults in zip(rated, *by_model[:3], strict=True):
                one.shown |= dict.fromkeys(verdicts, shown)
                one.verdicts |= verdicts
                one.faults |= faults
        _check_anything_said(rated)
        steps = [[one.step_score(tag) for tag in self.step_names] for one in rated]
        response = [one.response_score(bool(swap)) for one, swap in zip(rated, swapped, strict=True)]
        return Verdicts(
            np.array(steps, np.int32).reshape(-1, len(self.step_names)),
            np.array(response, np.int32),
            _diagnostics(rated, sum(one.retried for one in heard)),
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
        return is_there(self.shown[tag], tag)

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
    if isinstance(completions, Arriving):
        return completions.group_size
    runs = [len(list(run)) for _, run in groupby(completion.record.id for completion in completions)]
    return math.gcd(*runs) or 1


def is_there(case: JudgeCase, tag: str) -> bool:
    """Whether the case has what is asked about under `tag`; for the response, both answers."""
    texts = case.responses if tag in (RESPONSE, SWAPPED) else (case.steps.get(tag, ""),)
    return all(text.strip() for text in texts)


def _read(tags: Sequence[str], replies: Sequence[Answer]) -> dict[str, _Said]:
    return {tag: _said(tag, reply) for tag, reply in zip(tags, replies, strict=True)}


def _said(tag: str, reply: Answer) -> _Said:
    if not reply.whole:
        return _Said(None, reply.ending)
    verdict = parse_preference(reply.text) if tag in (RESPONSE, SWAPPED) else parse_step_verdict(reply.text)
    return _Said(verdict, "unclear" if verdict is None else None)


def _lacks_verdict(conversation: Conversation, tags: Sequence[str], said: Mapping[str, _Said]) -> bool:
    """Whether one of these parts, which the case has, got no verdict."""
    return any(said[tag].fault and is_there(conversation.case, tag) for tag in tags)


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
    asked = [(fault, is_there(one.case, tag)) for one in rated for tag, fault in one.faults.items()]
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
    if not is_there(one.case, tag):
        return None
    return one.faults.get(tag) or (one.faults.get(SWAPPED) if tag == RESPONSE else None)
