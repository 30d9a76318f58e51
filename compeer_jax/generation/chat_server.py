"""Chat models behind an OpenAI-compatible server: many requests at once, patient with a server that comes and goes.

A request that fails is tried again a few times, a little later each time. If it keeps failing, one request at a time
looks after the server while the others wait, until it answers or patience ends. Every answer is kept on disk as it
comes, under a hash of its request, and nothing that was answered is asked again, by this process or the next.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from compeer_jax.errors import UserError, require_at_least, unknown
from compeer_jax.generation.chat_answers import AnswerStore, answer_key
from compeer_jax.generation.chat_call import Answer, Refused, Unavailable, ask, model_names

LONGEST_WAIT = 60.0  # seconds between two tries
Message = Mapping[str, Any]
T = TypeVar("T")


class ServerGone(UserError):
    """No answers are to be had: the server refuses, or was away for longer than `patience`."""


@dataclass(frozen=True)
class ServerConfig:
    """A model behind a server that speaks OpenAI's chat completions, such as vLLM, SGLang or a hosted one.

    Args:
        url: the server's address, up to and including "/v1".
        model: the model's name there.
        api_key_env: the environment variable that holds the key, if the server wants one.
        concurrency: most requests under way at once.
        timeout: seconds for one request.
        tries: times a request is tried before the server is looked after.
        backoff: seconds before the second try; doubled for each one after, up to a minute.
        patience: seconds to wait for a server that does not answer before giving up (-1: for ever).
        cache: folder in which answers are kept ("": in the run's folder, where there is a run).
        temperature: of the model's draws; 0 takes the likeliest token.
        max_tokens: longest answer.
        seed: of the model's draws, where the server has seeds.
        extra: further fields of each request, for example {top_p: 0.9}; null leaves one of ours out.
    """

    url: str = "http://localhost:8000/v1"
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 32
    timeout: float = 60.0
    tries: int = 3
    backoff: float = 1.0
    patience: float = 3600.0
    cache: str = ""
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        of = "the chat server's "
        require_at_least(1, self, of, "concurrency", "tries", "max_tokens")
        require_at_least(0, self, of, "temperature", "backoff")
        require_at_least(-1, self, of, "patience")
        if not self.timeout > 0:
            raise UserError(f"{of}timeout is {self.timeout}; it must be above 0.")
        if not self.url.startswith(("http://", "https://")):
            raise UserError(f"{of}url is {self.url!r}; it must begin with http:// or https://.")
        if self.url.rstrip("/").endswith("/completions"):
            raise UserError(f"{of}url is {self.url!r}; leave out what comes after /v1.")


@dataclass
class Usage:
    """What a `ChatServer` did so far.

    Attributes:
        calls: requests sent, with those that failed and were sent again.
        answers: of them, how many brought an answer.
        kept: answers taken from disk instead.
        no_reply: requests that the server did not answer, though it answered others.
        prompt_tokens: read by the model.
        completion_tokens: written by it.
    """

    calls: int = 0
    answers: int = 0
    kept: int = 0
    no_reply: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatServer:
    """A chat model behind a server. Plain code calls `check`, `complete_all` and `gather`, also in a notebook; async
    code calls `complete` within `async with server:`.

    Args:
        config: where it is, and how to ask.
        say: told one line when the server goes away and one when it is back.
        folder: where answers are kept when the config names no folder; with neither, they are kept in memory.

    Attributes:
        usage: what was asked and answered so far.

    Raises:
        UserError: the `openai` package is not installed, or the folder can't be written.
    """

    def __init__(self, config: ServerConfig, *, say: Callable[[str], None], folder: str | Path | None = None):
        try:
            import openai  # noqa: F401
            import tenacity  # noqa: F401
        except ImportError as error:
            raise UserError(
                f'chat servers need the {error.name} package; run pip install "compeer_jax[remote]".'
            ) from error
        self.config, self.say, self.usage = config, say, Usage()
        self._kept = AnswerStore(config.cache or folder)
        self._client = None
        self._answered = float("-inf")  # when the server last answered, by time.monotonic

    def check(self) -> None:
        """One quick request before a run, so that what is wrong shows now.

        Raises:
            ServerGone: no model is named, or the server can't be reached, refuses, or answers nonsense.
        """
        self._run(self._check())

    def complete_all(
        self, conversations: Iterable[Sequence[Message]], *, draw: int = 0, temperature: float | None = None
    ) -> list[str | None]:
        """The model's answer to each conversation, as `complete` gives it, in their order."""
        return self.gather(self.complete(messages, draw=draw, temperature=temperature) for messages in conversations)

    def gather(self, tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Runs coroutines that call `complete`, side by side, and returns their results in order.

        Raises:
            ServerGone: as `complete`; the first of these ends the others. What was answered is kept.
        """
        return self._run(self._gather(tasks))

    async def complete(
        self, messages: Sequence[Message], *, draw: int = 0, temperature: float | None = None
    ) -> str | None:
        """The model's answer to a conversation; None when the server answers others, but has none for this.

        Args:
            messages: `{"role", "content"}`, ending with the user.
            draw: another number is another answer to the same messages (if the temperature is not 0).
            temperature: in place of the config's.

        Raises:
            ServerGone: the server refuses, or was away for longer than `patience`.
        """
        body = self._body(messages, draw, temperature)
        key = answer_key(self.config.url, body, draw)
        async with self._asking.setdefault(key, asyncio.Lock()):  # the same request, made twice at once, is asked once
            answer = self._kept.get(key)
            if answer is not None:
                self.usage.kept += 1
                return answer.text
            async with self._slots:
                answer = await self._answer(body)
            if answer is not None:
                self._kept.put(key, answer)
                return answer.text
        return None

    async def __aenter__(self) -> "ChatServer":
        from openai import AsyncOpenAI

        config = self.config
        key = os.environ.get(config.api_key_env) or "none"
        self._client = AsyncOpenAI(base_url=config.url, api_key=key, max_retries=0, timeout=config.timeout)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._watch = asyncio.Lock()  # whoever holds it looks after a server that does not answer
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        return self

    async def __aexit__(self, *_) -> None:
        client, self._client = self._client, None
        await client.close()

    def close(self) -> None:
        """Closes the file of kept answers."""
        self._kept.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of `coroutine`, whether or not this thread has a running loop, as notebooks do."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(coroutine)
        loop = asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
        thread.start()
        try:
            thread.join()
        except BaseException:  # Ctrl-C reaches this thread, not that one
            loop.call_soon_threadsafe(task.cancel)
            thread.join()
            raise
        finally:
            loop.close()
        return task.result()

    async def _gather(self, coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        try:
            async with self, asyncio.TaskGroup() as group:
                tasks = [group.create_task(coroutine) for coroutine in coroutines]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _check(self) -> None:
        async with self:
            if not self.config.model:
                names = await model_names(self._client, self.config.timeout)
                has = f"it has {', '.join(names)}" if names else "it does not list what it has"
                raise ServerGone(f"The chat server at {self.config.url} needs to be told a model; {has}.")
            try:
                await self._call(self._greeting())
            except Unavailable as error:
                if error.fault == "away":
                    raise ServerGone(f"{self._it} can't be reached ({error.reason}); start it, or mend url.") from error
                if error.fault == "broken":
                    raise ServerGone(
                        f"{self._it} does not work ({error.reason}); look at its log, or mend url."
                    ) from error

    async def _answer(self, body: Mapping[str, Any]) -> Answer | None:
        """The answer to a request, however long it takes; None when the server answers others, but not this."""
        while True:
            try:
                return await self._retrying(self._call, body, stop=self._after_tries)
            except Unavailable:
                failed = time.monotonic()
            async with self._watch:
                if self._answered <= failed:  # else it answered somebody while we waited for our turn to watch
                    return await self._look_after(body)

    async def _look_after(self, body: Mapping[str, Any]) -> Answer | None:
        """Asks until there is an answer, or patience ends; None when the request itself is what fails."""
        ...

    async def _call(self, body: Mapping[str, Any]) -> Answer:
        """One request; UserError when the server refuses it."""
        ...

    def _body(self, messages: Sequence[Message], draw: int, temperature: float | None) -> dict[str, Any]:
        config = self.config
        body = {
            "model": config.model,
            "messages": list(messages),
            "temperature": config.temperature if temperature is None else temperature,
            "max_tokens": config.max_tokens,
            "seed": config.seed + draw,
        }
        return {name: value for name, value in (body | config.extra).items() if value is not None}
