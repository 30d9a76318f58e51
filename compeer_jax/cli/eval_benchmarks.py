"""`compeer eval benchmarks`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.benchmarks.suite_config import SuiteConfig

DESCRIPTION = "Tests several models on ESC-Eval, SAGE or both, and lays the results side by side."
CONFIG = SuiteConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval benchmarks", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.benchmarks.results import MARKDOWN_FILE, all_sheets
    from compeer_jax.evaluation.benchmarks.suite import run_suite
    from compeer_jax.evaluation.benchmarks.tables import sheet_rich

    console = wide_console()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    for sheet in all_sheets(run_suite(config, say=say), short=True):
        say(sheet.title)
        console.print(sheet_rich(sheet))
        for note in sheet.notes:
            say(note)
    say(f"All of it, with pictures: {config.output}/{MARKDOWN_FILE}")
