"""A CER folder, as the data pipeline makes it, as TensorFlow Datasets: one configuration a view."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from compeer_jax.curation.tfds.features import (
    NONE,
    label,
    object_rows,
    objects,
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
from compeer_jax.data.cer_folder import RL, SFT, TRAIN, view_file
from compeer_jax.data.danger.talks import record_withheld
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

VIEWS = {
    "unifi": "Every step with its verdict, and the preference: to train a judge of both.",
    "prm": "Outputs with at least one judged step: to train a judge of steps.",
    "orm": "Pairs of answers with a preference: to train a judge of answers.",
    SFT: "Steps judged right with the better answer: to fine-tune on.",
    RL: "Each sampled round once, with the real reply and the labels that are known: prompts to learn from by rewards.",
}
POLICY = (SFT, RL)
SPLITS = ("train", "valid", "test", "train_d", "train_r", "train_p")
VERDICTS = ("false", "true", NONE)
PREFERENCE_LABELS = (NONE, *PREFERENCES)
REQUIRED = ("id", "language", "source", "licence")


class Cer(LocalBuilder):
    """Builds a view of CER from `source`: the folder that the pipeline's cer stage has written."""

    LICENCE = "That of each record's corpus, which its field 'licence' names."
    HOMEPAGE = "https://arxiv.org/abs/2508.09521"
    CITATION = """@article{wang2025compeer,
  title = {COMPEER: Controllable Empathetic Reinforcement Reasoning for Emotional Support Conversation},
  author = {Wang, Yunxiao and Liu, Meng and Liu, Wenqi and Jiang, Kaiyu and Wen, Bin and Yang, Fan and Gao, Tingting
    and Zhou, Guorui and Nie, Liqiang},
  journal = {arXiv preprint arXiv:2508.09521},
  year = {2025},
}"""
    DESCRIPTION = """Emotional support with psychological reasoning, in the form of COMPEER's dataset CER. It was made
by compeer_jax's data pipeline from corpora and chat models of the user's choice, and is not the data
of the authors; README.md of the folder that it was built from says how it was made and who judged
it. Examples are in the files' order. In unifi, sft and rl, train_d, train_r and train_p add the
same number of records to train: duplicates, rewrites, and rewrites to another personality."""

    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=name, description=what) for name, what in VIEWS.items()]

    def splits(self) -> dict[str, Path]:
        folder = Path(self.source).expanduser() / self.builder_config.name
        paths = {split: folder / f"{split}.jsonl" for split in SPLITS}
        if self.builder_config.name == RL and not folder.is_dir() and folder.parent.is_dir():
            view_file(folder.parent, RL, TRAIN)  # says what makes it
        if not paths["train"].is_file():
            raise UserError(f"{paths['train']} is not there; name the cer folder that `compeer data build` wrote.")
        # A view may lack rows for a split, but a dataset of no example can't be written.
        return {split: path for split, path in paths.items() if path.is_file() and path.stat().st_size}

    def rows(self, path: Path) -> Iterator[dict]:
        form = Record if self.builder_config.name in POLICY else JudgeRecord
        places: dict[str, str] = {}
        for where, obj in read_jsonl(path):
            record = structured(form, obj, where)
            if record.id in places:
                raise UserError(f"{where}: id {record.id!r} is that of {places[record.id]}; ids must differ.")
            places[record.id] = where
            if why := record_withheld(record):
                self.withheld[f"record {why}"] += 1
            else:
                yield unstructured(record)

    def example(self, row: Mapping) -> dict:
        talk = {
            **{name: row[name] for name in REQUIRED},
            **optional_texts(row, ["situation"]),
            **turn_example("history", row["history"]),
            "provenance": provenance_text(row),
        }
        return talk | (_reference(row) if self.builder_config.name in POLICY else _judged(row))

    def features(self) -> dict[str, Any]:
        features = {
            **{name: text() for name in (*REQUIRED, "situation")},
            **turn_features("history"),
            "provenance": text(),
        }
        if self.builder_config.name in POLICY:
            features |= {
                "problem_type": text(),
                "steps": objects(tag=text(), text=text()),
                "labels": objects(name=text(), value=text()),
                "response": text(),
            }
        else:
            features |= {
                "steps": objects(tag=text(), text=text(), verdict=label(VERDICTS)),
                "responses": tfds.features.Sequence(text()),
                "preference": label(PREFERENCE_LABELS),
                "critiques": objects(of=text(), text=text()),
            }
        return features


def judge_row(example: Mapping) -> dict:
    """An example of unifi, prm or orm in the form of our JSON lines, of which a `JudgeRecord` is read."""
    steps = object_rows(example["steps"])
    preference = PREFERENCE_LABELS[example["preference"]]
    row = _talk_row(example) | {
        "preference": None if preference == NONE else preference,
        "critiques": {critique["of"]: critique["text"] for critique in object_rows(example["critiques"])} or None,
        "provenance": provenance_row(example),
    }
    verdicts = {step["tag"]: VERDICTS[step["verdict"]] for step in steps}
    return without_missing(row) | {
        "steps": {step["tag"]: step["text"] for step in steps},
        "labels": {tag: verdict == "true" for tag, verdict in verdicts.items() if verdict != NONE},
        "responses": [plain(response) for response in example["responses"]],
    }


def record_row(example: Mapping) -> dict:
    """An example of sft or rl in the form of our JSON lines, of which a `Record` is read."""
    reference = {
        "steps": {step["tag"]: step["text"] for step in object_rows(example["steps"])},
        "labels": {pair["name"]: pair["value"] for pair in object_rows(example["labels"])},
        "response": plain(example["response"]),
    }
    row = _talk_row(example) | {
        "problem_type": plain(example["problem_type"]),
        "provenance": provenance_row(example),
    }
    return without_missing(row) | {"reference": reference}


def _talk_row(example: Mapping) -> dict:
    return {name: plain(example[name]) for name in (*REQUIRED, "situation")} | {
        "history": turn_rows("history", example)
    }


def _reference(row: Mapping) -> dict:
    reference = row["reference"]
    return {
        **optional_texts(row, ["problem_type"]),
        "steps": [{"tag": tag, "text": text} for tag, text in reference["steps"].items()],
        "labels": [{"name": name, "value": value} for name, value in reference["labels"].items()],
        "response": reference["response"],
    }


def _judged(row: Mapping) -> dict:
    verdicts = {tag: VERDICTS[value] for tag, value in row["labels"].items()}
    return {
        "steps": [{"tag": tag, "text": text, "verdict": verdicts.get(tag, NONE)} for tag, text in row["steps"].items()],
        "responses": row["responses"],
        "preference": row.get("preference", NONE),
        "critiques": [{"of": of, "text": text} for of, text in row.get("critiques", {}).items()],
    }
