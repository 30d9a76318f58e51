"""JSON lines in and out: one object a line, UTF-8. Every mistake names its file and line."""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from compeer_jax.data.unpacked import open_unpacked
from compeer_jax.errors import UserError
from compeer_jax.files import replacing

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DEEPEST = 100  # levels of JSON; those of dialogues have four
LONGEST_LINE = 1 << 24  # bytes of one row; a long dialogue has some 100,000
LONGEST_ARRAY = 1 << 26  # bytes of an array that is read at once


def read_jsonl(path: str | Path) -> Iterator[tuple[str, dict]]:
    """Yields (where, object) for each line, `where` being a name for messages: "a.jsonl, line 3".

    Lines are read one at a time, so a file may be larger than memory. A byte order mark at the start is skipped, and
    what is packed by gzip or Zstandard is unpacked.

    Raises:
        UserError: no such file; no line in it; a line that is empty, not UTF-8, not JSON, not an object, or longer
            than `LONGEST_LINE`; see `open_unpacked` as well.
    """
    path = Path(path).expanduser()
    number = 0
    with _opened(path) as file:
        for number, line in bounded_lines(file):
            where = f"{path}, line {number}"
            value = parse_line(line, where, first=number == 1)
            if not isinstance(value, dict):
                raise UserError(f"{where}: expected a JSON object {{…}}, found {type(value).__name__}.")
            yield where, value
    if not number:
        raise UserError(f"{path} is empty; it needs one JSON object a line.")


def bounded_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers from 1; None for one longer than `LONGEST_LINE`, which is passed over."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        fits = len(line) <= LONGEST_LINE
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)
        yield number, line if fits else None


def parse_line(line: bytes | None, where: str, *, first: bool) -> object:
    """The value of one of the `bounded_lines`, or a UserError that begins with `where`."""
    if line is None:
        raise UserError(f"{where}: longer than {LONGEST_LINE >> 20} MiB, so not one row; write one JSON object a line.")
    return parse_json(line.removeprefix(BYTE_ORDER_MARK) if first else line, where)


def read_rows(path: str | Path) -> list[tuple[str, dict]]:
    """The objects of a JSON array or of JSON lines, whichever the file holds, each with its place for messages.

    Raises:
        UserError: as `read_jsonl`, or the array is empty, longer than `LONGEST_ARRAY` or holds something other than
            objects.
    """
    path = Path(path).expanduser()
    with _opened(path) as file:
        start = file.read(4096).removeprefix(BYTE_ORDER_MARK)
        is_array = start.lstrip().startswith(b"[")
        data = start + file.read(LONGEST_ARRAY) if is_array else b""
    if not is_array:
        return list(read_jsonl(path))
    if len(data) > LONGEST_ARRAY:
        raise UserError(f"{path} is an array of more than {LONGEST_ARRAY >> 20} MiB; write one JSON object a line.")
    rows = parse_json(data, str(path))
    if not rows:
        raise UserError(f"{path} is an empty list; it needs at least one object.")
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {index}: expected a JSON object {{…}}, found {type(row).__name__}.")
    return [(f"{path}, row {index}", row) for index, row in enumerate(rows)]


def _opened(path: Path) -> BinaryIO:
    try:
        return open_unpacked(path, str(path))
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error


def parse_json(data: bytes, where: str) -> object:
    """The value of one JSON text in UTF-8 of at most `DEEPEST` levels, or a UserError that begins with `where`."""
    if data.startswith(UTF16_MARKS):
        raise UserError(f"{where}: not UTF-8 but UTF-16; save the file in UTF-8.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file in UTF-8.") from error
    if not text.strip():
        raise UserError(f"{where}: empty; remove it or write one JSON value there.")
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # an escaped half of a surrogate pair is JSON, but no character
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}: not JSON ({error.msg}, line {error.lineno} column {error.colno} of it); mend it."
        ) from error
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: \\u{ord(error.object[error.start]):x} is half a character; remove it.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not readable as JSON ({error}); mend it.") from error
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise UserError(f"{where}: not readable as JSON (it is nested more than {DEEPEST} levels deep); mend it.")
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def write_jsonl(path: str | Path, rows: Iterable[Mapping]) -> int:
    """Writes one object a line and returns how many. The file appears whole or not at all.

    Raises:
        UserError: the folder can't be written.
    """
    path = Path(path).expanduser()
    count = 0
    with replacing(path) as temporary:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = temporary.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"{path} can't be written ({error.strerror}); choose another folder.") from error
        with file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count
