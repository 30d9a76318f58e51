"""Responses of OpenAI-compatible servers: the answer in them, or the error and whether another try can mend it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from compeer_jax.chat.types import Answer, Ending
from compeer_jax.report.terminal_text import printable

LONGEST_QUOTE = 200  # characters of a server's words that go into a sentence of ours
BUSY = (429, 503, 529)  # too many requests, not available (often: loading or overloaded), overloaded
AGAIN = (408, 409, 425)  # statuses below 500 that another try may mend

# What servers say of the end. Many speak the words of another protocol; those that stand here are known to mean a whole
# reply, a refusal, or a call of a tool in place of words. All others, "length" and "error" among them, mean a cut one.
_ENDED: Mapping[str, Ending] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"), "whole"),
    **dict.fromkeys(("content_filter", "refusal", "safety", "sensitive", "recitation"), "refused"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "silent"),
}
# Other places where servers say it, beside or in place of `finish_reason`. Some name there what they stopped at, a
# word or a token, so only what is known counts.
_ALSO = ("native_finish_reason", "stop_reason", "done_reason", "status")
_CUT = ("length", "max_length", "model_length", "max_tokens", "max_output_tokens", "incomplete")
FILTERED = ("content_filter", "content_policy_violation", "data_inspection_failed")  # codes of errors that are refusals
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # where servers put those that they have taken off
_STATUS = {
    **dict.fromkeys(("invalid_request_error", "context_length_exceeded", "bad_request"), 400),
    **dict.fromkeys(("invalid_api_key", "authentication_error", "unauthorized"), 401),
    **dict.fromkeys(("permission_error", "permission_denied", "forbidden"), 403),
    **dict.fromkeys(("model_not_found", "not_found_error", "not_found"), 404),
    **dict.fromkeys(("insufficient_quota", "rate_limit_exceeded", "rate_limit_error", "too_many_requests"), 429),
    "overloaded_error": 529,
}


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


class Refused(Exception):
    """The server answers, and says no: asking again would not help.

    Attributes:
        status: of HTTP, e.g. 401.
        message: the server's words.
        filtered: it is the conversation that it won't hear.
    """

    def __init__(self, status: int, message: str, filtered: bool = False):
        super().__init__(f"{status}: {message}")
        self.status, self.message, self.filtered = status, message, filtered


def read_answer(text: str, longest: int | None = None) -> Answer:
    """The answer in a response's JSON.

    Its words are the message's content, text or text parts; thoughts that the server has put elsewhere are none. Where
    a server does not say how a reply ended, one shorter than `longest` came to its end.

    Args:
        text: the response.
        longest: the most tokens that were asked for; None where that is not known.

    Raises:
        Unavailable, Refused: it is an error, or no chat completion.
    """
    try:
        value = json.loads(text.removeprefix("\ufeff"))
        choice = (value.get("choices") or [{}])[0]
        error = choice.get("error") or value.get("error") or (value if value.get("object") == "error" else None)
        message = choice.get("message")
        if error and (message is None or not message.get("content") or choice.get("finish_reason") == "error"):
            raise failure(None, complaint(error))
        content, kinds = _words(message.get("content"))
        refusal = message.get("refusal") or ""
        refused = bool(refusal.strip() if isinstance(refusal, str) else refusal) or "refusal" in kinds
        thought = not kinds.isdisjoint(("thinking", "reasoning"))
        usage = value.get("usage")
        also = [place.get(name) for place in (choice, value) for name in _ALSO]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Unavailable("broken", f"its answer is no chat completion: {quote(text) or 'empty'!r}") from error
    read, written = (_tokens(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    ended = _ended(choice.get("finish_reason"), also, bool(longest) and written >= longest)
    if error and ended == "whole":
        ended = "cut"
    if refused:
        ended = "refused"
    elif not content.strip() and (thought or any(message.get(name) for name in _THOUGHTS)):
        ended = "thinking"
    elif not content.strip() and isinstance(usage, dict):
        details = usage.get("completion_tokens_details")
        ended = "thinking" if _tokens(details, "reasoning_tokens") else ended
    words = content or (refusal if isinstance(refusal, str) else "")
    return Answer(_whole_characters(words), read, written, ended)


class Complaint(NamedTuple):
    """What a server says of an error: its words, and its code, a number or a name."""

    message: str
    code: str | int | None = None


def complaint(error: Any) -> Complaint:
    """What is said in an error response, given as text or as JSON; the text itself where it has no such parts."""
    if isinstance(error, str):
        try:
            value = json.loads(error)
        except (ValueError, RecursionError):
            value = error
        return Complaint(quote(error) or "no reason given") if isinstance(value, str) else complaint(value)
    try:
        if isinstance(error.get("error"), dict | str) and error["error"]:
            return complaint(error["error"])
        code = next((code for code in (error.get("code"), error.get("type")) if _status(code)), error.get("code"))
        details = error.get("detail")
        if isinstance(details, list):  # FastAPI's: what was wrong, where
            said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details)
        else:
            said = error.get("message") or details
        return Complaint(quote(said if isinstance(said, str) and said else json.dumps(error)), code)
    except (TypeError, KeyError, AttributeError, ValueError, RecursionError):
        return Complaint(quote(str(error)) or "no reason given")


def failure(status: int | None, said: Complaint, wait: float = 0.0) -> Refused | Unavailable:
    """What an error means.

    Args:
        status: of HTTP; None for an error in a response whose own status is 200, which goes by its code.
        said: the server's words.
        wait: seconds that it asks us to wait.
    """
    known = status or (400 if said.code in FILTERED else _status(said.code))
    if known is None:
        return Unavailable("broken", f"its answer is an error: {said.message}", wait)
    if (known < 500 and known not in BUSY + AGAIN) or said.code == "insufficient_quota":
        return Refused(known, said.message, said.code in FILTERED)
    return Unavailable("busy" if known in BUSY else "broken", f"status {known}: {said.message}", wait)


def quote(text: str) -> str:
    """The beginning of a server's words, on one line."""
    line = printable(" ".join(text[: 4 * LONGEST_QUOTE].split()))
    return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "…"


