"""A chat model behind a server, as stages of the data pipeline ask it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.server import ChatServer
from compeer_jax.chat.types import RETRY_TEMPERATURE, Answer, ChatRequest, Spent


class ServedChat:
    """A `ChatModel` that passes requests on to a `ChatServer`, as many at once as its config allows.

    Args:
        name: what provenance calls it.
        config: where it is, how to ask, and its prices.
        folder: where answers are stored when the config names no folder; with neither, they stay in memory.
        say: called with one line when the server goes away and one when it is back.

    Attributes:
        server: with `usage`, what was asked and answered so far.

    Raises:
        UserError: a package that it needs is not installed, or the folder can't be written.
    """

    def __init__(self, name: str, config: ChatModelConfig, *, folder: str | Path | None, say: Callable[[str], None]):
        self.name, self.config, self.spent = name, config, Spent()
        self.server = ChatServer(config.server, say=say, folder=folder, name=name, skip_refused=True)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The server, the model there, and how it draws."""
        server = self.config.server
        return {
            "url": str(server.url),
            "model": server.model,
            "temperature": server.temperature,
            "max_tokens": server.max_tokens,
            "seed": server.seed,
            "extra": dict(server.extra),
            **({"pictures": asdict(server.pictures)} if server.pictures.most else {}),
        }

    def check(self) -> None:
        """One quick request; ServerGone, a UserError, when the server can't be used."""
        self.server.check()

    def answer(self, requests: Sequence[ChatRequest]) -> list[Answer | None]:
        """The answer to each request, in their order; None where the server answers others, but not this one, be it too
        long for the model, filtered, or what the server breaks on.

        A model that takes the likeliest token would say the same again, so its further draws are at temperature
        `RETRY_TEMPERATURE`.

        Raises:
            ServerGone: the server refuses, or was away for longer than its `patience`. What was answered is kept.
        """
        answers = self.server.gather(self._one(request) for request in requests)
        self.spent += Spent.on(answers, self.config)
        return answers

    def close(self) -> None:
        """Closes the file of answers."""
        self.server.close()

    async def _one(self, request: ChatRequest) -> Answer | None:
        greedy = self.config.server.temperature == 0
        temperature = RETRY_TEMPERATURE if greedy and request.draw else None
        return await self.server.answer(request.messages, draw=request.draw, temperature=temperature)
