"""Consistency study of judges on the same outputs: do replies and reasoning go together (the paper's Figure 5a)?"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jax

from compeer_jax.chat.answers import AnswerStore
from compeer_jax.chat.config import ChatModelConfig, LocalChatConfig, ServerConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.chat.types import ChatModel
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import spread
from compeer_jax.dialogue.reasoning import COMPEER, ReasoningFormat
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.estimates import clustered_resamples, library, paired
from compeer_jax.evaluation.judge_systems import System, named_systems, rows_of, verdicts_of
from compeer_jax.evaluation.saved_outputs import Group, read_groups
from compeer_jax.evaluation.selection_study import (
    BY_LOT,
    Checked,
    Choices,
    SelectionResults,
    check_all,
    choose,
    draw_selection,
    one_group_a_prompt,
    selection_rows,
)
from compeer_jax.evaluation.verdict_consistency import (
    ByModel,
    ConsistencyJudge,
    ConsistencyResults,
    by_rule,
    consistency_row,
)
from compeer_jax.files import write_json, write_text
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.report.table import Table, tables_markdown
from compeer_jax.rewards.config import JudgeModelsConfig, RemoteJudgeConfig
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.rules import RuleJudge

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConsistencyConfig:
    """Consistency of judges' choices among a policy's outputs with the outputs' reasoning.

    Args:
        outputs: folder of the outputs: of a `compeer grpo` run, or of `compeer eval --output`.
        by: "checker", the paper's way: each judge chooses one of several outputs to a prompt, and a chat model says
            whether its reply follows from its reasoning. "rule" and "model" look at the verdicts on every output
            instead: by "rule" they go together when the response is accepted exactly when most steps are found right,
            by "model" when the checker says so.
        count: by "checker" at most this many prompts, each a choice of every judge (paper: 1,000 samples); else at most
            this many outputs, in whole groups. Spread over the folder (0: all). Outputs in broken format or cut off
            can't be chosen, and are not counted.
        models: the judges: unifi, or prm and orm, or all three for a comparison.
        remote: a general model as a further judge, behind a chat server; none unless remote.model names one.
        both_orders: ask judges about answers in both orders, as `reward.both_orders`.
        checker: directory of the chat model of "checker" and "model", in this process; else server. The paper's is
            GPT-4o.
        local: how a checker in this process answers.
        server: where a checker behind a chat server is: server.url and server.model.
        by_lot: by "checker", add a row that chooses without looking: what a judge has to beat.
        batch_prompts: prompts judged at once, with all their outputs.
        resamples: of the bootstrap over prompts, for 95 % intervals.
        mesh: where the judges live.
        seed: of all that is random.
        output: folder for consistency.json, consistency.md, consistency.jsonl, by "checker" consistency.png, and for
            what judges and checker answer, as it comes (default: only the table is printed).
    """

    outputs: str
    by: Literal["checker", "rule", "model"] = "checker"
    count: int = 1000
    models: JudgeModelsConfig = field(default_factory=JudgeModelsConfig)
    remote: RemoteJudgeConfig = field(default_factory=RemoteJudgeConfig)
    both_orders: bool = False
    checker: str = ""
    local: LocalChatConfig = field(default_factory=lambda: LocalChatConfig(temperature=0.0))
    server: ServerConfig = field(default_factory=ServerConfig)
    by_lot: bool = False
    batch_prompts: int = 8
    resamples: int = 2000
    mesh: MeshConfig = field(default_factory=MeshConfig)
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(1, self, "", "batch_prompts", "resamples")
        require_at_least(0, self, "", "count")
        named = [name for name in (self.checker, self.server.model) if name]
        if self.by == "rule" and named:
            raise UserError(f"by 'rule' asks no checker; leave {named[0]} out, or take --by checker.")
        if self.by != "rule" and len(named) != 1:
            raise UserError(
                f"by {self.by!r} needs one checker: give checker, the directory of a chat model, or server.url and "
                "server.model; or take --by rule, which needs none."
            )
        if self.by_lot and self.by != "checker":
            raise UserError(f"by_lot is a row of --by checker; by {self.by!r} chooses nothing, so leave it out.")


def judge_consistency(config: ConsistencyConfig) -> ConsistencyResults | SelectionResults:
    """Consistency of the judges' choices among outputs with the outputs' reasoning.

    Raises:
        UserError: anything in the settings, the outputs, the judges or the server that does not fit.
    """
    groups, format = read_groups(config.outputs, 0 if config.by == "checker" else config.count)
    folder = Path(config.output).expanduser() if config.output else None
    answers = folder and folder / "answers"
    kept = AnswerStore(answers)
    systems = named_systems(
        config.models, config.remote, format, both_orders=config.both_orders, mesh=config.mesh, folder=answers
    )
    checker = None if config.by == "rule" else _checker(config, answers)
    if checker and config.by == "checker":
        return _choices(config, groups, format, systems, checker, kept, folder)
    return _verdicts(config, groups, format, systems, checker, kept, folder)


def _checker(config: ConsistencyConfig, answers: Path | None) -> ChatModel:
    """The checker, which is known to be there; one in this process is loaded when the judges are done."""
    from compeer_jax.models.source import model_directory, model_shape
    from compeer_jax.models.tokenizer import load_tokenizer

    name = Path(config.checker).name or config.server.model
    chat = ChatModelConfig(config.checker, config.local, config.server)
    model = open_chat_model(name, chat, folder=answers, say=log.warning)
    if config.checker:
        directory = model_directory(config.checker)
        model_shape(directory)
        load_tokenizer(directory)
    else:
        model.check()
    return model


def _choices(
    config: ConsistencyConfig,
    groups: list[Group],
    format: ReasoningFormat,
    systems: list[System],
    checker: ChatModel,
    kept: AnswerStore,
    folder: Path | None,
) -> SelectionResults:
    """The paper's way."""
    groups = spread(one_group_a_prompt(groups), config.count)
    if not groups:
        raise UserError(
            f"no prompt in {config.outputs} has two outputs with every part, so there is nothing to choose from; "
            "sample several a prompt with `compeer eval --group_size 8 --output DIR`."
        )
    outputs = sum(map(len, groups))
    log.info("%d outputs to %d prompts.", outputs, len(groups))
    key = jax.random.key(config.seed)
    # The same lots for all: judges that find the same outputs equally good choose the same one.
    chosen: dict[str, Choices] = {}
    for system in systems:
        batch = {"batch_prompts": config.batch_prompts, "seed": config.seed}
        chosen[system.name] = choose(groups, verdicts_of(system, groups, kept=kept, **batch), key)
    if config.by_lot:
        chosen[BY_LOT] = choose(groups, None, key)
    wanted = sorted({pair for choices in chosen.values() for pair in enumerate(choices.members)})
    said = check_all(checker, {pair: groups[pair[0]][pair[1]] for pair in wanted}, format)
    prompts = [group[0].record.id for group in groups]
    rows, pairs = selection_rows(chosen, said, prompts, resamples=config.resamples, seed=config.seed)
    if not any(row.count for row in rows):
        raise UserError(
            f"{checker.name} gave no verdict that can be read on any of {len(said)} outputs; take another checker."
        )
    results = SelectionResults(len(groups), outputs, config.outputs, checker.name, rows, pairs)
    if folder:
        content = {
            "prompts": len(groups),
            "outputs": outputs,
            "checker": checker.settings,
            "rows": rows,
            "pairs": pairs,
        }
        _write(folder, config, content, results.table, _chosen_lines(groups, chosen, said))
        draw_selection(results, folder / "consistency.png")
    return results


