"""`compeer eval crisis`."""

from collections.abc import Sequence
from functools import partial

from compeer_jax.benchmarks.crisis.config import CrisisConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console

DESCRIPTION = (
    "Plays talks that lead to danger, hide it, or only look like it, to models, and says what each reply misses, what "
    "it must not say, and where it over-reacts. A run that was stopped goes on when it is started again."
)
CONFIG = CrisisConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval crisis", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.crisis.run import PAGE, run_crisis
    from compeer_jax.report.table import print_tables

    console = wide_console()
    say = partial(console.print, highlight=False)
    print_tables(run_crisis(config, say).brief_tables, console)
    if config.output:
        say(f"All of it is in {config.output}. To read the talks, open {config.output}/{PAGE} in a browser.")
