"""Paths of a corpus's files, and the names and ids that follow from them."""

import re
from importlib import resources
from pathlib import Path

from compeer_jax.data.corpora.mesc_table import TABLE
from compeer_jax.data.corpora.tables import is_hub_id
from compeer_jax.data.unpacked import PACKED, plain_suffix, require_file
from compeer_jax.errors import UserError

SAMPLE = "sample"
SAMPLE_FACES = "sample_faces"
SAMPLES = (SAMPLE, SAMPLE_FACES)
"""The bundled dialogues, as words alone and with drawn faces of the seekers."""

PARQUET = ".parquet"
SUFFIXES = (".json", ".jsonl", ".ndjson", ".txt", ".text", PARQUET)


def corpus_files(path: str) -> list[Path]:
    """The files of a corpus in the order that they are read; none for the bundled dialogues and the Hub's.

    Raises:
        UserError: the folder has no file that could be a corpus's, or the path is a pipe or a device.
    """
    if path in SAMPLES:
        return []
    place = Path(path).expanduser()
    if place.is_dir():
        found = (file for file in place.rglob("*") if file.is_file() and plain_suffix(file) in SUFFIXES)
        files = sorted(file for file in found if not _is_hidden(file.relative_to(place)))
        if not files:
            raise UserError(f"{place} has no file that ends with {', '.join(SUFFIXES)}, packed or not; check the path.")
        return files
    if place.exists():
        require_file(place, path)
        return [place]
    return [] if is_hub_id(path) and plain_suffix(place) not in SUFFIXES else [place]


def corpus_folder(path: str) -> Path:
    """The folder that the pictures of a corpus are told from."""
    if path in SAMPLES:
        return Path(str(resources.files("compeer_jax.data") / "sample"))
    place = Path(path).expanduser()
    return place if place.is_dir() else place.parent


def shown(file: Path, path: str) -> str:
    """What messages and provenance call a file of the corpus at `path`: its place in the corpus's folder."""
    folder = Path(path).expanduser()
    return file.relative_to(folder).as_posix() if folder.is_dir() else file.name


def plain_name(path: str) -> str:
    """What a corpus is called after its path, where nothing better is known."""
    return _slug(_without_suffix(Path(path.partition(":")[0]).name).name) or "corpus"


def dialogue_id(source: str, path: str, file: str, record: int | None, own: str | None) -> str:
    """An id that begins with the source.

    Args:
        file: of the row, as `shown`.
        record: its number in the file; None if it is all of it.
        own: the id that the row gives itself, if it does.
    """
    if own is not None:
        return own if own.startswith((f"{source}-", f"{plain_name(path)}-")) else f"{source}-{own}"
    parts = [] if plain_name(file) == plain_name(path) and record is not None else [_slug(str(_without_suffix(file)))]
    return "-".join([source, *parts, *([] if record is None else [f"{record:04d}"])])


def _without_suffix(file: str) -> Path:
    path = Path(file)
    path = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return path.with_suffix("") if path.suffix.lower() in (*SUFFIXES, TABLE) else path


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-")
