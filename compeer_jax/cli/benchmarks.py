"""Commands of `benchmarks`: each plays a benchmark and prints its tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from compeer_jax.report.table import print_tables
from compeer_jax.report.terminal_text import wide_console

if TYPE_CHECKING:
    from compeer_jax.benchmarks.config import EscEvalConfig
    from compeer_jax.benchmarks.crisis.config import CrisisConfig
    from compeer_jax.benchmarks.sage.config import SageConfig
    from compeer_jax.benchmarks.suite_config import SuiteConfig


def esc_eval(config: EscEvalConfig) -> None:
    from compeer_jax.benchmarks.esc_eval.run import run_esc_eval

    _print_run(run_esc_eval(config, say=print), config)


def sage(config: SageConfig) -> None:
    from compeer_jax.benchmarks.sage.run import run_sage

    _print_run(run_sage(config, say=print), config)


def suite(config: SuiteConfig) -> None:
    from compeer_jax.benchmarks.results import MARKDOWN_FILE, all_tables
    from compeer_jax.benchmarks.suite import run_suite

    console = wide_console()
    say = partial(console.print, highlight=False)
    print_tables(all_tables(run_suite(config, say=say), short=True), console)
    say(f"All of it, with pictures: {config.output}/{MARKDOWN_FILE}")


def crisis(config: CrisisConfig) -> None:
    from compeer_jax.benchmarks.crisis.run import PAGE, run_crisis

    console = wide_console()
    say = partial(console.print, highlight=False)
    print_tables(run_crisis(config, say).brief_tables, console)
    if config.output:
        say(f"All of it is in {config.output}. To read the talks, open {config.output}/{PAGE} in a browser.")


def _print_run(folder: Path, config: EscEvalConfig | SageConfig) -> None:
    from compeer_jax.benchmarks.results import all_tables, benchmark_figures, read_run, summarise

    results = summarise([read_run(folder)], published=benchmark_figures(config.published), seed=config.seed)
    print_tables(all_tables(results, short=True), wide_console())
    print(f"All of it is in {folder}. To read the dialogues: compeer eval show {folder}")
