"""ESConv as a TensorFlow Dataset: one dialogue an example, in the file's order."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.curation.tfds.features import (
    NONE,
    label,
    optional_texts,
    plain,
    provenance_row,
    provenance_text,
    text,
    turn_example,
    turn_features,
    turn_rows,
    without_missing,
)
from compeer_jax.curation.tfds.local_builder import LocalBuilder
from compeer_jax.data.corpora import read_corpus
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS
from compeer_jax.errors import UserError

NAME = "esconv"
FILE = "ESConv.json"
EMOTION_LABELS = (NONE, *EMOTIONS.names())
TEXTS = ("situation", "problem_type")
INTENSITIES = ("initial_intensity", "final_intensity")


class Esconv(LocalBuilder):
    """Builds ESConv from `source`: a file of ESConv's own dialogues, or a folder with ESConv.json in it."""

    LICENCE = "CC BY-NC 4.0"
    HOMEPAGE = "https://github.com/thu-coai/Emotional-Support-Conversation"
    CITATION = """@inproceedings{liu-etal-2021-towards,
  title = {Towards Emotional Support Dialog Systems},
  author = {Liu, Siyang and Zheng, Chujie and Demasi, Orianna and Sabour, Sahand and Li, Yu and Yu, Zhou and
    Jiang, Yong and Huang, Minlie},
  booktitle = {Proceedings of ACL-IJCNLP 2021},
  year = {2021},
}"""
    DESCRIPTION = """Dialogues between people who seek emotional support and people who give it, with the supporter's
strategy for each turn, the seeker's emotion and problem, and its intensity (1 to 5; 0: not given) before and after.
Adjacent utterances of one speaker are one turn. All dialogues are in one split, in the file's order, so that row
numbers of a split file hold."""

    def splits(self) -> dict[str, Path]:
        path = Path(self.source).expanduser()
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"{path} is not there; name {FILE}, or the folder that it is in.")
        return {"train": path}

    def rows(self, path: Path) -> Iterator[dict]:
        dialogues, _ = read_corpus(path)
        for dialogue in dialogues:
            if dialogue.source != NAME:
                raise UserError(
                    f"{path}: {dialogue.id!r} is a dialogue of {dialogue.source!r}; name a file of ESConv as "
                    "published, or the dialogues that `compeer data corpora` makes of a copy with form: esconv."
                )
            yield replace(dialogue, turns=tuple(map(self._shown, dialogue.turns))).to_json()

    def _shown(self, turn: Turn) -> Turn:
        """The turn; with a note for its words if they are withheld, so that turns and rows keep their numbers."""
        why = why_withheld(turns=[turn])
        if why is None:
            return turn
        self.withheld[f"turn {why}"] += 1
        return replace(turn, content=f"[{why}]")

    def example(self, row: Mapping) -> dict:
        return {
            **{name: row[name] for name in ("id", "language", "source", "licence")},
            **optional_texts(row, TEXTS),
            "emotion_type": row.get("emotion_type", NONE),
            **{name: row.get(name, 0) for name in INTENSITIES},
            **turn_example("turns", row["turns"]),
            "provenance": provenance_text(row),
        }

    def features(self) -> dict[str, Any]:
        return {
            **{name: text() for name in ("id", "language", "source", "licence", *TEXTS)},
            "emotion_type": label(EMOTION_LABELS),
            **dict.fromkeys(INTENSITIES, np.int32),
            **turn_features("turns"),
            "provenance": text(),
        }


def dialogue_row(example: Mapping) -> dict:
    """The dialogue in the form of our JSON lines, which `Dialogue.from_json` takes."""
    row = {name: plain(example[name]) for name in ("id", "language", "source", "licence", *TEXTS, *INTENSITIES)}
    emotion = EMOTION_LABELS[example["emotion_type"]]
    row["emotion_type"] = None if emotion == NONE else emotion
    return without_missing(row | {"turns": turn_rows("turns", example), "provenance": provenance_row(example)})
