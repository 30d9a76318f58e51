"""JSON lines in and out: one object a line, UTF-8. Every mistake names its file and line."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from compeer_jax.errors import UserError
from compeer_jax.files import replacing

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_jsonl(path: str | Path) -> Iterator[tuple[str, dict]]:
    """Yields (where, object) for each line, `where` being a name for messages: "a.jsonl, line 3".

    Lines are read one at a time, so a file may be larger than memory. A byte order mark at the start is skipped.

    Raises:
        UserError: no such file; no line in it; a line that is empty, not UTF-8, not JSON, or not an object.
    """
    path = Path(path).expanduser()
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error
    with file:
        number = 0
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            value = parse_json(line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line, where)
            if not isinstance(value, dict):
                raise UserError(f"{where}: expected a JSON object {{…}}, found {type(value).__name__}.")
            yield where, value
    if not number:
        raise UserError(f"{path} is empty; it needs one JSON object a line.")


def read_rows(path: str | Path) -> list[tuple[str, dict]]:
    """The objects of a JSON array or of JSON lines, whichever the file holds, each with its place for messages.

    Raises:
        UserError: as `read_jsonl`, or the array is empty or holds something other than objects.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            is_array = file.read(4096).removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"[")
        if not is_array:
            return list(read_jsonl(path))
        rows = parse_json(path.read_bytes().removeprefix(BYTE_ORDER_MARK), str(path))
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error
    if not rows:
        raise UserError(f"{path} is an empty list; it needs at least one object.")
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {index}: expected a JSON object {{…}}, found {type(row).__name__}.")
    return [(f"{path}, row {index}", row) for index, row in enumerate(rows)]


def parse_json(data: bytes, where: str) -> object:
    """The value of one JSON text in UTF-8, or a UserError that begins with `where`."""
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
    return value


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
