"""Loading of the reward that a config names, with what it needs checked."""

import dataclasses
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax

from compeer_jax.data.policy_data import DataConfig
from compeer_jax.data.record import Record
from compeer_jax.dialogue.judging import JudgeKind
from compeer_jax.dialogue.reasoning import COMPEER, ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.parallel.exchange import is_first
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.checks import checked, guarded
from compeer_jax.rewards.config import PartWeights, RewardConfig
from compeer_jax.rewards.generative_judge import GenerativeJudge
from compeer_jax.rewards.hierarchical import HierarchicalReward
from compeer_jax.rewards.judge import Judge, judge_reward
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.reward import Completion, RewardFunction
from compeer_jax.rewards.rules import RuleJudge
from compeer_jax.rewards.sharded import sharded_judge, sharded_reward

MODELS = ("unifi", "prm_orm", "remote")  # judges that are language models
JUDGES = ("rules", *MODELS)  # they give verdicts on COMPEER's steps
HIERARCHICAL = "hierarchical"
IN_PROCESS: Mapping[str, tuple[JudgeKind, ...]] = {"unifi": ("unifi",), "prm_orm": ("prm", "orm")}

log = logging.getLogger(__name__)


def load_reward(
    config: RewardConfig,
    format: ReasoningFormat = COMPEER,
    *,
    mesh: jax.sharding.Mesh | None = None,
    say: Callable[[str], None] = log.warning,
    folder: Path | None = None,
    base: FrozenBase | None = None,
    longest_output: int = 0,
) -> RewardFunction:
    """The reward that a config names: one of `JUDGES`, "hierarchical", or the dotted path of a function of the user's.

    A function of the user's is called with the completions alone, and may return `Rewards` or any array of N numbers;
    both come out as checked `Rewards`. In a run of several processes each calls it with its share, whole groups.

    None of them rewards an output that passes over a danger, see `checks.guarded`.

    Args:
        config: names it.
        format: of the outputs.
        mesh: where a judge with weights lives.
        say: called with one line when a judge's server goes away, and one when it is back.
        folder: of the run; a server's answers are kept in it.
        base: the frozen model of a run with adapters; a judge that is adapters of the same model shares its weights.
        longest_output: tokens that an output may have; it is said where a judge would not be shown a part as long.

    Raises:
        UserError: nothing can be had by that name, or the judge can't read that format, or can't be used.
    """
    if config.both_orders and config.judge not in MODELS:
        raise UserError(
            f"reward.both_orders shows two answers to a judge that is a model; reward.judge {config.judge!r} is none, "
            f"so leave it out, or take one of {', '.join(MODELS)}."
        )
    if config.judge in JUDGES:
        if format is not COMPEER:
            other = "take 'hierarchical', or bring" if format.steps else "bring"
            raise UserError(
                f"reward.judge {config.judge!r} reads 'compeer' outputs, not {format.name!r}; "
                f"{other} a reward of your own, by its dotted path."
            )
        judge = _judge(config, format, mesh, say, folder, base, longest_output)
        rated = checked(judge_reward(judge, dataclasses.asdict(config.weights), format=config.format), config.judge)
        return guarded(sharded_reward(rated) if config.judge == "rules" else rated)
    if config.weights != PartWeights():
        raise UserError(
            f"reward.weights weigh the parts of a judge; reward.judge {config.judge!r} has to weigh its own, "
            "so leave them out."
        )
    if config.format != RewardConfig.format:
        raise UserError(
            f"reward.format {config.format!r} is a rule for the format's part of a judge's reward; reward.judge "
            f"{config.judge!r} has its own, so leave it out."
        )
    if config.judge == HIERARCHICAL and not format.steps:
        raise UserError(
            f"reward.judge {HIERARCHICAL!r} rates nodes of reasoning and a strategy, and {format.name!r} outputs have "
            "neither; bring a reward of your own, by its dotted path."
        )
    if config.judge == HIERARCHICAL:
        return guarded(sharded_reward(checked(HierarchicalReward(format, config.hierarchical), HIERARCHICAL)))
    function = _imported(config.judge)
    return guarded(sharded_reward(checked(lambda completions, key: function(completions), config.judge)))


