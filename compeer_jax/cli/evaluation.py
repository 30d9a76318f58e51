"""Commands of `evaluation`: what each prints of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compeer_jax.report.table import print_tables
from compeer_jax.report.terminal_text import wide_console

if TYPE_CHECKING:
    from compeer_jax.evaluation.ablation import AblateConfig
    from compeer_jax.evaluation.danger.evaluate import DangerEvalConfig
    from compeer_jax.evaluation.evaluate import EvalConfig
    from compeer_jax.evaluation.generation_metrics import GenerationEvalConfig
    from compeer_jax.evaluation.judge_consistency import ConsistencyConfig
    from compeer_jax.evaluation.reward_eval import RewardEvalConfig
    from compeer_jax.evaluation.served_replies import RepliesConfig
    from compeer_jax.rewards.reward import Completion


def policy(config: EvalConfig) -> None:
    from compeer_jax.evaluation.evaluate import evaluate
    from compeer_jax.evaluation.policy_report import policy_table

    report, completions = evaluate(config)
    title = f"{len(completions)} outputs on {config.split} records of {config.data.path}"
    title += f" ({labels_line(completions)})" if config.data.reasoning.steps else ""
    print_tables([policy_table({config.model.path: report}, title)], wide_console())


def labels_line(completions: Sequence[Completion]) -> str:
    """What outputs are compared with: silver labels, or those that are known, and of how many records."""
    records = {item.record.id: item.record for item in completions}.values()
    if all(record.source.startswith("silver:") for record in records):
        return "silver labels"
    shares = (
        f"{name} {sum(not record.lacks([name]) for record in records) / len(records):.0%}"
        for name in ("stage", "emotion", "strategy")
    )
    return f"labels known: {', '.join(shares)}"


def generation(config: GenerationEvalConfig) -> None:
    from compeer_jax.evaluation.generation_metrics import rate_generation

    print_tables([rate_generation(config).table], wide_console())


def replies(config: RepliesConfig) -> None:
    from compeer_jax.evaluation.served_replies import write_replies

    found = write_replies(config, say=print)
    print(
        f"{found.count} outputs of {config.server.model} are in {config.output}; {found.well_formed} have the format."
    )
    if found.silent:
        print(f"{found.silent} are no answer: none came, or only thoughts.")
    if found.problems:
        print("What is wrong with others: " + ", ".join(f"{name} ({n})" for name, n in found.problems.items()) + ".")


def danger(config: DangerEvalConfig) -> None:
    from compeer_jax.evaluation.danger.evaluate import found_in_talk, layers, measure_danger

    print_tables(measure_danger(config, layers(), found_in_talk).tables, wide_console())


def judges(config: RewardEvalConfig) -> None:
    from compeer_jax.evaluation.judge_table import judge_tables
    from compeer_jax.evaluation.reward_eval import evaluate_judges

    print_tables(judge_tables(evaluate_judges(config)), wide_console())


def consistency(config: ConsistencyConfig) -> None:
    from compeer_jax.evaluation.judge_consistency import judge_consistency

    print_tables([judge_consistency(config).table], wide_console())


def ablate(config: AblateConfig) -> None:
    from compeer_jax.evaluation import ablation as ablations
    from compeer_jax.evaluation.ablation_report import settings_table, write_ablation

    ablation = ablations.ablate(config)
    print_tables([settings_table(ablation)], wide_console())
    if ablation.mismatch > 1e-2:
        print(
            f"The run's own setting does not give back its logged advantages (off by up to {ablation.mismatch:.2g}); "
            "were its rollouts made by another version?"
        )
    table, numbers, picture = write_ablation(ablation, Path(config.run).expanduser() / "ablation")
    print(f"The rows differ from the run in one thing; {table} explains them, {numbers} has all settings, {picture}.")
