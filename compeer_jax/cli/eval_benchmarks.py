"""`compeer eval benchmarks`."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from compeer_jax.benchmarks.suite_config import SuiteConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console

DESCRIPTION = "Tests several models on ESC-Eval, SAGE or both, and lays the results side by side."
CONFIG = SuiteConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval benchmarks", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.results import MARKDOWN_FILE, all_sheets
    from compeer_jax.benchmarks.suite import run_suite

    say = partial(wide_console().print, highlight=False, markup=False)
    show_sheets(all_sheets(run_suite(config, say=say), short=True))
    say(f"All of it, with pictures: {config.output}/{MARKDOWN_FILE}")


def show_sheets(sheets: Iterable[Any]) -> None:
    """Prints the tables of benchmarks, each with its title above and its notes below."""
    from compeer_jax.benchmarks.tables import sheet_rich

    console = wide_console()
    for sheet in sheets:
        console.print(sheet.title, highlight=False, markup=False)
        console.print(sheet_rich(sheet))
        for note in sheet.notes:
            console.print(note, highlight=False, markup=False)
