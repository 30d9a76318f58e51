"""Tables of tasks for spreadsheets, one row a task, as they are given out and as annotators have filled them in.

Each annotator gets a copy, and writes a name and the verdicts into it. Copies may be joined in any order.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from compeer_jax.curation.annotation.items import (
    ANNOTATOR,
    ASKED,
    KEY,
    VERDICT_FIELDS,
    Task,
    shown_media,
    verdict_field,
)
from compeer_jax.curation.annotation.votes import SETTLED, Fault, Filled
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.talk import SPEAKERS
from compeer_jax.errors import UserError

ENCODING = "utf-8-sig"  # the byte order mark is what tells spreadsheets that Chinese is UTF-8
DELIMITERS = ",;\t"  # that spreadsheets write, by country
_FORMULA = tuple("=+-@\t\r＝＋－＠")  # what a cell begins with that a spreadsheet would compute
_LONGEST_CELL = 10_000_000  # characters


def columns(format: ReasoningFormat) -> list[str]:
    """The table's columns: what identifies a row, the talk, then each text with the verdict on it."""
    steps = [name for tag in format.tags[:-1] for name in (tag, verdict_field(tag))]
    return [KEY, ANNOTATOR, ASKED, "language", "conversation", *steps, "first", "second", verdict_field(RESPONSE)]


def write_table(
    path: Path, tasks: Iterable[tuple[Task, Iterable[str] | None]], format: ReasoningFormat, person: str = ""
) -> None:
    """Writes tasks to be filled in.

    Args:
        tasks: each with the tags that a third annotator is asked about, or None in the first round.
        person: whom all of them are for; the name is filled in.
    """
    with path.open("w", encoding=ENCODING, newline="") as file:
        writer = csv.DictWriter(file, columns(format))
        writer.writeheader()
        for task, asked in tasks:
            row = _row(task, format, None if asked is None else tuple(asked)) | {ANNOTATOR: person}
            writer.writerow({name: safe_cell(text) for name, text in row.items()})


def read_table(
    path: Path, fields: Sequence[str] = VERDICT_FIELDS, setting: str = "annotation.imports"
) -> Iterator[Filled | Fault]:
    """The filled-in rows of a table, as they stand in the file; rows without any verdict give none.

    Commas, semicolons and tabs may part the cells. Columns that we don't need may be missing or be there; exports of
    Label Studio as CSV can be read, too.

    Args:
        fields: the columns of verdicts.
        setting: that named the file, for messages.

    Raises:
        UserError: the file can't be read or is not UTF-8, or has no columns of ours.
    """
    csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            header = file.readline()
            delimiter = max(DELIMITERS, key=header.count)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            names = [name.strip() for name in reader.fieldnames or []]
            if KEY not in names or not any(name in names for name in fields):
                wanted = f"{KEY}, {ANNOTATOR} and columns of verdicts such as {fields[0]}"
                raise UserError(f"{path}: the first line must name the columns {wanted}; keep it as it was given out.")
            reader.fieldnames = names
            for number, row in enumerate(reader, start=1):
                form = _form(row, f"{path.name}, row {number}", path.name, fields)
                if form is not None:
                    yield form
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check {setting}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; save the table as CSV UTF-8.") from error
    except csv.Error as error:
        raise UserError(f"{path}: not a table in CSV ({error}); save it as CSV UTF-8.") from error


def safe_cell(text: str) -> str:
    """`text`, with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA) else text


def _row(task: Task, format: ReasoningFormat, asked: tuple[str, ...] | None) -> dict[str, str]:
    first, second = task.responses
    row = dict.fromkeys(columns(format), "")
    row |= {KEY: task.key, "language": task.candidate.language, "conversation": _talk(task)}
    row |= {**task.candidate.sections(format), "first": first, "second": second}
    if asked is not None:
        row[ASKED] = ", ".join(asked)
        row |= {verdict_field(tag): SETTLED for tag in format.tags if tag not in asked}
    return row


def _talk(task: Task) -> str:
    speakers = SPEAKERS[task.candidate.language]
    return "\n".join(
        speakers[turn.role] + " ".join([*turn.content.split("\n"), *shown_media(turn)])
        for turn in task.candidate.history
    )


def _form(row: Mapping, where: str, file: str, fields: Sequence[str]) -> Filled | Fault | None:
    if None in row or None in row.values():
        return Fault(where, "a row with too few or too many cells", {str(name): value for name, value in row.items()})
    texts = {name: row[name].strip().removeprefix("'") for name in (KEY, ANNOTATOR, ASKED, *fields) if name in row}
    verdicts = {name: texts[name] for name in fields if texts.get(name) and texts[name] != SETTLED}
    if not verdicts:
        return None
    asked = texts.get(ASKED)
    tags = tuple(tag.strip() for tag in asked.split(",")) if asked else None
    return Filled(where, file, texts[KEY], texts.get(ANNOTATOR, ""), verdicts, tags)
