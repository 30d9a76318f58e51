"""Outputs of a policy that lie in a folder: of a GRPO run, or of `compeer eval --output`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.data.cer_folder import RL, SFT, cer_folder
from compeer_jax.data.corpora.places import corpus_folder
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.policy_data import DataConfig, load_records, spread
from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.files import read_json
from compeer_jax.rewards.reward import Completion
from compeer_jax.runs.contents import read_data
from compeer_jax.runs.folder import RunFolder

Group = list[Completion]

ANEW = "make these outputs anew"


def read_groups(path: str, count: int) -> tuple[list[Group], ReasoningFormat]:
    """Outputs by prompt, as completions, and their format: whole groups, spread over the folder.

    Args:
        path: the folder.
        count: at most so many outputs, but at least one group (0: all).

    Raises:
        UserError: the folder holds no outputs, or the dialogues that its settings name are gone or others now.
    """
    folder = RunFolder(Path(path).expanduser())
    logged, sampled = sorted(folder.rollouts.glob("step_*.jsonl")), folder.path / "outputs.jsonl"
    if logged:
        data, kept = _run_data(folder)
    elif sampled.is_file():
        data, kept = _eval_data(folder.path / "report.json")
    else:
        raise UserError(
            f"{path} holds no outputs; name the folder of a `compeer grpo` run, or make one with "
            "`compeer eval --output DIR`."
        )
    _check_unchanged(data, kept, path)
    rows = [_checked(row, where) for file in logged or [sampled] for where, row in read_jsonl(file)]
    starts = [index for index, row in enumerate(rows) if row.get("member") == 0]
    groups = [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]
    if count and groups:
        groups = spread(groups, max(1, count // max(map(len, groups))))
    records = _records_of({str(row.get("id")) for group in groups for row in group}, data)
    return [[_completion(row, records, data, path) for row in group] for group in groups], data.reasoning


def picture_folder(path: str) -> Path:
    """The folder that pictures are told from in the talks that outputs in a folder answer; errors as `read_groups`."""
    folder = RunFolder(Path(path).expanduser())
    logged = any(folder.rollouts.glob("step_*.jsonl"))
    data, _ = _run_data(folder) if logged else _eval_data(folder.path / "report.json")
    return cer_folder(data.path) or corpus_folder(data.path)


def answered_records(path: str) -> list[str]:
    """Ids of the records that the outputs in a folder of `compeer eval --output` answer, each once, in their order.

    Raises:
        UserError: the folder holds no outputs.
    """
    file = Path(path).expanduser() / "outputs.jsonl"
    if not file.is_file():
        raise UserError(f"{path} holds no outputs.jsonl; name the folder of a `compeer eval --output` run.")
    ids = dict.fromkeys(str(_checked(row, where).get("id")) for where, row in read_jsonl(file))
    if not ids:
        raise UserError(f"{file} is empty; make these outputs anew.")
    return list(ids)


def _records_of(ids: set[str], data: DataConfig) -> dict[str, Record]:
    """The records by id: prompts; or reasoned answers, whose ids end with a model's name, in outputs made before there
    was a view of prompts."""
    answers = any("/" in id.rpartition("#")[2] for id in ids)
    splits = load_records(data, SFT if answers else RL)
    return {record.id: record for part in (splits.train, splits.valid, splits.test) for record in part}


def _completion(row: Mapping[str, Any], records: Mapping[str, Record], data: DataConfig, path: str) -> Completion:
    if row.get("id") not in records:
        raise UserError(
            f"{path} has an output for {row.get('id')!r}, which {data.path} does not have; "
            "put the dialogues that it was made from back in their place."
        )
    turn = data.reasoning.parse(row["text"])
    return Completion(records[row["id"]], row["text"], turn, bool(row.get("truncated", False)))


def _checked(row: dict, where: str) -> dict:
    if not isinstance(row.get("text"), str) or not isinstance(row.get("member"), int):
        raise UserError(
            f"{where}: 'text' or 'member' is missing; this is no output of `compeer grpo` or `compeer eval`."
        )
    return row


def _run_data(folder: RunFolder) -> tuple[DataConfig, Mapping[str, str]]:
    """The dialogues of a run, by its settings, and their fingerprints."""
    return _data(folder.settings(), folder.config), folder.fingerprints()


def _eval_data(report: Path) -> tuple[DataConfig, Mapping[str, str]]:
    """The same of `compeer eval`."""
    settings = read_json(report, "the settings", dict, mend=ANEW).get("settings")
    data = _data(settings, report)
    kept = settings.get("fingerprints")
    return data, kept if isinstance(kept, dict) else {}


def _data(settings: Any, path: Path) -> DataConfig:
    try:
        data = settings["data"]
        return DataConfig(**data | {"pictures": PictureLimits(**data.get("pictures", {}))})
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} does not say which dialogues were used ({error}); {ANEW}.") from error


def _check_unchanged(data: DataConfig, kept: Mapping[str, str], path: str) -> None:
    """Raises UserError when the dialogues are not, by their content, those that the outputs in a folder were made from.

    An output finds its dialogue by an id, which another file may give to another one.
    """
    now = read_data(data, RL)
    changed = [name for name in now if kept.get(name, now[name]) != now[name]]
    if changed:
        raise UserError(
            f"the outputs in {path} were made from other dialogues than {changed[0]} ({getattr(data, changed[0][5:])}) "
            "holds now; put those back in their place, or make these outputs anew."
        )
