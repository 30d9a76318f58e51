"""Features of our TensorFlow Datasets: those in common, rows of JSON as examples of them, and examples as rows again.

TensorFlow Datasets keeps a list of objects as an object of lists, has no missing values, and needs TensorFlow for lists
in lists. So a missing text is "", a missing label "none", and the images of all turns are one list beside the turns.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import tensorflow_datasets as tfds

from compeer_jax.dialogue.schema import Role
from compeer_jax.dialogue.taxonomy import STRATEGIES

NONE = "none"
ROLES = get_args(Role)
STRATEGY_LABELS = (NONE, *STRATEGIES.names())


def text() -> tfds.features.Text:
    return tfds.features.Text()


def label(names: Sequence[str]) -> tfds.features.ClassLabel:
    return tfds.features.ClassLabel(names=list(names))


def objects(**features: Any) -> tfds.features.Sequence:
    """A list of objects with these features."""
    return tfds.features.Sequence(features)


def turn_features(name: str) -> dict:
    """The features of a talk, its turns under `name`."""
    return {
        name: objects(role=label(ROLES), content=text(), strategy=label(STRATEGY_LABELS), caption=text()),
        "images": objects(turn=np.int32, path=text()),
    }


def turn_example(name: str, turns: Iterable[Mapping]) -> dict:
    """Turns of a row in the form of `turn_features`."""
    turns = list(turns)
    return {
        name: [
            {
                "role": turn["role"],
                "content": turn["content"],
                "strategy": turn.get("strategy", NONE),
                "caption": turn.get("caption", ""),
            }
            for turn in turns
        ],
        "images": [
            {"turn": index, "path": path} for index, turn in enumerate(turns) for path in turn.get("images", ())
        ],
    }


def turn_rows(name: str, example: Mapping) -> list[dict]:
    """The turns that `turn_example` was given."""
    turns = []
    for columns in object_rows(example[name]):
        turn = {"role": ROLES[columns["role"]], "content": columns["content"]}
        if columns["strategy"]:
            turn["strategy"] = STRATEGY_LABELS[columns["strategy"]]
        if columns.get("caption"):  # datasets of our first version have none
            turn["caption"] = columns["caption"]
        turns.append(turn)
    for image in object_rows(example["images"]):
        turns[image["turn"]].setdefault("images", []).append(image["path"])
    return turns


def optional_texts(row: Mapping, names: Iterable[str]) -> dict[str, str]:
    """Texts of a row that may be missing; then they are ""."""
    return {name: row.get(name, "") for name in names}


def provenance_text(row: Mapping) -> str:
    """Where a row comes from, as JSON; "" if it doesn't say. Its objects differ from stage to stage."""
    return json.dumps(row["provenance"], ensure_ascii=False) if "provenance" in row else ""


def provenance_row(example: Mapping) -> list[dict] | None:
    """What `provenance_text` was given; None if that was nothing."""
    return json.loads(plain(example["provenance"]) or "null")


def object_rows(columns: Mapping[str, Iterable]) -> list[dict]:
    """A list of objects from its object of lists, values plain."""
    return [dict(zip(columns, map(plain, values), strict=True)) for values in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """A text or a number of an example as Python has it."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic | np.ndarray) else value


def without_missing(row: Mapping) -> dict:
    """The row without what is not set, as our rows are written."""
    return {name: value for name, value in row.items() if value not in (None, "", 0)}
