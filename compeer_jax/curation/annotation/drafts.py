"""Chat models as annotators: each item in a chat of its own, with the judge's prompt.

Their votes are drafts, always marked as a model's. A model finds its own words good, so its own are not shown to it. It
is known by what it is, not by what the settings call it: by its name at the server or that of its directory, without
owner and case ("Qwen/Qwen2.5-7B-Instruct" at one server is "qwen2.5-7b-instruct" at another), or by the contents of its
directory. Several sizes or versions of a family are several models.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from compeer_jax.chat.models import Malformed, SetAside
from compeer_jax.curation.annotation.items import Task
from compeer_jax.curation.annotation.votes import MODEL, Vote
from compeer_jax.curation.asking import StageModel
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.judging import judge_messages, swap_preference
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.verdicts import critique_of_step, parse_preference, parse_step_verdict

_ANY = ("", "model", "checkpoint", "latest", "export", "exported", "merged")  # directories that are called alike


class Item(NamedTuple):
    """A question about a task: the step, or the replies."""

    task: Task
    tag: str


def draft_votes(
    asker: StageModel, name: str, tasks: Iterable[Task], format: ReasoningFormat, *, prompt: str, count: int
) -> Iterator[tuple[Item, Vote | SetAside]]:
    """A model's vote on each item, or its last words where no try gave a verdict."""

    def messages(item: Item) -> Sequence[dict]:
        case = asker.pictured(item.task.case(format), item.task.candidate.id)
        return judge_messages(case, (item.tag,), prompt=prompt, pictures=True)

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
    total = count * len(format.tags)
    for item, answer in asker.ask(items, messages, parse, title=f"annotation, {name}", total=total):
        yield item, answer if isinstance(answer, SetAside) else answer.value


def critique_of(tag: str, text: str) -> str:
    """What a judge says before its verdict; "" for replies, which it names in an order of its own."""
    return "" if tag == RESPONSE else critique_of_step(text)


def identities(settings: Mapping[str, Any], nickname: str) -> frozenset[str]:
    """What a chat model can be known by.

    Args:
        settings: of the model, as its answers' provenance has them: "model" its name, "weights" its fingerprint.
        nickname: what the settings call it; counts where they say nothing else.
    """
    found = set()
    parts = str(settings.get("model") or "").casefold().rstrip("/").split("/")
    if parts[-1] not in _ANY:
        found.add(f"name {parts[-1]}")
    elif len(parts) > 1:
        found.add(f"name {'/'.join(parts[-2:])}")
    if settings.get("weights"):
        found.add(f"weights {settings['weights']}")
    return frozenset(found or {f"nickname {nickname.casefold()}"})


def written_by(judge: frozenset[str], authors: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Which of the authors, by nickname, the judge is."""
    return frozenset(name for name, known in authors.items() if known & judge)


def too_few(authors: Iterable[str], own: Mapping[str, frozenset[str]], annotators: int) -> list[str]:
    """The authors whose candidates fewer than `annotators` models may judge, where there would be enough of them.

    Args:
        own: judge -> authors that it is.
    """
    others = {author: sum(author not in is_it for is_it in own.values()) for author in authors}
    return [author for author, count in others.items() if count < annotators <= len(own)]
