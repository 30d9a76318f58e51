"""One request to an OpenAI-compatible server: its answer, or what went wrong and whether waiting can mend it."""

import asyncio
import json
import math
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from compeer_jax.chat.reply import (
    Answer,
    Refused,
    Unavailable,
    complaint,
    failure,
    quote,
    read_answer,
)


class BadReply(Exception):
    """What came over the wire is not worth reading. Its text says why, in a few words."""


async def ask(client, body: Mapping[str, Any], timeout: float) -> Answer:
    """The reply to one chat completion request, whole or not; an error that says that it was filtered is a refusal.

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
    longest = body.get("max_tokens") or body.get("max_completion_tokens")
    try:
        response = await _request(create(**given, extra_body=more), timeout)
        return read_answer(response.text, longest if type(longest) is int else None)
    except Refused as refusal:
        if refusal.filtered:
            return Answer("", ended="refused")
        raise


async def model_names(client, timeout: float) -> list[str]:
    """The models that the server says it has; none where it does not say."""
    try:
        response = await _request(client.models.with_raw_response.list(), timeout)
        rows = json.loads(response.text)["data"]
        return [quote(str(row["id"])) for row in rows]
    except (Unavailable, Refused, ValueError, TypeError, KeyError, RecursionError):
        return []


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
        wait = retry_after(error.response.headers.get("retry-after"), time.time())
        raise failure(error.status_code, complaint(error.response.text), wait) from error
    except Exception as error:  # of the libraries below, whatever they raise: nothing of ours runs in there
        reason = quote(f"{type(error).__name__}: {error}")
        raise Unavailable("broken", f"the request can't be made: {reason}") from error


def _root(error: BaseException) -> str:
    """What lies at the bottom of an error: "Connection refused" rather than "Connection error."."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return quote(str(error)) or type(error).__name__
