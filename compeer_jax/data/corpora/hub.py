"""Rows of Hugging Face data sets, streamed. No code of a data set is ever run."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator

from compeer_jax.data.corpora.rows import Row
from compeer_jax.errors import UserError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


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
