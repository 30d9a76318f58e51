"""Several models on both benchmarks, in one command: each run in a folder of its own, then one table."""

from collections.abc import Callable
from pathlib import Path

from compeer_jax.evaluation.benchmarks.config import EscEvalConfig
from compeer_jax.evaluation.benchmarks.results import BenchmarkResults, benchmark_figures, read_run, write_results
from compeer_jax.evaluation.benchmarks.suite_config import SuiteConfig


def run_suite(config: SuiteConfig, *, say: Callable[[str], None]) -> list[BenchmarkResults]:
    """Makes the runs that aren't there yet, goes on with those that were stopped, and writes the tables.

    Args:
        config: what is tested on what.
        say: told a line for the person who waits.

    Raises:
        UserError: anything in the settings or the files that does not fit, or a model that can't be asked.
    """
    from compeer_jax.evaluation.benchmarks.esc_eval import run_esc_eval
    from compeer_jax.evaluation.benchmarks.sage import run_sage

    published = benchmark_figures(config.published)
    beside = [read_run(folder) for folder in config.runs]
    runs = config.runs_to_make()
    made = []
    for number, run in enumerate(runs, start=1):
        say(f"{number} of {len(runs)}: {run.name}, in {run.output}")
        play = run_esc_eval if isinstance(run, EscEvalConfig) else run_sage
        made.append(read_run(play(run, say=say)))
    return write_results(
        [*made, *beside],
        Path(config.output).expanduser(),
        against=config.against,
        published=published,
        resamples=config.resamples,
        seed=config.seed,
    )