def _chosen_lines(
    groups: list[Group], chosen: Mapping[str, Choices], said: Mapping[tuple[int, int], Checked]
) -> Iterable[dict]:
    """Each prompt with what was chosen by whom, and what the checker said of it."""
    for at, group in enumerate(groups):
        members = {name: choices.members[at] for name, choices in chosen.items()}
        tied = [name for name, choices in chosen.items() if choices.tied[at]]
        checked = {
            member: {"text": group[member].text, **said[at, member]._asdict()} for member in sorted({*members.values()})
        }
        yield {"id": group[0].record.id, "chosen": members, "by_lot_among_equals": tied, "outputs": checked}


def _verdicts(
    config: ConsistencyConfig,
    groups: list[Group],
    format: ReasoningFormat,
    systems: list[System],
    checker: ChatModel | None,
    kept: AnswerStore,
    folder: Path | None,
) -> ConsistencyResults:
    """By rule or by model: whether the verdicts on each output go together."""
    library("sklearn.metrics")
    go_together: ConsistencyJudge = by_rule if checker is None else ByModel(checker, format)
    outputs = [output for group in groups for output in group]
    counted = [row for row, output in enumerate(outputs) if output.whole]
    if not counted:
        raise UserError(f"none of {len(outputs)} outputs in {config.outputs} has every part; take a later run.")
    whole = [outputs[row] for row in counted]
    log.info("%d outputs to %d prompts; %d of them have every part.", len(outputs), len(groups), len(whole))
    batch = {"batch_prompts": config.batch_prompts, "seed": config.seed, "kept": kept}
    verdicts = {system.name: rows_of(verdicts_of(system, groups, **batch), counted) for system in systems}
    said = {name: go_together(whole, verdicts[name]) for name in verdicts}
    known = [row for row in range(len(whole)) if all(said[name][row] is not None for name in said)]
    if not known:
        raise UserError("the consistency judge gave no verdict that can be read; take another model.")
    weights = clustered_resamples([whole[row].record.id for row in known], config.resamples, config.seed)
    rules = rows_of(RuleJudge()(whole), known) if format is COMPEER else None
    agree = {name: [bool(said[name][row]) for row in known] for name in said}
    rows = [consistency_row(name, rows_of(verdicts[name], known), agree[name], weights, rules) for name in said]
    first, *others = agree.values()
    versus = paired(first, others[0], weights) if others else None
    results = ConsistencyResults(len(known), len(whole) - len(known), config.outputs, config.by, rows, versus)
    if folder:
        content = {"outputs": results.count, "unknown": results.unknown, "rows": rows, "paired": versus}
        _write(folder, config, content, results.table, _verdict_lines(whole, verdicts, said))
    return results


def _verdict_lines(
    outputs: Group, verdicts: Mapping[str, Verdicts], said: Mapping[str, list[bool | None]]
) -> Iterable[dict]:
    """Each output with the verdicts on it."""
    for row, output in enumerate(outputs):
        judges = {
            name: {
                "steps": verdicts[name].steps[row].tolist(),
                "response": int(verdicts[name].response[row]),
                "consistent": said[name][row],
            }
            for name in verdicts
        }
        yield {"id": output.record.id, "text": output.text, "judges": judges}


def _write(folder: Path, config: ConsistencyConfig, content: dict, table: Table, lines: Iterable[dict]) -> None:
    """consistency.json, consistency.md and consistency.jsonl."""
    write_json(folder / "consistency.json", {"settings": config, **content})
    write_text(folder / "consistency.md", tables_markdown([table]))
    write_jsonl(folder / "consistency.jsonl", lines)
