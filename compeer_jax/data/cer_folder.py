"""Reader of a CER folder: `cer`, which the data pipeline writes, or the pipeline's own folder around it."""

from pathlib import Path
from typing import Literal

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import Record
from compeer_jax.dialogue.judging import JUDGE_KINDS
from compeer_jax.errors import UserError
from compeer_jax.structure import structured

FOLDER = "cer"
UNIFI, SFT, RL = WITH_VARIANTS = ("unifi", "sft", "rl")  # the views whose train has variants
TRAIN = "train"
View = Literal["sft", "rl"]
"""What a policy learns from: reasoned answers, or prompts with the reply that was really given."""

Variant = Literal["none", "d", "r", "p"]
"""Train as it is, or with as many more: duplicates, rewrites, rewrites with a persona."""


def cer_folder(path: str | Path) -> Path | None:
    """The CER folder that `path` is or holds; None for anything else, such as a corpus."""
    path = Path(path).expanduser()
    return next((folder for folder in (path, path / FOLDER) if (folder / SFT).is_dir()), None)


def view_file(folder: Path, view: str, split: str, variant: Variant = "none") -> Path:
    """The file of a view's split.

    Args:
        view: "sft", "rl", or the kind of a judge.
        variant: of train; the other splits have none.

    Raises:
        UserError: it is not there, holds no record, or is a variant without anything more than train.
    """
    if variant != "none" and view not in WITH_VARIANTS:
        raise UserError(
            f"data.variant is {variant!r}, but only {', '.join(WITH_VARIANTS)} have variants, not {view}; take view "
            "unifi, from which all kinds of judge can learn, or set data.variant to none."
        )
    name = f"{split}_{variant}" if split == TRAIN and variant != "none" else split
    path = folder / view / f"{name}.jsonl"
    if view == RL and not path.parent.is_dir():
        raise UserError(
            f"{folder} was made before there was a view for reinforcement learning, {path.parent} is not there; run "
            "`compeer data cer` with the dataset's config, which writes it without asking any model again."
        )
    if not path.is_file():
        raise UserError(f"{path} is not there; run `compeer data cer`, which writes it, or name another CER folder.")
    if not path.stat().st_size:
        raise UserError(
            f"{path} holds no record; have more candidates annotated, or change the shares cer.valid and cer.test."
        )
    if name != split and path.stat().st_size == (folder / view / f"{split}.jsonl").stat().st_size:
        raise UserError(
            f"{path} is {split}.jsonl with nothing added, as nothing could be rewritten in both ways; name a chat "
            "model in personality.model and build the dataset again, or set data.variant to none."
        )
    return path


def policy_view(folder: Path, view: View) -> View:
    """The view that is read where `view` is asked for.

    That is `view` itself in CER. A folder of reasoned replies alone, as `compeer data care` writes, has each reply once
    with all its labels: there "sft" is the view of prompts too.
    """
    alone = view == RL and not any((folder / name).is_dir() for name in (RL, *JUDGE_KINDS))
    return SFT if alone else view


def read_policy_records(folder: Path, view: View, split: str, variant: Variant = "none") -> list[Record]:
    """The records to fine-tune on, or to draw prompts from.

    Raises:
        UserError: naming file and line, for a file that is missing, empty or malformed, an id that is there twice, or
            in "sft" a record without reasoning.
    """
    records: dict[str, Record] = {}
    for where, obj in read_jsonl(view_file(folder, view, split, variant)):
        record = structured(Record, obj, where)
        if record.id in records:
            raise UserError(f"{where}: the id {record.id!r} is there twice; give each record its own.")
        if view == SFT and not record.reference.steps:
            raise UserError(f"{where}: the record has no reasoning steps to learn; records of prompts belong into rl/.")
        records[record.id] = record
    return list(records.values())
