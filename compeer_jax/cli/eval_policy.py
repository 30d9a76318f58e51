"""`compeer eval` without an action: a model, rated on what it says on held-out dialogues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval import ACTIONS, DEFAULT
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.evaluate import EvalConfig

if TYPE_CHECKING:
    from compeer_jax.rewards.reward import Completion

DESCRIPTION = (
    "Rates a model on held-out dialogues: format, labels, reward, redundancy and diversity. There is also "
    + "; ".join(f"`compeer eval {action}`: {summary}" for action, summary in ACTIONS.items() if action != DEFAULT)
    + "."
)
CONFIG = EvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.evaluate import evaluate
    from compeer_jax.evaluation.policy_report import policy_table
    from compeer_jax.report.table import print_tables

    report, completions = evaluate(config)
    title = f"{len(completions)} outputs on {config.split} records of {config.data.path}"
    title += f" ({labels_line(completions)})" if config.data.reasoning.steps else ""
    print_tables([policy_table({config.model.path: report}, title)], wide_console())


def labels_line(completions: Sequence["Completion"]) -> str:
    """What outputs are compared with: silver labels, or those that are known, and of how many records."""
    records = {item.record.id: item.record for item in completions}.values()
    if all(record.source.startswith("silver:") for record in records):
        return "silver labels"
    shares = (
        f"{name} {sum(not record.lacks([name]) for record in records) / len(records):.0%}"
        for name in ("stage", "emotion", "strategy")
    )
    return f"labels known: {', '.join(shares)}"
