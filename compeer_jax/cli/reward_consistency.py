"""`compeer reward consistency`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.judge_consistency import ConsistencyConfig

DESCRIPTION = (
    "Lets judges choose among a policy's outputs, and a checker say whether the replies chosen follow from the "
    "reasoning, as the paper's Fig. 5a; or says whether judges' verdicts on responses agree with those on the steps."
)
CONFIG = ConsistencyConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="reward consistency", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.judge_consistency import judge_consistency
    from compeer_jax.report.table import print_tables

    print_tables([judge_consistency(config).table], wide_console())
