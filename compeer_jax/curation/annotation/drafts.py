"""Chat models as annotators: each item in a chat of its own, with the judge's prompt. Their votes are drafts, always
marked as a model's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from compeer_jax.chat.models import Malformed, SetAside, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.curation.annotation.items import Task
from compeer_jax.curation.annotation.votes import MODEL, Vote
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.judging import judge_messages, swap_preference
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import critique_of_step, parse_preference, parse_step_verdict


class Item(NamedTuple):
    """A question about a task: the step, or the replies."""

    task: Task
    tag: str


def draft_votes(
    model: ChatModel,
    name: str,
    tasks: Iterable[Task],
    format: ReasoningFormat,
    *,
    prompt: str,
    tries: int,
    heard: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Item, Vote | SetAside]]:
    """A model's vote on each item, or its last words where no try gave a verdict.

    Args:
        model: who judges.
        name: what it is called as an annotator, behind "model:".
        tasks: what is judged, as people are shown it.
        format: of the reasoning.
        prompt: name of the judge's prompt.
        tries: most times that it is asked about an item.
        heard: told how many items are answered so far.
    """

    def messages(item: Item) -> Sequence[dict]:
        return judge_messages(item.task.case(format), (item.tag,), prompt=prompt)

    def parse(item: Item, text: str) -> Vote:
        value = (parse_preference if item.tag == RESPONSE else parse_step_verdict)(text)
        if value is None:
            raise Malformed("no verdict")
        if why := why_withheld(text):
            raise Malformed(why)
        if item.tag == RESPONSE and item.task.swapped:
            value = swap_preference(value)
        return Vote(item.task.candidate.id, item.tag, MODEL + name, value, critique=critique_of(item.tag, text))

    items = (Item(task, tag) for task in tasks for tag in format.tags)
    for item, answer in ask_each(model, items, messages, parse, tries=tries, progress=heard):
        yield item, answer if isinstance(answer, SetAside) else answer.value


def critique_of(tag: str, text: str) -> str:
    """What a judge says before its verdict; "" for replies, which it names in an order of its own."""
    return "" if tag == RESPONSE else critique_of_step(text)
