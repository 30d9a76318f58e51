"""The HTTP client under a chat server: what it sends stays with that server, and what comes back is bounded.

A reply is read whole, up to `LARGEST` bytes before and after it is decompressed, and keys in it are hidden before
anything else sees it. A request is sent on only within the origin (scheme, host and port) that it was meant for.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Any

from openai import DefaultAsyncHttpxClient

from compeer_jax.chat.call import BadReply

LARGEST = 8 * 2**20
"""Bytes of a reply: a hundred times the longest that chat models write."""

REDIRECTS = 5
SHORTEST_SECRET = 6  # shorter ones, such as "none", stand in replies by chance


class GuardedClient(DefaultAsyncHttpxClient):
    """Made as `httpx.AsyncClient` is, with `secrets`: what is hidden where a server repeats it.

    Which httpx that is (1 or 2) goes by the version of openai, so nothing here is imported from it.
    """

    def __init__(self, *, secrets: Sequence[str] = (), **settings):
        super().__init__(**settings)
        self._secrets = [re.compile(spellings(secret)) for secret in secrets if len(secret) >= SHORTEST_SECRET]

    async def send(self, request: Any, **settings) -> Any:
        """The whole reply to a request.

        Raises:
            BadReply: it is too long, is compressed in a way that was not asked for, or sends us in circles.
        """
        settings |= {"stream": True, "follow_redirects": False}
        for _ in range(REDIRECTS):
            request.headers["accept-encoding"] = "identity"
            response = await super().send(request, **settings)
            try:
                content = await self._content(response)
            finally:
                await response.aclose()
            onward = response.next_request
            if onward is None:
                headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_TRANSPORT]
                headers.append(("content-type", "application/json; charset=utf-8"))  # no codec of the server's choosing
                return type(response)(response.status_code, headers=headers, content=content, request=request)
            if _origin(onward.url) != _origin(request.url):
                other = f"{onward.url.scheme}://{onward.url.netloc.decode()}"
                said = f"it sends requests on to {other}, where nothing was sent"
                return type(response)(response.status_code, json={"error": {"message": said}}, request=request)
            request = onward
        raise BadReply("it sends requests in circles")

    async def _content(self, response: Any) -> bytes:
        raw = bytearray()
        async for part in response.aiter_raw():
            raw += part
            if len(raw) > LARGEST:
                raise BadReply(f"its answer is longer than {LARGEST >> 20} MiB")
        content = decompressed(bytes(raw), response.headers.get("content-encoding", ""))
        for secret in self._secrets:
            content = secret.sub(b"[hidden]", content)
        return content


def spellings(secret: str) -> bytes:
    r"""A pattern of a secret as it is, and with any of its characters escaped as JSON may: `\/`, `\u002f`."""
    pattern = b""
    for part in re.findall(r"\\+|[^\\]", secret):
        if part[0] == "\\":  # a run of them, each of which may be doubled again
            pattern += rb"(?:\\{1,16}+(?:u(?i:005c))?+){1,%d}" % len(part)
            continue
        units = part.encode("utf-16-be", "surrogatepass").hex(" ", 2).encode().split()
        escaped = b"".join(rb"\\{1,8}u(?i:%s)" % unit for unit in units)
        pattern += rb"(?:%s|\\{0,8}%s)" % (escaped, re.escape(part.encode("utf-8", "surrogatepass")))
    return pattern


_OF_TRANSPORT = ("content-encoding", "content-length", "content-type", "transfer-encoding")


def decompressed(data: bytes, encoding: str, *, largest: int = LARGEST) -> bytes:
    """The bytes of a reply, of which no more than `largest` are made.

    Args:
        data: as they came.
        encoding: of the header Content-Encoding. One layer of gzip or deflate is taken, though none was asked for.

    Raises:
        BadReply: another encoding, damage, or more than `largest` bytes.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BadReply(f"its answer is encoded as {encoding[:40]!r}, which was not asked for")
    try:
        packed = zlib.decompressobj(47)  # gzip or zlib, by the first bytes
        content = packed.decompress(data, largest + 1)
    except zlib.error as error:
        raise BadReply("its answer is no valid gzip") from error
    if len(content) > largest:
        raise BadReply(f"its answer is longer than {largest >> 20} MiB when decompressed")
    if not packed.eof:
        raise BadReply("its answer ends in the middle")
    return content


def _origin(url: Any) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
