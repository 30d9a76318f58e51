"""Evaluation of a model on held-out dialogues."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import jax

from compeer_jax.chat.local_model import LocalModel
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import ASKED, DataConfig, encode_prompts, load_records, spread
from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.policy_report import PolicyReport, policy_report
from compeer_jax.evaluation.saved_outputs import answered_records
from compeer_jax.files import read_json, write_json
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.load import check_pictures, gold_labels, load_reward
from compeer_jax.rewards.reward import Completion, read_completions
from compeer_jax.runs.contents import read_contents


@dataclass(frozen=True)
class EvalConfig:
    """Rates a model on held-out dialogues: format, labels, reward, redundancy, diversity.

    Of a CER dataset it is asked about the sampled rounds, each once, as in reinforcement learning; labels are compared
    where they are known.

    Args:
        split: which part of the dialogues.
        records: use at most this many records, spread over the split (0: all).
        records_of: folder of another model's outputs, to rate on the records that these answer, so that the two stand
            side by side ("": `records` chooses).
        group_size: outputs a prompt, for redundancy within a group.
        reward: the judge to report beside the rule judge, as grpo has it; its reweighting plays no part here.
        batch_size: prompts whose outputs are written at once; an output that has ended makes room for one that waits.
        seed: seed of the sampling.
        output: folder for report.json and outputs.jsonl (default: only the table is printed).
    """

    OF_THE_CARD: ClassVar = (*ASKED, "sampling.max_new_tokens")

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    split: Literal["train", "valid", "test"] = "test"
    records: int = 0
    records_of: str = ""
    group_size: int = 4
    batch_size: int = 16
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(1, self, "", "group_size", "batch_size")
        require_at_least(0, self, "", "records")


def evaluate(config: EvalConfig) -> tuple[PolicyReport, list[Completion]]:
    """Samples `group_size` outputs for each record of the split and reports on them.

    Raises:
        UserError: anything in the settings, the data or the model that does not fit.
    """
    check_pictures(config.reward, config.data)
    made_with = settings_of(config)
    mesh = make_mesh(config.mesh)
    format = config.data.reasoning
    folder = Path(config.output) if config.output else None
    by_rules = "rules" if format is COMPEER else "hierarchical"
    by_rules = dataclasses.replace(config.reward, judge=by_rules)
    rules, gold = load_reward(by_rules, format) if format.steps else None, gold_labels(by_rules, format)
    asked = config.reward.judge not in ("rules", "hierarchical")
    longest = config.sampling.max_new_tokens
    judge = load_reward(config.reward, format, mesh=mesh, folder=folder, longest_output=longest) if asked else None
    model = LocalModel(config.model, mesh, slots=config.batch_size * config.group_size)
    records = getattr(load_records(config.data, "rl"), config.split)
    prompts = encode_prompts(records, model.tokenizer, config.data)
    if config.records_of:
        where = f"the {config.split} split of {config.data.path}, or is too long for data.max_prompt_tokens here"
        records = records_answered(config.records_of, [record for record in records if record.id in prompts], where)
    else:
        records = spread([record for record in records if record.id in prompts], config.records)
    chats = [prompts[record.id].tokens for record in records]
    pictures = model.see([prompts[record.id].pictures for record in records], config.data.pictures)
    model.check(chats, config.sampling, pictures)
    key = jax.random.key(config.seed)
    with jax.set_mesh(mesh):
        rollout = model.generate(chats, key, config.sampling, config.group_size, pictures)
        completions = read_completions(rollout, records, model.tokenizer, format)
        judge_key = jax.random.fold_in(key, len(records))
        judged = judge and judge(completions, judge_key)
    labelled = [item for item in completions if not item.record.lacks(gold)]
    report = policy_report(
        completions,
        config.group_size,
        format=format,
        judged=judged,
        rules=rules(labelled, judge_key) if rules and labelled else None,
        entropy=float(-rollout.logps.sum() / rollout.mask.sum()),
        tokenizer=model.tokenizer,
    )
    if folder is not None:
        _write_outputs(folder / "outputs.jsonl", completions, config.group_size)
        save_report(folder, made_with, report)
    return report, completions


def settings_of(config: EvalConfig) -> dict:
    """What decides a report, as JSON has it: all of the settings but where it is written, and fingerprints of the files
    that they name.

    Raises:
        UserError: the model or a judge isn't there, or differs from the checksums beside it.
    """
    contents = read_contents(config)
    if contents.fault:
        raise UserError(contents.fault)
    settings = dataclasses.asdict(config)
    del settings["output"]
    return json.loads(json.dumps(settings | {"fingerprints": dict(contents.fingerprints)}))


def save_report(folder: Path, settings: dict, report: PolicyReport) -> None:
    """Writes FOLDER/report.json: the report, and the settings it was made with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", {"settings": settings, "report": report})


def saved_report(folder: Path, settings: dict) -> PolicyReport | None:
    """The report in FOLDER/report.json if it was made with these settings."""
    path = folder / "report.json"
    saved = read_json(path, "the report", dict, mend="remove it, and it is made anew") if path.exists() else {}
    return PolicyReport(**saved["report"]) if saved.get("settings") == settings else None


def records_answered(folder: str, records: Sequence[Record], where: str) -> list[Record]:
    """Those of `records` that the outputs in a folder answer, in their order there.

    Raises:
        UserError: the folder has no outputs, or answers a record that isn't there; `where` says what "there" is.
    """
    known = {record.id: record for record in records}
    asked = answered_records(folder)
    missing = next((id for id in asked if id not in known), None)
    if missing is not None:
        raise UserError(
            f"{folder} answers {missing!r}, which is not in {where}; take the data that those outputs were made from."
        )
    return [known[id] for id in asked]


def _write_outputs(path: Path, completions: Sequence[Completion], group_size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (
        {"id": item.record.id, "member": index % group_size, "text": item.text, "problems": list(item.turn.problems)}
        | ({"truncated": True} if item.truncated else {})
        for index, item in enumerate(completions)
    )
    write_jsonl(path, rows)
