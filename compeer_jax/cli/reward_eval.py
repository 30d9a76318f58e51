"""`compeer reward eval`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.reward_eval import RewardEvalConfig

DESCRIPTION = "Rates judges on records of known verdicts, as the paper's Table 1, and says if answer order sways them."
CONFIG = RewardEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="reward eval", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.judge_table import judge_tables
    from compeer_jax.evaluation.reward_eval import evaluate_judges
    from compeer_jax.report.table import print_tables

    print_tables(judge_tables(evaluate_judges(config)), wide_console())
