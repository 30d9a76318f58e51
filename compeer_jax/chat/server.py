"""Chat models behind an OpenAI-compatible server: many requests at once, patient with a server that comes and goes.

A request that fails is tried again a few times, a little later each time. If it keeps failing, one request at a time
looks after the server while the others wait, until it answers or patience ends. Every answer is kept on disk as it
comes, under a hash of its request, and nothing that was answered is asked again, by this process or the next. A reply
that is not whole (`types.Ending`) is no answer: it is not kept.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from compeer_jax.chat.answers import AnswerStore, answer_key
from compeer_jax.chat.call import ask, model_names, refusal_sentence
from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.pictures import filed, shown_messages, wired
from compeer_jax.chat.response import Refused, Unavailable, quote
from compeer_jax.chat.types import RETRY_TEMPERATURE, Answer
from compeer_jax.dialogue.material import harmless
from compeer_jax.errors import FEW, UserError

OF_A_REQUEST = (400, 413, 422)  # statuses of refusals that may concern one request only
LONGEST_WAIT = 60.0  # seconds between two tries
GREETING = "Hello."  # which must bring words
Message = Mapping[str, Any]
Body = Mapping[str, Any]
T = TypeVar("T")


class ServerGone(UserError):
    """No answers are to be had: the server refuses, or was away for longer than `patience`."""


@dataclass
class Usage:
    """Usage of a `ChatServer` so far.

    Attributes:
        calls: requests sent, with those that failed and were sent again.
        answers: of them, how many brought an answer.
        cached: answers taken from disk instead.
        broken_off: of the answers, how many are none, as they are not whole.
        no_reply: requests that the server did not answer, though it answered others.
        refused: requests that it refused, though it answered others, where those are skipped.
        prompt_tokens: read by the model.
        completion_tokens: written by it.
    """

    calls: int = 0
    answers: int = 0
    broken_off: int = 0
    cached: int = 0
    no_reply: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatServer:
    """A chat model behind a server. Plain code, also in a notebook, calls `check` and `gather`; async code calls
    `answer` within `async with server:`.

    Args:
        config: where it is, and how to ask.
        say: called with one line when the server goes away and one when it is back.
        folder: where answers are stored when the config names no folder; with neither, they stay in memory.
        name: what the model is called where kept answers are counted; by default the server's name for it.
        skip_refused: a request that the server refuses (status 400, 413 or 422: too long for the model, or filtered),
            though it answers a greeting with the same settings, has no reply. Otherwise a refusal ends the run.

    Attributes:
        usage: what was asked and answered so far.
        store: the answers on disk.

    Raises:
        UserError: a package that it needs is not installed, or the folder can't be written.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        say: Callable[[str], None],
        folder: str | Path | None = None,
        name: str = "",
        skip_refused: bool = False,
    ):
        try:
            import openai  # noqa: F401
            import tenacity  # noqa: F401

            if config.requests_per_minute:
                import aiolimiter  # noqa: F401
        except ImportError as error:
            needed = "a limit on requests needs" if error.name == "aiolimiter" else "chat servers need"
            extra = "data" if error.name == "aiolimiter" else "remote"
            raise UserError(f'{needed} the {error.name} package; run pip install "compeer_jax[{extra}]".') from error
        self.config, self.say, self.usage = config, say, Usage()
        self.store = AnswerStore(config.cache or folder)
        self._name, self._skip_refused, self._welcome = name or config.model, skip_refused, False
        self._client = None
        self._answered = float("-inf")  # when the server last answered, by time.monotonic

    def check(self) -> None:
        """One quick request before a run, with the settings of all that follow, so that what is wrong shows now.

        Raises:
            ServerGone: no model is named, or the server can't be reached, refuses, or answers nonsense or no words.
        """
        self._run(self._check())

    def gather(self, tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Runs coroutines that call `answer`, side by side, and returns their results in order.

        Raises:
            ServerGone: as `answer`; the first of these ends the others. What was answered is kept.
        """
        return self._run(self._gather(tasks))

    async def answer(
        self, messages: Sequence[Message], *, draw: int = 0, temperature: float | None = None
    ) -> Answer | None:
        """The reply to a conversation, whole or not; None when the server answers others, but has none for this.

        Args:
            messages: `{"role", "content"}`, ending with the user; a content is a text, or parts as
                `dialogue.picture_parts` has them.
            draw: another number is another answer to the same messages (if the temperature is not 0).
            temperature: in place of the config's.

        Raises:
            ServerGone: the server refuses, or was away for longer than `patience`.
            UserError: a picture can't be used.
        """
        body = self._body(messages, draw, temperature)
        key = answer_key(self.config.url, filed(body), draw)
        async with self._asking.setdefault(key, asyncio.Lock()):  # the same request, made twice at once, is asked once
            answer = self.store.get(key)
            if answer is not None:
                self.usage.cached += 1
                return answer
            async with self._slots:
                answer = await self._answer_unless_refused(body)
            if answer is not None and answer.whole:
                self.store.put(key, answer, self._name)
            elif answer is not None:
                self.usage.broken_off += 1
        return answer

    async def __aenter__(self) -> "ChatServer":
        from openai import AsyncOpenAI

        from compeer_jax.chat.client import GuardedClient

        config = self.config
        try:
            self._client = AsyncOpenAI(
                base_url=str(config.url),
                api_key=config.key or "none",
                max_retries=0,
                timeout=config.timeout,
                http_client=GuardedClient(auth=config.login, secrets=config.secrets),
            )
        except UserError:
            raise
        except ImportError as error:  # the package that speaks with SOCKS proxies
            raise ServerGone(
                f"{self._it} needs the socksio package; run pip install socksio, or put {config.host} into NO_PROXY."
            ) from error
        except Exception as error:  # whatever openai, httpx and ssl make of addresses, proxies and certificates
            raise ServerGone(
                f"{self._it} can't be asked ({quote(str(error))}); mend its url, or the proxy or the certificates that "
                "the environment names."
            ) from error
        if not config.own:  # the client takes them from the environment, for any server
            self._client.organization = self._client.project = None
        self._slots = asyncio.Semaphore(config.concurrency)
        self._pace = _pace(config.requests_per_minute)
        self._watch = asyncio.Lock()  # whoever holds it looks after a server that does not answer
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        return self

    async def __aexit__(self, *_) -> None:
        client, self._client = self._client, None
        await client.close()

    def close(self) -> None:
        """Closes the file of answers."""
        self.store.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of `coroutine`, whether or not this thread has a running loop, as notebooks do."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            return self._run_beside(coroutine)
        return asyncio.run(coroutine)

    @staticmethod
    def _run_beside(coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of `coroutine`, run in a thread of its own while this one waits."""
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
                has = f"; it has {', '.join(names[:FEW])}{', …' * (len(names) > FEW)}" if names else ""
                raise ServerGone(f"{self._it} has to be told which model to use, by its name there{has}.")
            try:
                for draw in range(2):
                    reply = await self._call(self._greeting(draw))
                    if reply.ending in ("whole", "cut"):
                        return
            except Unavailable as error:
                if error.fault == "away":
                    passed = f", or put {self.config.host} into NO_PROXY" if self.config.proxy else ""
                    raise ServerGone(
                        f"{self._it} can't be reached ({error.reason}); start it, or mend its url{passed}."
                    ) from error
                if error.fault == "broken":
                    raise ServerGone(
                        f"{self._it} does not work ({error.reason}); look at its log, or mend its url."
                    ) from error
                return
            raise ServerGone(f"{self._it} {_WORDLESS[reply.ending]}.")

    async def _answer_unless_refused(self, body: Body) -> Answer | None:
        """As `_answer`; None also where nothing but this request is refused, if such are to be skipped."""
        try:
            return await self._answer(body)
        except ServerGone as gone:
            refusal = gone.__cause__
            if not (self._skip_refused and isinstance(refusal, Refused) and refusal.status in OF_A_REQUEST):
                raise
            if not self._welcome:
                await self._answer(self._greeting())  # ServerGone when no request will do
                self._welcome = True
            if not self.usage.refused:
                self.say(
                    f"{self._it} refuses one of the requests (status {refusal.status}: {refusal.message}); that one, "
                    "and others like it, count as no reply."
                )
            self.usage.refused += 1
            return None

    async def _answer(self, body: Body) -> Answer | None:
        """The answer to a request, however long it takes; None when the server answers others, but not this."""
        from tenacity import stop_after_attempt

        tries = self._retrying(stop_after_attempt(self.config.tries), self.config.backoff)
        while True:
            try:
                return await tries(self._call, body)
            except Unavailable:
                failed = time.monotonic()
            async with self._watch:
                if self._answered <= failed:  # else somebody got an answer while we waited for our turn to watch
                    return await self._look_after(body)

    async def _look_after(self, body: Body) -> Answer | None:
        """Asks until there is an answer, or patience ends; None when the request itself is what fails."""
        from tenacity import stop_after_delay, stop_never

        config = self.config
        began, since = time.monotonic(), datetime.now()
        kept = f"all answers so far are kept in {self.store.path}" if self.store.path else ""
        paused = False

        def pause(state) -> None:
            nonlocal paused
            error = state.outcome.exception()
            if error.fault == "busy" and (state.attempt_number == 1 or self._answered > began):
                return  # a limit on requests is no news while some get through
            if not paused:
                safe = f"Ctrl-C is safe, as {kept}" if kept else "Ctrl-C ends the wait"
                self.say(
                    f"{self._it} has not answered since {since:%H:%M:%S} ({error.reason}); "
                    f"next try within {math.ceil(state.next_action.sleep)} s. {safe}."
                )
            paused = True

        retrying = self._retrying(
            stop_never if config.patience < 0 else stop_after_delay(config.patience),
            min(config.backoff * 2 ** min(config.tries, 16), LONGEST_WAIT),
            longest=config.patience if config.patience >= 0 else float("inf"),
            before_sleep=pause,
        )
        try:
            answer = await retrying(self._ask_or_blame, body)
        except Unavailable as error:
            raise ServerGone(
                f"{self._it} has not answered for {config.patience:g} s ({error.reason}); start it, then run the same "
                f"command again{kept and '; ' + kept}."
            ) from error
        if paused:
            self.say(f"{self._it} answers again, after {time.monotonic() - began:.0f} s.")
        if answer is None:
            self.usage.no_reply += 1
        return answer

    async def _ask_or_blame(self, body: Body) -> Answer | None:
        """One request. When it breaks, though the server answers a greeting and then breaks once more, None."""
        try:
            return await self._call(body)
        except Unavailable as error:
            if error.fault != "broken":
                raise
            try:
                await self._call(self._greeting())
            except Unavailable:
                raise error from None
        try:
            return await self._call(body)
        except Unavailable as error:
            if error.fault != "broken":
                raise
            if not self.usage.no_reply:
                self.say(
                    f"{self._it} answers, but not one of the requests ({error.reason}); that one, and others like it, "
                    "count as no reply."
                )
            return None

    async def _call(self, body: Body) -> Answer:
        """One request. Raises Unavailable when another try may help, ServerGone when the server refuses."""
        try:
            async with self._pace:
                self.usage.calls += 1
            answer = await ask(self._client, wired(body), self.config.timeout)
        except Refused as refusal:
            raise ServerGone(await refusal_sentence(self._it, self.config, self._client, refusal)) from refusal
        self._answered = time.monotonic()
        self.usage.answers += 1
        self.usage.prompt_tokens += answer.prompt_tokens
        self.usage.completion_tokens += answer.completion_tokens
        return answer

    def _retrying(self, stop, first_wait: float, *, longest: float = LONGEST_WAIT, before_sleep=None):
        """Tries again while there is no usable answer: waits double, with jitter, and are as long as the server asks,
        up to `longest`."""
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

        backoff = wait_exponential_jitter(initial=first_wait, max=LONGEST_WAIT, jitter=first_wait)
        return AsyncRetrying(
            stop=stop,
            wait=lambda state: min(max(backoff(state), state.outcome.exception().retry_after), longest),
            retry=retry_if_exception_type(Unavailable),
            before_sleep=before_sleep,
            reraise=True,
        )

    @property
    def _it(self) -> str:
        proxy = self.config.proxy
        return f"The chat server at {self.config.url}" + (f", behind the proxy of {proxy}," if proxy else "")

    def _greeting(self, draw: int = 0) -> Body:
        """A request that a working server answers with words; a second draw of it has a temperature."""
        return self._body([{"role": "user", "content": GREETING}], draw, RETRY_TEMPERATURE if draw else None)

    def _body(self, messages: Sequence[Message], draw: int, temperature: float | None) -> dict[str, Any]:
        config = self.config
        body = {
            "model": config.model,
            "messages": [_harmless(message) for message in shown_messages(messages, config.pictures)],
            "temperature": config.temperature if temperature is None else temperature,
            "max_tokens": config.max_tokens,
            "seed": config.seed + draw,
        }
        return {name: value for name, value in (body | config.extra).items() if value is not None}


def _harmless(message: Message) -> Message:
    """The message without control tokens: many servers read them wherever they stand, and whoever wrote them."""
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": harmless(content, ("control",))}
    parts = [{**part, "text": harmless(part["text"], ("control",))} if "text" in part else part for part in content]
    return {**message, "content": parts}


_WORDLESS = {
    "thinking": "answers with thoughts alone, and no words after them; switch thinking off (for Qwen3 extra: "
    "{chat_template_kwargs: {enable_thinking: false}}), give it more max_tokens, or mend the server's reasoning "
    "parser, which may take words for thoughts",
    "silent": "answers without a word; look at its log, at its chat template and at its reasoning parser",
    "refused": "refuses to answer a greeting; take another model, or loosen its filter",
}
"""What is wrong with a server whose reply to a greeting has no words."""


def _pace(requests_per_minute: float):
    """What each request enters before it is sent: at once without a limit, else one after the other, evenly."""
    if not requests_per_minute:
        return nullcontext()
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(1, 60 / requests_per_minute)  # not (limit, 60): that lets twice the limit through at first
