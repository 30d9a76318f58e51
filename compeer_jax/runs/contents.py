"""Fingerprints of the files that a run's settings name: dialogues, start model, judges, prompts, encoder.

A path says where something lies, not what it is: other dialogues under `data.path`, or a judge trained anew, make
another experiment, and the same files in another place the same one.
"""

import dataclasses
import hashlib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compeer_jax.checksums import file_sum
from compeer_jax.data.cer_folder import RL, SFT, UNIFI, cer_folder, policy_view, view_file
from compeer_jax.data.corpora.places import SAMPLES
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.prompts import load_judge_prompt, load_prompt
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.models.fingerprint import checked_fingerprint
from compeer_jax.models.source import model_directory
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.load import HIERARCHICAL, JUDGES


@dataclasses.dataclass(frozen=True)
class Contents:
    """Contents of a run's inputs: what its settings name.

    Attributes:
        fingerprints: dotted name of a setting -> SHA-256 of what it names.
        fault: a sentence on weights that differ from the checksums beside them ("": none do).
    """

    fingerprints: Mapping[str, str]
    fault: str


def read_contents(config: Any) -> Contents:
    """Fingerprints of all files that decide what a run learns, or what an evaluation finds.

    Whatever isn't there has none: who reads it says what is wrong. A server's model has none, and of a reward of the
    user's own the file that defines it is taken.

    Args:
        config: of SFT, of a judge, of GRPO or of `compeer eval`; it has `data` and `model`.

    Raises:
        UserError: a model's directory isn't there or can't be read.
    """
    models = {"model.path": config.model.path}
    reward: RewardConfig | None = getattr(config, "reward", None)
    if hasattr(config, "limits"):  # of a judge
        found = _judge_records(config)
        found["limits.prompt"] = _texts(load_judge_prompt(config.limits.prompt, name) for name in LANGUAGES)
    else:
        found = read_data(config.data, SFT if reward is None else RL)
        found["data.prompt"] = _texts(load_prompt(config.data.prompt, name) for name in LANGUAGES)
    if reward is not None:
        judged_by = {"unifi": ("unifi",), "prm_orm": ("prm", "orm")}.get(reward.judge, ())
        models |= {f"reward.models.{kind}": getattr(reward.models, kind) for kind in judged_by}
        models["reward.encoder.path"] = reward.encoder.path
        if reward.judge == "remote":
            found["reward.remote.prompt"] = _texts(load_judge_prompt(reward.remote.prompt, name) for name in LANGUAGES)
        if reward.judge not in (*JUDGES, HIERARCHICAL):
            found |= _files("reward.judge", [_source(reward.judge)])
    faults = []
    for name, path in models.items():
        if path and (name == "model.path" or Path(path).expanduser().is_dir()):
            found[name], fault = checked_fingerprint(model_directory(path))
            faults += [fault] if fault else []
    return Contents(found, faults[0] if faults else "")


def read_data(data: DataConfig, view: str) -> dict[str, str]:
    """Fingerprints of dialogues and their split, by setting; of what isn't there, none.

    Args:
        data: names them.
        view: of a CER dataset: "sft", "rl" or the kind of a judge.
    """
    folder = cer_folder(data.path)
    reviewed = _reviewed(data)
    if folder is None:
        sample = Path(__file__).parents[1] / "data" / "sample"
        found = _files("data.path", sorted(sample.glob("*.jsonl")) if data.path in SAMPLES else [Path(data.path)])
        return found | _files("data.split", [Path(data.split)] if data.split else []) | reviewed
    view = policy_view(folder, view) if view in (SFT, RL) else view
    return _files("data.path", [view_file(folder, view, name, data.variant) for name in SPLITS]) | reviewed


def _reviewed(data: DataConfig) -> dict[str, str]:
    """Of the sheet that says which dialogues with danger are learned from."""
    return _files("data.reviewed", [Path(data.reviewed)] if data.reviewed else [])


def _judge_records(config: Any) -> dict[str, str]:
    """Of the settings of a judge's training."""
    if not config.records:
        return read_data(config.data, config.kind if config.view == "own" else UNIFI)
    valid = [Path(config.valid_records)] if config.valid_records else []
    records = _files("records", [Path(config.records)]) | _files("valid_records", valid)
    return records | _reviewed(config.data)


def _files(name: str, paths: Iterable[Path]) -> dict[str, str]:
    """The setting with the fingerprint of files; nothing where one of them isn't there."""
    paths = [path.expanduser() for path in paths]
    if not paths or not all(path.is_file() for path in paths):
        return {}
    try:
        return {name: hashlib.sha256("".join(map(file_sum, paths)).encode()).hexdigest()}
    except OSError:
        return {}


def _texts(prompts: Iterable[Any]) -> str:
    """The fingerprint of prompts: their names don't count, their texts and versions do."""
    plain = [{**dataclasses.asdict(prompt), "name": ""} for prompt in prompts]
    return hashlib.sha256(repr(plain).encode()).hexdigest()


def _source(name: str) -> Path:
    """The file of a function, by its dotted path; a place where nothing is if it can't be had."""
    try:
        return Path(inspect.getsourcefile(importlib.import_module(name.rpartition(".")[0])) or "")
    except Exception:  # the module is the user's; what is wrong with it is said where it is needed
        return Path()
