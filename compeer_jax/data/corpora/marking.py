"""Marking of faulty characters in a JSON file, so that the records around them can still be read.

Bytes that are no UTF-8 would end the reading of an array, and escaped halves of a surrogate pair be lost without a
word. Both become characters that Unicode keeps for such uses, which no text has.
"""

import codecs
import re
from typing import BinaryIO

from compeer_jax.data.jsonl import LONGEST_LINE

NOT_UTF8 = "\ufdd0"
HALF = "\ufdd1"
SENTENCES = {
    NOT_UTF8: "not UTF-8; save the file in UTF-8.",
    HALF: "an escape is half of a surrogate pair, which is no character; remove it.",
}
"""What to say of a record with a mark."""

_MARKING = "compeer_jax.mark"
codecs.register_error(_MARKING, lambda error: (NOT_UTF8, error.end))

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_LONGEST = 12  # characters of an escaped pair


class MarkedFile:
    """What a parser reads: UTF-8 without faults.

    Attributes:
        found: whether there were any so far.
    """

    def __init__(self, file: BinaryIO):
        self.found = False
        self.begin_row()
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors=_MARKING)
        self._held = ""  # the begin of an escape whose end is still to be read

    def begin_row(self) -> None:
        """Lets the next row be as long as any."""
        self._left = LONGEST_LINE

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, none only at the file's end; ValueError where a row is longer than `LONGEST_LINE`."""
        if size == 0:
            return b""
        while True:
            data = self._file.read(size)
            self._left -= len(data)
            if self._left < 0:
                raise ValueError(f"a row is longer than {LONGEST_LINE >> 20} MiB")
            text = self._held + self._decoder.decode(data, final=not data)
            end = _safe_end(text) if data else len(text)
            text, self._held = text[:end], text[end:]
            if text or not data:
                break
        if _SURROGATE.search(text):
            text = _ESCAPE.sub(lambda escape: HALF if escape[1] else escape[0], text)
        self.found = self.found or NOT_UTF8 in text or HALF in text
        return text.encode()


def _safe_end(text: str) -> int:
    """Where text can be cut without cutting an escape; it begins at such a place."""
    last = len(text) - _LONGEST
    if text.find("\\", max(0, last)) < 0:
        return len(text)
    return next((escape.start() for escape in _ESCAPE.finditer(text) if escape.start() >= last), len(text) - 1)


def mark_in(value: object) -> str | None:
    """The mark that a JSON value has somewhere in it; None if it has none."""
    if isinstance(value, str):
        return next((mark for mark in SENTENCES if mark in value), None)
    if isinstance(value, dict):
        value = [part for item in value.items() for part in item]
    return next(filter(None, map(mark_in, value)), None) if isinstance(value, list) else None
