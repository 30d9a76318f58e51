"""UnifiReward against PRM + ORM on the same outputs: whose verdicts go together (the paper's Figure 5a)?"""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.judging import JudgeKind
from compeer_jax.dialogue.reasoning import COMPEER, ReasoningFormat
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.consistency import (
    ByModel,
    ConsistencyJudge,
    ConsistencyRow,
    Paired,
    by_rule,
    clustered_resamples,
    compare,
    consistency_row,
)
from compeer_jax.evaluation.consistency_table import ConsistencyTable, consistency_markdown
from compeer_jax.evaluation.judge_accuracy import sklearn_metrics
from compeer_jax.evaluation.saved_outputs import Group, read_groups
from compeer_jax.generation.chat_server import ServerConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.progress import Progress
from compeer_jax.rewards.config import JudgeModelsConfig
from compeer_jax.rewards.generative_judge import GenerativeJudge
from compeer_jax.rewards.in_process import InProcessJudge
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.rules import RuleJudge
from compeer_jax.training.run_folder import replacing

SYSTEMS: dict[str, tuple[JudgeKind, ...]] = {"UnifiReward": ("unifi",), "PRM + ORM": ("prm", "orm")}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConsistencyConfig:
    """Asks judges about a policy's outputs, and whether their verdict on each response agrees with those on its steps.

    Args:
        outputs: folder of the outputs: of a `compeer grpo` run, or of `compeer eval --output`.
        count: use at most this many outputs, in whole groups spread over the folder (0: all). Those that lack a part or
            were cut off are judged but not counted.
        models: the judges: unifi, or prm and orm, or all three for a comparison.
        by: who says whether verdicts agree: "rule" (the response is accepted exactly when most steps are found right),
            or "model" (see server).
        server: the model of `by: model`, behind a chat server.
        batch_prompts: prompts judged at once, with all their outputs.
        resamples: of the bootstrap over prompts, for 95 % intervals.
        mesh: where the judges live.
        seed: of all that is random.
        output: folder for consistency.json, consistency.md and consistency.jsonl (default: only the table is printed).
    """

    outputs: str
    count: int = 1000
    models: JudgeModelsConfig = field(default_factory=JudgeModelsConfig)
    by: Literal["rule", "model"] = "rule"
    server: ServerConfig = field(default_factory=ServerConfig)
    batch_prompts: int = 8
    resamples: int = 2000
    mesh: MeshConfig = field(default_factory=MeshConfig)
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(1, self, "", "batch_prompts", "resamples")
        require_at_least(0, self, "", "count")


def judge_consistency(config: ConsistencyConfig) -> ConsistencyTable:
    """Asks the judges about the outputs, and whether their verdicts go together.

    Raises:
        UserError: anything in the settings, the outputs, the judges or the server that does not fit.
    """
    sklearn_metrics()
    systems = _systems(config.models)
    groups, format = read_groups(config.outputs, config.count)
    go_together = _consistency_judge(config, format)
    outputs = [output for group in groups for output in group]
    counted = [row for row, output in enumerate(outputs) if output.format_ok]
    if not counted:
        raise UserError(f"none of {len(outputs)} outputs in {config.outputs} has every part; take a later run.")
    whole = [outputs[row] for row in counted]
    log.info("%d outputs to %d prompts; %d of them have every part.", len(outputs), len(groups), len(whole))
    verdicts = {name: _only(_ask(name, systems[name], groups, format, config), counted) for name in systems}
    said = {name: go_together(whole, verdicts[name]) for name in systems}
    known = [row for row in range(len(whole)) if all(said[name][row] is not None for name in systems)]
    if not known:
        raise UserError("the consistency judge gave no verdict that can be read; take another model.")
    weights = clustered_resamples([whole[row].record.id for row in known], config.resamples, config.seed)
    rules = _only(RuleJudge()(whole), known) if format is COMPEER else None
    agree = {name: [bool(said[name][row]) for row in known] for name in systems}
    rows = [consistency_row(name, _only(verdicts[name], known), agree[name], weights, rules) for name in systems]
    paired = compare(*agree.values(), weights) if len(systems) == 2 else None
    table = ConsistencyTable(len(known), len(whole) - len(known), config.outputs, config.by, rows, paired)
    if config.output:
        _write(Path(config.output).expanduser(), config, table, whole, verdicts, said)
    return table