def _words(content: Any) -> tuple[str, set[str]]:
    """The words of a message's content, and the kinds of its parts.

    Raises:
        TypeError: it is neither text, nor parts, nor nothing.
    """
    if content is None or isinstance(content, str):
        return content or "", set()
    if not isinstance(content, list):
        raise TypeError("content is no text")
    words, kinds = [], set()
    for part in content:
        kind, text = ("text", part) if isinstance(part, str) else (part.get("type", "text"), part.get("text"))
        kinds.add(kind)
        if kind in ("text", "output_text"):
            if not isinstance(text, str):
                raise TypeError("a part of the content is no text")
            words.append(text)
    return "".join(words), kinds


def _ended(reason: Any, also: Sequence[Any], filled: bool) -> Ending:
    """How a reply ended by the server's words for it; where there are none, it was cut if it has all tokens it may.

    Args:
        reason: the finish reason; what isn't known means a cut reply.
        also: what else is said; a cut or a refusal counts, and a whole reply where there is no finish reason.
        filled: it has as many tokens as were asked for.
    """
    others = [_ENDED.get(word, "cut" if word in _CUT else None) for word in map(_word, also)]
    ended: Ending = "cut" if filled and "whole" not in others else "whole"
    if word := _word(reason):
        ended = _ENDED.get(word, "cut")
    return next((worse for worse in ("refused", "cut") if ended == "whole" and worse in others), ended)


def _word(reason: Any) -> str:
    """A server's word for an ending in plain form; "" where there is none."""
    word = str(reason or "").strip().casefold().removeprefix("finish_reason_")
    return "" if word in ("none", "null") else word


def _status(code: Any) -> int | None:
    """The status of HTTP that an error's code means, if it is known."""
    if isinstance(code, str):
        code = int(code) if len(code) == 3 and code.isascii() and code.isdigit() else _STATUS.get(code)
    return code if type(code) is int and 400 <= code < 600 else None


def _tokens(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**63 else 0


def _whole_characters(text: str) -> str:
    """`text` with U+FFFD for halves of surrogate pairs, which JSON can escape and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
