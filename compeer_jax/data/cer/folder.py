"""A CER folder as training reads it: `cer`, which the data pipeline writes, or the pipeline's own folder around it."""

from pathlib import Path

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import Record
from compeer_jax.errors import UserError

FOLDER = "cer"
SFT = "sft"


def cer_folder(path: str | Path) -> Path | None:
    """The CER folder that `path` is or holds; None for anything else, such as a corpus."""
    path = Path(path).expanduser()
    return next((folder for folder in (path, path / FOLDER) if (folder / SFT).is_dir()), None)


def view_file(folder: Path, view: str, split: str) -> Path:
    """The file of a view's split.

    Raises:
        UserError: it is not there, or holds no record.
    """
    path = folder / view / f"{split}.jsonl"
    if not path.is_file():
        raise UserError(f"{path} is not there; run `compeer data cer`, which writes it, or name another CER folder.")
    if not path.stat().st_size:
        raise UserError(
            f"{path} holds no record; have more candidates annotated, or change the shares cer.valid and cer.test."
        )
    return path


def read_sft_records(folder: Path, split: str) -> list[Record]:
    """The records to fine-tune on.

    Raises:
        UserError: naming file and line, for a file that is missing, empty or malformed, or an id that is there twice.
    """
    records: dict[str, Record] = {}
    for where, obj in read_jsonl(view_file(folder, SFT, split)):
        record = Record.from_json(obj, where)
        if record.id in records:
            raise UserError(f"{where}: the id {record.id!r} is there twice; give each record its own.")
        records[record.id] = record
    return list(records.values())