def _systems(models: JudgeModelsConfig) -> dict[str, tuple[JudgeKind, ...]]:
    """The judges whose directories are named."""
    named = {name: kinds for name, kinds in SYSTEMS.items() if any(getattr(models, kind) for kind in kinds)}
    if not named:
        raise UserError("name the judges: models.unifi, or models.prm and models.orm, or all three.")
    for kinds in named.values():
        for kind in kinds:
            if not getattr(models, kind):
                raise UserError(f"models.{kind} is not named; a judge of steps needs one of responses, and vice versa.")
            JudgeCard.read(getattr(models, kind))
    return named


def _consistency_judge(config: ConsistencyConfig, format: ReasoningFormat) -> ConsistencyJudge:
    if config.by == "rule":
        return by_rule
    answers = Path(config.output).expanduser() / "answers" if config.output else None
    model = ByModel(config.server, format, say=log.warning, folder=answers)
    model.server.check()
    return model


def _ask(
    name: str,
    kinds: Sequence[JudgeKind],
    groups: Sequence[Group],
    format: ReasoningFormat,
    config: ConsistencyConfig,
) -> Verdicts:
    """The verdicts of a judge, or of two that share the work, on all outputs."""
    mesh, key = make_mesh(config.mesh), jax.random.key(config.seed)
    models = {kind: InProcessJudge(getattr(config.models, kind), kind, format, config.models, mesh) for kind in kinds}
    judge = GenerativeJudge(format, models)
    parts: list[Verdicts] = []
    count = -(-len(groups) // config.batch_prompts)
    with Progress(count, name) as progress:
        for step in range(count):
            chosen = groups[step * config.batch_prompts : (step + 1) * config.batch_prompts]
            # One compiled shape for the last batch too.
            filled = [*chosen, *[chosen[0]] * (config.batch_prompts - len(chosen))] if count > 1 else chosen
            part = judge([output for group in filled for output in group], jax.random.fold_in(key, step))
            parts.append(_only(part, range(sum(map(len, chosen)))))
            progress.update(step + 1, {"unparsed": sum(int((part.steps == 0).sum()) for part in parts)})
    return Verdicts(*(np.concatenate([getattr(part, part_of) for part in parts]) for part_of in ("steps", "response")))


def _only(verdicts: Verdicts, rows: Sequence[int]) -> Verdicts:
    """The verdicts on some of the outputs."""
    return Verdicts(verdicts.steps[list(rows)], verdicts.response[list(rows)])


def _write(
    folder: Path,
    config: ConsistencyConfig,
    table: ConsistencyTable,
    outputs: Group,
    verdicts: dict[str, Verdicts],
    said: dict[str, list[bool | None]],
) -> None:
    """consistency.json, consistency.md, and each output with its verdicts."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "settings": dataclasses.asdict(config),
        "outputs": table.count,
        "unknown": table.unknown,
        "rows": [_plain(row) for row in table.rows],
        "paired": table.paired and _plain(table.paired),
    }
    with replacing(folder / "consistency.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    with replacing(folder / "consistency.md") as temporary:
        temporary.write_text(consistency_markdown(table), encoding="utf-8")
    rows = (
        {
            "id": output.record.id,
            "text": output.text,
            "judges": {
                name: {
                    "steps": verdicts[name].steps[row].tolist(),
                    "response": int(verdicts[name].response[row]),
                    "consistent": said[name][row],
                }
                for name in verdicts
            },
        }
        for row, output in enumerate(outputs)
    )
    write_jsonl(folder / "consistency.jsonl", rows)


def _plain(row: ConsistencyRow | Paired) -> dict:
    """A row as JSON has it, its estimates by name."""
    return {name: value._asdict() if hasattr(value, "_asdict") else value for name, value in row._asdict().items()}
