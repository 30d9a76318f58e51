"""`compeer eval danger`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.danger.evaluate import DangerEvalConfig

DESCRIPTION = (
    "Measures how much danger is found in sentences, explicit and indirect, and how often it is found in harmless ones."
)
CONFIG = DangerEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval danger", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.danger.evaluate import found_in_talk, layers, measure_danger
    from compeer_jax.report.table import print_tables

    print_tables(measure_danger(config, layers(), found_in_talk).tables, wide_console())
