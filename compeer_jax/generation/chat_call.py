"""One request to an OpenAI-compatible server: its answer, or what went wrong and whether waiting can mend it."""

import asyncio
import json
import math
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from compeer_jax.dialogue.thoughts import spoken
from compeer_jax.terminal_text import printable

LONGEST_QUOTE = 200  # characters of a server's words that go into a sentence of ours
BUSY = (429, 503, 529)  # too many requests, not available (often: loading or overloaded), overloaded
AGAIN = (408, 409, 425)  # statuses below 500 that another try may mend


class Answer(NamedTuple):
    """What a chat model wrote, and what it cost; "" is an answer too.

    Attributes:
        written: all of it, thoughts included.
        prompt_tokens: read by the model.
        completion_tokens: written by it.
    """

    written: str
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def text(self) -> str:
        """What it says: the words after its thoughts, "" when these have no end."""
        return spoken(self.written).text

    @property
    def unfinished(self) -> bool:
        """Whether it was still thinking when it came to its end, so that it is no answer."""
        return spoken(self.written).open


class Unavailable(Exception):
    """No usable answer this time; another try may have one.

    Attributes:
        fault: "away": the server can't be reached; "busy": it asks us to come back; "broken": it did not answer
            in time, or with a 5xx, or with something that is no chat completion. Such may be the request's own doing.
        reason: what happened, in a few words.
        retry_after: seconds that the server asks us to wait; 0 when it does not say.
    """

    def __init__(self, fault: Literal["away", "busy", "broken"], reason: str, retry_after: float = 0.0):
        super().__init__(reason)
        self.fault, self.reason, self.retry_after = fault, reason, retry_after


class BadReply(Exception):
    """What came over the wire is not worth reading. Its text says why, in a few words."""


class Refused(Exception):
    """The server answers, and says no: asking again would not help.

    Attributes:
        status: of HTTP, e.g. 401.
        message: the server's words.
    """

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


async def ask(client, body: Mapping[str, Any], timeout: float) -> Answer:
    """The answer to one chat completion request.

    Args:
        client: an `openai.AsyncOpenAI` that does not retry.
        body: the request's JSON.
        timeout: seconds for the whole call; a server that sends its answer drop by drop is late as well.

    Raises:
        Unavailable, Refused: there is no answer.
    """
    create = client.chat.completions.with_raw_response.create
    given = {name: body[name] for name in ("model", "messages")}
    more = {name: value for name, value in body.items() if name not in given}
    response = await _request(create(**given, extra_body=more), timeout)
    return read_answer(response.text)


async def model_names(client, timeout: float) -> list[str]:
    """The models that the server says it has; none where it does not say."""
    try:
        response = await _request(client.models.with_raw_response.list(), timeout)
        rows = json.loads(response.text)["data"]
        return [quote(str(row["id"])) for row in rows]
    except (Unavailable, Refused, ValueError, TypeError, KeyError, RecursionError):
        return []


def read_answer(text: str) -> Answer:
    """The answer in a response's JSON.

    A message without content (a model that spent all its tokens on thinking) is an empty answer; `reasoning_content`,
    where servers put thoughts that they have taken off themselves, is none of its words.

    Raises:
        Unavailable: it is no chat completion.
    """
    try:
        value = json.loads(text)
        content = value["choices"][0]["message"].get("content")
        if not isinstance(content, str | None):
            raise TypeError("content is no text")
        usage = value.get("usage")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Unavailable("broken", f"its answer is no chat completion: {quote(text) or 'empty'!r}") from error
    usage = usage if isinstance(usage, dict) else {}
    counts = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
    return Answer(
        _whole_characters(content or ""), *(n if isinstance(n, int) and 0 <= n < 2**63 else 0 for n in counts)
    )


def retry_after(header: str | None, now: float) -> float:
    """Seconds to wait by a Retry-After header, which holds seconds or a date; 0 for none or one that makes no sense."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def quote(text: str) -> str:
    """The beginning of a server's words, on one line."""
    line = printable(" ".join(text[: 4 * LONGEST_QUOTE].split()))
    return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "…"


async def _request(call, timeout: float):
    import openai

    try:
        async with asyncio.timeout(timeout):
            return await call
    except (TimeoutError, openai.APITimeoutError) as error:
        raise Unavailable("broken", f"no answer within {timeout:g} s") from error
    except (BadReply, openai.APIConnectionError) as error:  # by its version, openai wraps what the client raises
        for bad in (error, error.__cause__):
            if isinstance(bad, BadReply):
                raise Unavailable("broken", str(bad)) from error
        raise Unavailable("away", _root(error)) from error
    except openai.APIStatusError as error:
        status, message, code = error.status_code, *_complaint(error.response.text)
        if (status < 500 and status not in BUSY + AGAIN) or code == "insufficient_quota":
            raise Refused(status, message) from error
        wait = retry_after(error.response.headers.get("retry-after"), time.time())
        raise Unavailable("busy" if status in BUSY else "broken", f"status {status}: {message}", wait) from error


def _complaint(text: str) -> tuple[str, str | None]:
    """The message and the code of an error response; the text itself where it has no such parts."""
    try:
        error = json.loads(text)
        error = error.get("error", error)
        return quote(str(error["message"])), error.get("code")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return quote(text) or "no reason given", None


def _root(error: BaseException) -> str:
    """What lies at the bottom of an error: "Connection refused" rather than "Connection error."."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return quote(str(error)) or type(error).__name__


def _whole_characters(text: str) -> str:
    """`text` with U+FFFD for halves of surrogate pairs, which JSON can escape and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
