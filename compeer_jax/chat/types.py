"""Types of chats with a model: requests, answers with how they ended, what they cost, and the model's protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.dialogue.thoughts import spoken

PLACES = 9  # decimals of costs
RETRY_TEMPERATURE = 1.0  # of further draws from a model whose temperature is 0

Message = Mapping[str, Any]
"""`{"role", "content"}`; the content is text, or parts of which some are text."""

Ending = Literal["whole", "cut", "refused", "silent", "thinking"]
"""How a reply ended. Only a whole one is an answer, and has a verdict.

- whole: the model came to its end, and there are words;
- cut: it was broken off, at the most tokens that it may write or by its server;
- refused: the model or its server won't answer;
- silent: there are no words in it;
- thinking: there are thoughts and nothing else, or thoughts without an end.
"""

WHY_NOT: Mapping[Ending, str] = {
    "cut": "a reply that was cut off",
    "refused": "a refusal",
    "silent": "an empty reply",
    "thinking": "thoughts without an end",
}
"""What is wrong with a reply that is no answer, in a few words."""


class ChatRequest(NamedTuple):
    """One question to a model.

    Attributes:
        messages: `{"role", "content"}`, ending with the user.
        draw: another number is another answer to the same messages.
    """

    messages: Sequence[Message]
    draw: int = 0


class Answer(NamedTuple):
    """Answer of a chat model: its words, how they ended, and their cost.

    Attributes:
        written: all of it, thoughts included.
        prompt_tokens: read by the model.
        completion_tokens: written by it.
        ended: how it ended, as far as whoever ran the model knows; see `ending`.
    """

    written: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ended: Ending = "whole"

    @property
    def text(self) -> str:
        """What it says: the words after its thoughts, "" when these have no end."""
        return spoken(self.written).text

    @property
    def ending(self) -> Ending:
        """How it ended, what is written considered too."""
        said = spoken(self.written)
        if self.ended in ("refused", "thinking"):
            return self.ended
        if said.open or (said.thoughts and not said.text.strip()):
            return "thinking"
        return "silent" if self.ended == "whole" and not said.text.strip() else self.ended

    @property
    def whole(self) -> bool:
        """Whether it is an answer: it came to its end, and there are words."""
        return self.ending == "whole"

    @property
    def fault(self) -> str:
        """What is wrong with a reply that is no answer, in a few words; "" for an answer."""
        return WHY_NOT.get(self.ending, "")


@dataclass(frozen=True)
class Spent:
    """Cost of answers: their number, the tokens read and written, and the price of those in the config's currency."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @classmethod
    def on(cls, answers: Iterable[Answer | None], config: ChatModelConfig) -> "Spent":
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
    spent: Spent

    def check(self) -> None:
        """Makes sure, before long work, that the model can be asked; UserError if not."""

    def answer(self, requests: Sequence[ChatRequest]) -> list[Answer | None]:
        """The reply to each request, whole or not, in their order; None where there is none to be had for this one."""

    def close(self) -> None:
        """Gives back what the model holds."""
