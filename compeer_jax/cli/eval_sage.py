"""`compeer eval sage`."""

from collections.abc import Sequence

from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval_preferences import with_list
from compeer_jax.cli.terminal import show_log, wide_console

DESCRIPTION = (
    "SAGE: seekers whose emotion each reply moves talk with the tested model. "
    "A run that was stopped goes on when it is started again."
)
CONFIG = SageConfig


def run(arguments: Sequence[str]) -> None:
    arguments = with_list(with_list(arguments, "--role_prompts"), "--planner_prompts")
    config = parse_config(CONFIG, arguments, command="eval sage", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.results import all_tables, benchmark_figures, read_run, summarise
    from compeer_jax.benchmarks.sage.run import run_sage
    from compeer_jax.report.table import print_tables

    folder = run_sage(config, print)
    results = summarise([read_run(folder)], published=benchmark_figures(config.published), seed=config.seed)
    print_tables(all_tables(results, short=True), wide_console())
    print(f"All of it is in {folder}. To read the dialogues: compeer eval show {folder}")
