"""Rejected rows, with the reason in words that are the same for the same fault, so that they can be counted."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from compeer_jax.data.corpora.rows import Fault


@dataclass(frozen=True)
class Rejected:
    """A row that is no dialogue.

    Attributes:
        where: file and record, without the folders above the corpus.
        reason: the same words for the same fault, then a colon and what is special to the row.
        row: what was read of it.
    """

    where: str
    reason: str
    row: object = None


def rejected(fault: Fault) -> Rejected:
    """What to say of a fault."""
    sentence = str(fault.error).removeprefix(fault.where)
    return Rejected(fault.where, f"{_kind(sentence)}: {sentence.lstrip(',: ')}", _storable(fault.row))


_KINDS: tuple[tuple[str, str | Callable[[re.Match], str]], ...] = (
    (r"not UTF-8", "wrong encoding"),
    (r"half (a character|of a surrogate)", "half a character"),
    (r"the file ends in the middle", "cut off"),
    (r"longer than", "too long"),
    (r"grows to more than", "grows too large"),
    (r"damaged or cut off|not readable as Parquet", "damaged file"),
    (r"ZIP archive|packed by|7z archive|a database|is Parquet", "not text"),
    (r"not JSON|not readable as JSON", "not JSON"),
    (r": empty; remove it", "empty line"),
    (r" is empty; it needs| is an empty list; ", "empty file"),
    (r"of no form that we read", "unknown form"),
    (r"in another language|its language is", "other language"),
    (r"speaks; a dialogue needs both", "only one side speaks"),
    (r"was given before", "duplicate id"),
    (r"unknown (\w+)", lambda found: f"unknown {found[1]}"),
    (r"begins with no role", "unknown role"),
    (r"(turn|utterance|exchange|response)\b.*field 'content' is (empty|missing)", "empty turn"),
)
"""What faults are called, by how their sentences read; the first that fits."""


def _kind(sentence: str) -> str:
    for pattern, name in _KINDS:
        found = re.search(pattern, sentence)
        if found:
            return name if isinstance(name, str) else name(found)
    return "malformed"


def _storable(row: object) -> object:
    """The row, if it can be written as JSON in UTF-8; else as much of it as can be, as text."""
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        try:
            return json.dumps(row, default=str)
        except (ValueError, RecursionError):
            return None
    return row
