"""Conversations with judges that are language models: what is asked about a case, and the verdicts in the replies.

Who replies, a model in this process or a server, is behind `JudgeModel`. A part whose reply has no verdict is asked
about a second time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

import jax

from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.judging import JudgeCase, JudgeKind, Preference, conversations
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.streaming import stream_map

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


class JudgeModel(Protocol):
    """A model that holds conversations as the judge: in this process, or behind a server.

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


def rounds_with(model: JudgeModel, kind: JudgeKind, format: ReasoningFormat) -> tuple[tuple[str, ...], ...]:
    """The rounds of each conversation about an output: as the judge's card has them, else as its kind does."""
    card: JudgeCard | None = getattr(model, "card", None)
    return conversations(kind, format) if card is None else card.conversations


def fitted_to(model: JudgeModel) -> Callable[[JudgeCase], JudgeCase]:
    """What the judge can be shown of a case: each part whole, or "" in its place where that is too long for it."""
    return getattr(model, "fitted", lambda case: case)


class CaseVerdicts(NamedTuple):
    """Verdicts from conversations about some cases.

    Attributes:
        shown: the cases as the judge was shown them, see `fitted_to`.
        verdicts: for each case, by tag; on responses as they were shown, under `SWAPPED` in the other order.
        faults: for each case, why there is no verdict, by tag.
        replies: for each case, what was read, by tag.
        retried: conversations that were held twice.
    """

    shown: Sequence[JudgeCase]
    verdicts: list[dict[str, Verdict]]
    faults: list[dict[str, Fault]]
    replies: list[dict[str, Answer]]
    retried: int


class _Reading(NamedTuple):
    """What a reply says: a verdict, or None and why."""

    reply: Answer
    verdict: Verdict
    fault: Fault | None


def ask_judge(
    model: JudgeModel,
    rounds: Sequence[tuple[str, ...]],
    cases: Sequence[JudgeCase],
    key: jax.Array,
    *,
    group_size: int = 1,
    both_orders: bool = False,
) -> CaseVerdicts:
    """Holds the conversations about each case, a second time where a part got no verdict; then it has none.

    Only a whole reply has a verdict. A verdict of the first time stands. Parts that a case lacks are asked about with
    the rest, but not a second time. So are parts that the judge can't be shown whole, as if they were lacking; whatever
    it says, they have no verdict. All verdicts but the one in the other order are those that there would be without it.

    Args:
        model: the judge.
        rounds: of each conversation about a case, see `judging.conversations`.
        cases: those about one prompt stand together; they may be a stream.
        key: a fresh one for every call.
        group_size: cases a prompt.
        both_orders: ask about responses in the other order too.
    """
    first_key, second_key = jax.random.split(key)
    fitted = fitted_to(model)
    shown = stream_map(lambda _, case: [fitted(case)], cases)

    def about(_: int, case: JudgeCase) -> list[Conversation]:
        return [Conversation(case, tags, both_orders and RESPONSE in tags) for tags in rounds]

    asked = stream_map(about, shown, each=len(rounds))
    replies = model(asked, first_key, group_size=group_size * len(rounds))
    readings = [_read_replies(one.tags, texts) for one, texts in zip(asked, replies, strict=True)]
    unread = [index for index, one in enumerate(asked) if _lacks_verdict(one, one.tags, readings[index])]
    # Noise goes by the place in a call: those that are asked again in any case come where they always come.
    unread.sort(key=lambda index: not _lacks_verdict(asked[index], asked[index].rounds, readings[index]))
    if unread:
        again = model([asked[index] for index in unread], second_key, group_size=1, retry=True)
        for index, texts in zip(unread, again, strict=True):
            second = _read_replies(asked[index].tags, texts)
            readings[index] = {tag: second[tag] if old.fault else old for tag, old in readings[index].items()}
    merged: list[dict[str, _Reading]] = [{} for _ in cases]
    for index, said in enumerate(readings):
        merged[index // len(rounds)] |= said
    for case, as_shown, said in zip(cases, shown, merged, strict=True):
        too_long = [tag for tag in said if has_part(case, tag) and not has_part(as_shown, tag)]
        said |= {tag: _Reading(said[tag].reply, None, "too_long") for tag in too_long}
    return CaseVerdicts(
        shown,
        [{tag: one.verdict for tag, one in said.items()} for said in merged],
        [{tag: one.fault for tag, one in said.items() if one.fault} for said in merged],
        [{tag: one.reply for tag, one in said.items()} for said in merged],
        len(unread),
    )


def has_part(case: JudgeCase, tag: str) -> bool:
    """Whether the case has what is asked about under `tag`; for the response, both answers."""
    texts = case.responses if tag in (RESPONSE, SWAPPED) else (case.steps.get(tag, ""),)
    return all(text.strip() for text in texts)


def _read_replies(tags: Sequence[str], replies: Sequence[Answer]) -> dict[str, _Reading]:
    return {tag: _read_reply(tag, reply) for tag, reply in zip(tags, replies, strict=True)}


def _read_reply(tag: str, reply: Answer) -> _Reading:
    if not reply.whole:
        return _Reading(reply, None, reply.ending)
    verdict = parse_preference(reply.text) if tag in (RESPONSE, SWAPPED) else parse_step_verdict(reply.text)
    return _Reading(reply, verdict, "unclear" if verdict is None else None)


def _lacks_verdict(conversation: Conversation, tags: Sequence[str], said: Mapping[str, _Reading]) -> bool:
    """Whether one of these parts, which the case has, got no verdict."""
    return any(said[tag].fault and has_part(conversation.case, tag) for tag in tags)
