"""Rows of a JSON or text file, one at a time, whatever is wrong with some. What they mean is not looked at here.

A file holds JSON lines, a JSON array, an object of dialogues, JSON values over several lines, a text, or MESC's table.
An array whose items are turns rather than dialogues is one row. Memory holds one row at a time.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from compeer_jax.data.corpora.json_stream import BROKEN, begun, dialogues_in, holds_dialogues, is_turn, values
from compeer_jax.data.corpora.marking import SENTENCES, MarkedFile, mark_in
from compeer_jax.data.corpora.mesc_table import TABLE, mesc_dialogues
from compeer_jax.data.jsonl import BYTE_ORDER_MARK, UTF16_MARKS, bounded_lines, parse_line
from compeer_jax.data.unpacked import open_unpacked, plain_suffix, require_file
from compeer_jax.errors import UserError

TEXTS = (".txt", ".text")
LINES = (".jsonl", ".ndjson", *TEXTS)
PEEK = 1 << 20  # bytes that are looked at to tell the layout of a file
LONGEST_TEXT = 1 << 24  # bytes of a text that is one dialogue


@dataclass(frozen=True)
class Row:
    """A value that should be a dialogue.

    Attributes:
        where: for messages: "ESConv.json, row 17".
        value: parsed JSON, or a text.
        file: the file's name in the corpus.
        record: its number in the file, as `where` has it; None if it is the whole file.
        sha256: of the file, or of the row where there is no file.
    """

    where: str
    value: object
    file: str
    record: int | None
    sha256: str


@dataclass(frozen=True)
class Fault:
    """A row that can't be read.

    Attributes:
        where: as a Row's.
        error: a sentence that begins with the place.
        row: what could be read of it.
    """

    where: str
    error: UserError
    row: object = None


def file_rows(path: Path, shown: str) -> Iterator[Row | Fault]:
    """The rows of a file, unpacked if it is packed; a Fault where it can't be read on.

    Args:
        path: the file.
        shown: what messages and provenance call it.

    Raises:
        UserError: it can't be opened.
    """
    try:
        require_file(path, shown)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with open_unpacked(path, shown, buffer=PEEK) as file:
            start = file.peek()
            if start.startswith(BYTE_ORDER_MARK):
                file.read(len(BYTE_ORDER_MARK))
            for item in _rows(file, start.removeprefix(BYTE_ORDER_MARK), plain_suffix(path), shown):
                yield item if isinstance(item, Fault) else Row(*item[:2], shown, item[2], sha256)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error
    except UserError as error:
        yield Fault(shown, error)


Found = tuple[str, object, int | None]


def _rows(file: BinaryIO, start: bytes, suffix: str, shown: str) -> Iterator[Found | Fault]:
    first = start.lstrip()[:1]
    if start.startswith(UTF16_MARKS):
        yield Fault(shown, UserError(f"{shown}: not UTF-8 but UTF-16; save the file in UTF-8."))
    elif not start:
        yield Fault(shown, UserError(f"{shown} is empty; it needs one JSON object a line."))
    elif suffix == TABLE:
        for number, row in enumerate(mesc_dialogues(file, shown)):
            yield f"{shown}, dialogue {number}", row, number
    elif suffix in TEXTS and first not in (b"[", b"{"):
        yield _text(file, shown)
    elif first == b"[" and not _array_a_line(start, suffix):
        yield from _array(file, shown)
    elif first == b"{" and suffix not in LINES and holds_dialogues(begun(start)):
        yield from _json_rows(file, shown, dialogues_in)
    elif first == b"{" and suffix not in LINES and _over_lines(start):
        yield from _json_rows(file, shown, partial(values, prefix=""))
    else:
        yield from _lines(file, shown)


def _array_a_line(start: bytes, suffix: str) -> bool:
    """Whether a file that begins with "[" has an array in each line, rather than being one."""
    line, end, rest = start.lstrip().partition(b"\n")
    line = line.strip()
    if not end or not line.endswith(b"]") or (suffix not in LINES and not rest.lstrip().startswith(b"[")):
        return False
    return suffix in LINES or isinstance(_parsed(line), list)


def _over_lines(start: bytes) -> bool:
    """Whether the object that a file begins with goes on after its first line."""
    line, end, _ = start.lstrip().partition(b"\n")
    return bool(end) and not line.rstrip().endswith(b"}")


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _lines(file: BinaryIO, shown: str) -> Iterator[Found | Fault]:
    for number, line in bounded_lines(file):
        where = f"{shown}, line {number}"
        try:
            yield where, parse_line(line, where, first=False), number
        except UserError as error:
            yield Fault(where, error, line and line.decode(errors="replace").rstrip("\n"))


def _array(file: BinaryIO, shown: str) -> Iterator[Found | Fault]:
    rows = _json_rows(file, shown, partial(values, prefix="item"))
    head = next(rows, None)
    if head is None:
        yield Fault(shown, UserError(f"{shown} is an empty list; it needs at least one object."))
    elif isinstance(head, Fault) or not is_turn(head[1]):
        yield from chain([head], rows)
    else:
        yield _whole(shown, head, rows)


def _whole(shown: str, head: Found, rows: Iterator[Found | Fault]) -> Found | Fault:
    turns = [head[1]]
    for item in rows:
        if isinstance(item, Fault):
            return Fault(shown, UserError(f"{shown}{str(item.error).removeprefix(item.where)}"), turns)
        turns.append(item[1])
    return shown, turns, None


def _json_rows(file: BinaryIO, shown: str, read: Callable[[MarkedFile], Iterator[object]]) -> Iterator[Found | Fault]:
    """The values that `read` finds in the file, each with its place."""
    marked, number = MarkedFile(file), 0
    found = read(marked)
    while True:
        where = f"{shown}, row {number}"
        try:
            value = next(found, found)
        except BROKEN as error:
            yield Fault(where, UserError(f"{where}: {_unreadable(str(error))}"))
            return
        if value is found:
            return
        mark = mark_in(value) if marked.found else None
        yield Fault(where, UserError(f"{where}: {SENTENCES[mark]}"), value) if mark else (where, value, number)
        if not is_turn(value):
            marked.begin_row()  # turns of a bare array are one row together
        number += 1


def _unreadable(said: str) -> str:
    """Why an array can't be read on, by what its parser says."""
    if "premature EOF" in said:
        return "the file ends in the middle of it; fetch the file again."
    said = " ".join(said.split("\n")[0].split())
    return f"not JSON ({said}); what comes after it can't be read, so mend the file there."


def _text(file: BinaryIO, shown: str) -> Found | Fault:
    data = file.read(LONGEST_TEXT + 1)
    if len(data) > LONGEST_TEXT:
        return Fault(shown, UserError(f"{shown}: longer than {LONGEST_TEXT:,} bytes, so not one dialogue; split it."))
    try:
        return shown, data.decode(), None
    except UnicodeDecodeError as error:
        return Fault(shown, UserError(f"{shown}: not UTF-8 (byte {error.start + 1}); save the file in UTF-8."))
