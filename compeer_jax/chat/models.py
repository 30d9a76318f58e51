"""Chat models by name, in this process or behind a server, and one way to ask both.

    models = ChatModels({"qwen": ChatModelConfig(path="Qwen2.5-7B-Instruct")}, folder=..., say=print)
    for item, answer in ask_each(models["qwen"], items, messages_of, parse):
        ...  # Parsed(value, draw), or SetAside(reason, text) when no try gave what was asked for

Answers are kept on disk as they come: who asks again, in this process or the next, gets what was answered before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.types import Answer, ChatModel, ChatRequest, Message, Spent
from compeer_jax.errors import unknown

Item = TypeVar("Item")
Value = TypeVar("Value")

CHUNK = 512  # requests that are under way together


class Malformed(Exception):
    """An answer that is not what was asked for. Its text says why, in the same few words for the same fault."""


@dataclass(frozen=True)
class Parsed(Generic[Value]):
    """Parsed answer, and the number of its try, from 0."""

    value: Value
    draw: int


@dataclass(frozen=True)
class SetAside:
    """No try gave what was asked for: why the last one didn't, and its text."""

    reason: str
    text: str


def ask_each(
    model: ChatModel,
    items: Iterable[Item],
    messages: Callable[[Item], Sequence[Message]],
    parse: Callable[[Item, str], Value],
    *,
    tries: int = 2,
    chunk: int = CHUNK,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Item, Parsed[Value] | SetAside]]:
    """Answers to a question about each item, as pairs of item and answer in the items' order.

    Replies that are not whole, and answers that `parse` refuses, are asked for again, each time as another draw. Items
    are taken `chunk` at a time, so any number of them can be streamed through.

    Args:
        model: who answers.
        items: whatever is asked about.
        messages: an item's chat.
        parse: what an answer to an item says; raises Malformed for an answer that is not what was asked for.
        tries: most times that an item is asked about.
        chunk: how many items are taken at a time. It decides what an in-process model computes together, so the
            same answers need the same chunk.
        progress: called with how many items are answered so far.
    """
    items, done = iter(items), 0
    while taken := list(islice(items, chunk)):
        chats = [messages(item) for item in taken]
        results: list[Parsed[Value] | SetAside | None] = [None] * len(taken)
        waiting = list(range(len(taken)))
        for draw in range(tries):
            if not waiting:
                break
            answers = model.answer([ChatRequest(chats[index], draw) for index in waiting])
            for index, answer in zip(waiting, answers, strict=True):
                results[index] = _read(taken[index], answer, parse, draw)
            waiting = [index for index in waiting if isinstance(results[index], SetAside)]
        done += len(taken)
        progress(done)
        yield from zip(taken, results, strict=True)


def _read(item, answer: Answer | None, parse, draw: int):
    if answer is None:
        return SetAside("no reply", "")
    if not answer.whole:
        return SetAside(answer.fault, answer.written)
    try:
        return Parsed(parse(item, answer.text), draw)
    except Malformed as fault:
        return SetAside(str(fault), answer.written)


def open_chat_model(name: str, config: ChatModelConfig, *, folder, say: Callable[[str], None]) -> ChatModel:
    """The model that a config describes, ready to be asked.

    Args:
        name: what provenance calls it.
        config: the model.
        folder: where its answers are stored; None: in memory.
        say: called with a line when a server goes away or comes back.

    Raises:
        UserError: the directory holds no model that can be read, or a package is not installed.
    """
    if config.path:
        from compeer_jax.chat.local import LocalChat

        return LocalChat(name, config, folder=folder, say=say)
    from compeer_jax.chat.served import ServedChat

    return ServedChat(name, config, folder=folder, say=say)


class ChatModels(Mapping[str, ChatModel]):
    """Chat models by the names that a config gives them, each opened when it is first asked for.

    Args:
        configs: name -> model.
        folder: where answers are stored.
        say: called with a line when a server goes away or comes back.
    """

    def __init__(self, configs: Mapping[str, ChatModelConfig], *, folder, say: Callable[[str], None]):
        self.configs, self.folder, self.say = dict(configs), folder, say
        self._open: dict[str, ChatModel] = {}

    def __getitem__(self, name: str) -> ChatModel:
        if name not in self.configs:
            raise unknown("chat model", name, self.configs, "models")
        if name not in self._open:
            self._open[name] = open_chat_model(name, self.configs[name], folder=self.folder, say=self.say)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.configs)

    def __len__(self) -> int:
        return len(self.configs)

    def spent(self) -> Spent:
        """Cost of all models' answers so far."""
        return sum((model.spent for model in self._open.values()), Spent())

    def close(self) -> None:
        """Closes those that were opened."""
        for model in self._open.values():
            model.close()
        self._open.clear()
