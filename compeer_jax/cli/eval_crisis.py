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
    from compeer_jax.benchmarks.crisis.table import JUDGE_MEANING, LIMITS, MEANING, crisis_rich, judges_rich

    console = wide_console()
    say = partial(console.print, highlight=False)
    table = run_crisis(config, say)
    say(table.title)
    console.print(crisis_rich(table))
    for sort in ("form", "level"):
        say(f"By {sort}:")
        console.print(crisis_rich(table, sort))
    for line in (*table.comparisons, MEANING, LIMITS):
        say(line)
    if table.judges:
        console.print(judges_rich(table))
        say(JUDGE_MEANING)
    if config.output:
        say(f"All of it is in {config.output}. To read the talks, open {config.output}/{PAGE} in a browser.")
