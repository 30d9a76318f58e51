"""`compeer reward consistency`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.reward_consistency import ConsistencyConfig

DESCRIPTION = (
    "Says whether judges' verdicts on responses agree with their verdicts on the steps, as the paper's Fig. 5a."
)
CONFIG = ConsistencyConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="reward consistency", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.consistency_table import consistency_rich
    from compeer_jax.evaluation.reward_consistency import judge_consistency

    table = judge_consistency(config)
    console = wide_console()
    console.print(consistency_rich(table))
    for text in filter(None, (table.difference, table.meaning)):
        console.print(text)
