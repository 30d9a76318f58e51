"""One request to an OpenAI-compatible server: its answer, or what went wrong, in a sentence that says what mends it."""

import asyncio
import json
import math
import os
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.response import Refused, Unavailable, complaint, failure, quote, read_answer
from compeer_jax.chat.types import Answer
from compeer_jax.errors import unknown

OWN_SETTINGS = ("seed", "temperature", "max_tokens")  # that every request has, and that not every server takes


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


async def refusal_sentence(it: str, config: ServerConfig, client, refusal: Refused) -> str:
    """What a refusal means, and what to mend.

    Args:
        it: the server, as sentences begin with it.
        config: how it was asked.
        client: to ask it for the models that it has.
        refusal: what it said.
    """
    name = config.key_name
    says = f"{it} answers {refusal.status} ({refusal.message})"
    if refusal.status == 404:
        models = await model_names(client, config.timeout)
        if models and config.model not in models:
            return str(unknown("model", config.model, models, says))
        return f"{says}; mend its url, which ends in /v1 on most servers, or the model's name."
    if refusal.status == 401 and not config.key:
        if not name:
            return f"{says}; it wants a key: name the environment variable that holds it as api_key_env."
        return f"{says}; it wants a key: put it in the environment variable {name}, or name another as api_key_env."
    if 300 <= refusal.status < 400:
        return f"{says}; give that address as its url, if that server is to have the conversations."
    if refusal.status == 407:
        return f"{says}; put a login into the address that {config.proxy or 'the proxy variable'} holds."
    setting = next((name for name in OWN_SETTINGS if re.search(rf"\b{name}\b", refusal.message)), "NAME")
    request = (
        "if the conversation is too long for the model, shorten it or serve the model with a longer context; "
        f"if it does not know a setting, leave that out with extra: {{{setting}: null}}"
    )
    mend = {
        400: request,
        422: request,
        401: f"it does not take the key in the environment variable {name}; put the right one there",
        403: f"the key in the environment variable {name} has no right to this model; take another key or model",
        429: "the account's quota is used up; raise it, or take another server",
    }.get(refusal.status, "look at its log, or mend its url")
    return f"{says}; {mend}."


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
