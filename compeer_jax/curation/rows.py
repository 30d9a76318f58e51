"""Rows of the stages' files: JSON lines, read one at a time as dataclasses."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from compeer_jax.curation.stage import StageWriter, Workspace
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError
from compeer_jax.structure import structured

DIALOGUES = "dialogues.jsonl"

Row = TypeVar("Row")


def json_rows(path: Path) -> Iterable[tuple[str, dict]]:
    """As `read_jsonl`, but none of an empty file: the stage that wrote it left nothing over."""
    return read_jsonl(path) if path.stat().st_size else ()


def read_rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    """The rows of a file; UserError naming file, line and field for the first that is spoilt."""
    return (structured(kind, row, where) for where, row in json_rows(path))


def sound_rows(
    path: Path,
    kind: type[Row],
    out: StageWriter,
    *,
    fault: str = "not a row of this file",
    unknown_fields: Literal["refuse", "ignore"] = "refuse",
) -> Iterator[Row]:
    """The rows of a file but those that somebody has spoilt since it was written, which `out` rejects for `fault`."""
    for number, (where, row) in enumerate(json_rows(path), start=1):
        try:
            found = structured(kind, row, where, unknown_fields=unknown_fields)
        except UserError as error:
            place = f"{path.parent.name}/{path.name}, line {number}"
            out.reject(place, f"{fault}: {str(error).removeprefix(f'{where}: ')}", row)
        else:
            yield found


def read_dialogues(work: Workspace, stage: str, out: StageWriter) -> Iterator[Dialogue]:
    """The dialogues that a stage gave, as `sound_rows`."""
    return sound_rows(work.file(stage, DIALOGUES), Dialogue, out, fault="not a dialogue's row")