def check_pictures(config: RewardConfig, data: DataConfig) -> None:
    """Raises UserError where a judge is to see pictures that the policy's records don't show."""
    wanted = {"reward.remote.pictures.most": config.remote.pictures.most}
    if config.judge in IN_PROCESS:
        for kind in IN_PROCESS[config.judge]:
            if directory := getattr(config.models, kind):
                limits = JudgeCard.read(directory).limits
                wanted[f"limits.pictures.most of the judge in {directory}"] = limits.pictures.most
    name, most = max(wanted.items(), key=lambda item: item[1])
    if most and not data.pictures.most:
        raise UserError(
            f"{name} is {most} and data.pictures.most is 0, so the records show no pictures; raise the latter, or take "
            "a judge of words alone (0)."
        )


def gold_labels(config: RewardConfig, format: ReasoningFormat) -> tuple[str, ...]:
    """The gold labels of a record that a reward compares outputs with; none for judges that read the talk alone."""
    names = tuple(label.name for label in format.labels)
    if config.judge == "rules":
        return names
    wanted = config.judge == HIERARCHICAL and config.hierarchical.strategy > 0
    return ("strategy",) if wanted and "strategy" in names else ()


def check_gold(config: RewardConfig, format: ReasoningFormat, records: Sequence[Record]) -> None:
    """Makes sure that a reward knows what it compares outputs with.

    Raises:
        UserError: naming the judge, a label that it needs, and how many of the records lack it.
    """
    for name in gold_labels(config, format):
        lacking = [record for record in records if record.lacks([name])]
        if lacking:
            raise UserError(
                f"reward.judge {config.judge!r} compares outputs with gold labels, but {len(lacking)} of "
                f"{len(records)} records have no known {name!r}, {lacking[0].id!r} for one; take a judge that reads "
                "the talk and the reply alone, such as unifi, prm_orm or remote."
            )


def _judge(
    config: RewardConfig,
    format: ReasoningFormat,
    mesh: jax.sharding.Mesh | None,
    say: Callable[[str], None],
    folder: Path | None,
    base: FrozenBase | None,
    longest_output: int,
) -> Judge:
    if config.judge == "rules":
        return RuleJudge()
    if config.judge == "remote":
        from compeer_jax.rewards.remote_judge import RemoteJudge

        # A store of answers of its own for each process: SQLite's locks don't reach over a network's file system.
        store = "answers" if is_first() else f"answers_{jax.process_index()}"
        remote = RemoteJudge(config.remote, say=say, folder=folder and folder / store)
        remote.check()
        return GenerativeJudge(format, {"unifi": sharded_judge(remote)}, both_orders=config.both_orders)
    from compeer_jax.rewards.in_process import InProcessJudge

    directories = {kind: getattr(config.models, kind) for kind in IN_PROCESS[config.judge]}
    for kind, directory in directories.items():
        if not directory:
            raise UserError(
                f"reward.judge {config.judge!r} needs reward.models.{kind}: the directory of a judge, which "
                f"`compeer reward train --kind {kind}` makes."
            )
    mesh = mesh or make_mesh(MeshConfig())
    judges = {}
    for kind, path in directories.items():
        judges[kind] = InProcessJudge(path, kind, format, config.models, mesh, base)
        longest = judges[kind].card.limits.max_part_tokens
        if longest < longest_output:
            say(
                f"the judge in {path} reads steps and answers of up to {longest} tokens, and an output may have "
                f"{longest_output}: a longer step or answer counts as wrong (judge/too_long). A judge that is trained "
                f"with --limits.max_part_tokens {longest_output} reads all."
            )
    return GenerativeJudge(format, judges, both_orders=config.both_orders)


def _imported(name: str) -> Callable[[Sequence[Completion]], object]:
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise UserError(
            f"reward.judge {name!r} is none of {', '.join((*JUDGES, HIERARCHICAL))}, nor a dotted path such as "
            "'my_module.my_reward'."
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"reward.judge {name!r} can't be imported ({error}); put its module on PYTHONPATH or mend the path."
        ) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise UserError(f"reward.judge {name!r}: module {module_name!r} has no function {attribute!r}.")
    return function
