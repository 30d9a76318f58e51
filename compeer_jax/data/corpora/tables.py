"""Rows of tables: Parquet files, some at a time, and Hugging Face data sets, streamed.

What a Parquet file says of its size is checked before any of it is unpacked. No code of a data set is ever run.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from compeer_jax.data.corpora.rows import Fault, Row
from compeer_jax.data.jsonl import LONGEST_LINE
from compeer_jax.data.unpacked import FREE_GROWTH, MOST_GROWTH, require_file
from compeer_jax.errors import UserError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")
SOME = 16  # rows that are unpacked at once; a dictionary can make each as long as all of the file


def parquet_rows(path: Path, shown: str) -> Iterator[Row | Fault]:
    """The rows of a file, without what is null in them; a Fault where it can't be read on.

    A file may have no more than `MOST_GROWTH` times its size unpacked, by what it says and in what is read of it, and
    no row longer than `LONGEST_LINE`.

    Raises:
        UserError: it can't be opened, or pyarrow isn't installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(f"{shown} needs the pyarrow library; pip install 'compeer_jax[data]' installs it.") from error
    try:
        require_file(path, shown)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error
    number, left = 0, path.stat().st_size * MOST_GROWTH + FREE_GROWTH
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            meta = table.metadata
            if sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups)) > left:
                raise UserError(_GROWS)
            for batch in table.iter_batches(batch_size=SOME):
                left -= batch.nbytes
                if left < 0:
                    raise UserError(_GROWS)
                if batch.nbytes > LONGEST_LINE * len(batch):
                    raise UserError(f"a row is longer than {LONGEST_LINE >> 20} MiB, so not one dialogue; split it.")
                for value in batch.to_pylist():
                    value = {name: part for name, part in value.items() if part is not None}
                    yield Row(f"{shown}, row {number}", value, shown, number, sha256)
                    number += 1
        if not number:
            raise UserError("is empty; it needs at least one row.")
    except UserError as error:
        yield Fault(shown, UserError(f"{shown}: {error}"))
    except Exception as error:  # whatever the library raises: Arrow's own errors, and Python's
        said = " ".join(str(error).split())[:200]
        yield Fault(
            f"{shown}, row {number}", UserError(f"{shown}, row {number}: not readable as Parquet ({said}); mend it.")
        )


_GROWS = f"grows to more than {MOST_GROWTH} times its size; save it as JSON lines if it is meant so."


def is_hub_id(path: str) -> bool:
    """Whether `path` can be the id of a data set, "owner/name" or "owner/name:configuration"."""
    return HUB_ID.fullmatch(path) is not None and not path.startswith((".", "/"))


def hub_rows(path: str, split: str) -> Iterator[Row]:
    """The rows of one split of a data set on the Hub.

    Raises:
        UserError: in one sentence, for no network, no such data set, configuration or split, or one that needs code.
    """
    name, _, configuration = path.partition(":")
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{path} needs the datasets library; pip install 'compeer_jax[data]' installs it.") from error
    try:
        loaded: Iterable[dict] = datasets.load_dataset(name, configuration or None, split=split, streaming=True)
        for number, value in enumerate(loaded):
            value = {name: part for name, part in value.items() if part is not None}
            yield Row(f"{path}, row {number}", value, path, number, _row_hash(value))
    except UserError:
        raise
    except Exception as error:  # whatever the library and those below it raise: network, ids, files
        said = " ".join(str(error).split()) or "nothing more is said"
        raise UserError(
            f"{path} can't be read ({type(error).__name__}: {said[:200]}); check its name, the split and the network, "
            "or give a file."
        ) from error


def _row_hash(value: dict) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode(errors="replace")).hexdigest()
