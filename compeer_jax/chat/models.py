"""Chat models by name, in this process or behind a server, and one way to ask both.

    models = ChatModels({"qwen": ChatModelConfig(path="Qwen2.5-7B-Instruct")}, folder=..., say=print)
    for item, answer in ask_each(models["qwen"], items, messages_of, parse):
        ...  # Parsed(value, draw), or SetAside(reason, text) when no try gave what was asked for

Answers are kept on disk as they come: who asks again, in this process or the next, gets what was answered before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.reply import Answer
from compeer_jax.errors import UserError, require_at_least, unknown

Message = Mapping[str, Any]
Item = TypeVar("Item")
Value = TypeVar("Value")

CHUNK = 512  # requests that are under way together
PLACES = 9  # decimals of costs
RETRY_TEMPERATURE = 1.0  # of further draws from a model whose temperature is 0


class ChatRequest(NamedTuple):
    """One question to a model.

    Attributes:
        messages: `{"role", "content"}`, ending with the user.
        draw: another number is another answer to the same messages.
    """

    messages: Sequence[Message]
    draw: int = 0


@runtime_checkable
class ChatModel(Protocol):
    """A model that answers chats.

    Attributes:
        name: what provenance calls it.
        settings: what its answers depend on beside the messages, as plain values: which weights or which server and
            model, temperature, seed, longest answer.
        spent: what all answers given out so far cost, those that were kept from earlier runs included.
    """

    name: str
    settings: Mapping[str, Any]
    spent: "Spent"

    def check(self) -> None:
        """Makes sure, before long work, that the model can be asked; UserError if not."""

    def answer(self, requests: Sequence[ChatRequest]) -> list[Answer | None]:
        """The reply to each request, whole or not, in their order; None where there is none to be had for this one."""

    def close(self) -> None:
        """Gives back what the model holds."""


@dataclass(frozen=True)
class Spent:
    """What answers cost: their number, the tokens read and written, and the price of those in the config's currency."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @classmethod
    def on(cls, answers: Iterable[Answer | None], config: "ChatModelConfig") -> "Spent":
        """What those answers cost that there are, at the model's prices."""
        there = [answer for answer in answers if answer is not None]
        read = sum(answer.prompt_tokens for answer in there)
        written = sum(answer.completion_tokens for answer in there)
        cost = (read * config.prompt_price + written * config.completion_price) / 1e6
        return cls(len(there), read, written, round(cost, PLACES))

    def __add__(self, other: "Spent") -> "Spent":
        return self._with(other, 1)

    def __sub__(self, other: "Spent") -> "Spent":
        return self._with(other, -1)

    def _with(self, other: "Spent", sign: int) -> "Spent":
        answers, read, written, cost = (
            getattr(self, name) + sign * getattr(other, name) for name in self.__dataclass_fields__
        )
        return Spent(answers, read, written, round(cost, PLACES))  # so that (a + b) - a is b, to the last digit


class Malformed(Exception):
    """An answer that is not what was asked for. Its text says why, in the same few words for the same fault."""


@dataclass(frozen=True)
class Parsed(Generic[Value]):
    """What an answer said, and which try it was, from 0."""

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
    heard: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Item, Parsed[Value] | SetAside]]:
    """Asks the model about each item, and yields the items with what it said, in their order.

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
        heard: told how many items are answered so far.
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
        heard(done)
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


@dataclass(frozen=True)
class LocalChatConfig:
    """How a model in this process answers.

    Args:
        dtype: type of the weights and of the computation.
        temperature: of the draws; 0 takes the likeliest token.
        top_p: draws come from the smallest set of tokens with this probability.
        max_tokens: longest answer.
        batch_size: chats answered together; it changes answers no more than rounding does.
        seed: of the draws.
        scan_layers: compile one layer and loop over it; slower on CPUs, quicker to compile.
    """

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    batch_size: int = 32
    seed: int = 0
    scan_layers: bool = False

    def __post_init__(self):
        require_at_least(1, self, "a chat model's local.", "max_tokens", "batch_size")
        require_at_least(0, self, "a chat model's local.", "temperature")
        if not 0 < self.top_p <= 1:
            raise UserError(f"a chat model's local.top_p is {self.top_p}; it must be above 0 and at most 1 (off).")


@dataclass(frozen=True)
class ChatModelConfig:
    """One chat model: a Hugging Face directory in this process, or a model behind a server.

    Args:
        path: the directory; "" for a server.
        local: how it answers, if it is in this process.
        server: where it is and how it answers, if it is behind a server.
        prompt_price: of a million tokens that it reads, in a currency of yours.
        completion_price: of a million tokens that it writes.
    """

    path: str = ""
    local: LocalChatConfig = field(default_factory=LocalChatConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self):
        require_at_least(0, self, "a chat model's ", "prompt_price", "completion_price")
        if not self.path and not self.server.model:
            raise UserError("a chat model needs a path, or server.url and server.model; give one.")


def open_chat_model(name: str, config: ChatModelConfig, *, folder, say: Callable[[str], None]) -> ChatModel:
    """The model that a config describes, ready to be asked.

    Args:
        name: what provenance calls it.
        config: the model.
        folder: where its answers are kept; None keeps them in memory.
        say: told a line when a server goes away or comes back.

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
        folder: where answers are kept.
        say: told a line when a server goes away or comes back.
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
        """What all models' answers cost so far."""
        return sum((model.spent for model in self._open.values()), Spent())

    def close(self) -> None:
        """Closes those that were opened."""
        for model in self._open.values():
            model.close()
        self._open.clear()
