"""`compeer eval` without an action: a model, rated on what it says on held-out dialogues."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval import ACTIONS, DEFAULT
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.evaluate import EvalConfig

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
    from compeer_jax.evaluation.report_table import terminal_table

    report, completions = evaluate(config)
    title = f"{len(completions)} outputs on {config.split} records of {config.data.path}"
    title += " (silver labels)" if config.data.reasoning.steps else ""
    wide_console().print(terminal_table({config.model.path: report}, title))
