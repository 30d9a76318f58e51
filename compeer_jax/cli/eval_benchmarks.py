"""`compeer eval benchmarks`."""

from collections.abc import Sequence
from functools import partial

from compeer_jax.benchmarks.suite_config import SuiteConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console

DESCRIPTION = "Tests several models on ESC-Eval, SAGE or both, and lays the results side by side."
CONFIG = SuiteConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval benchmarks", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.results import MARKDOWN_FILE, all_tables
    from compeer_jax.benchmarks.suite import run_suite
    from compeer_jax.report.table import print_tables

    console = wide_console()
    say = partial(console.print, highlight=False, markup=False)
    print_tables(all_tables(run_suite(config, say=say), short=True), console)
    say(f"All of it, with pictures: {config.output}/{MARKDOWN_FILE}")
