"""`compeer eval preferences`."""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.people.preferences import PreferencesConfig

DESCRIPTION = (
    "Reads what people prefer in pairs of `compeer eval pairs` or `compeer eval study`: wins, ties, losses, and how "
    "far they agree."
)
CONFIG = PreferencesConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_list(arguments), command="eval preferences", description=DESCRIPTION)
    show_log()
    from compeer_jax.people.forms import read_key
    from compeer_jax.report.table import print_tables

    console = wide_console()
    if read_key(Path(config.pairs).expanduser()).others:
        from compeer_jax.people.study_results import CHART, count_study

        print_tables([count_study(config).table], console)
        chart = Path(config.output or config.pairs) / CHART
        console.print(f"The chart is {chart}.", highlight=False, markup=False)
        return
    from compeer_jax.people.preferences import count_preferences

    print_tables([count_preferences(config).table], console)


def with_list(arguments: Sequence[str], option: str = "--imports") -> list[str]:
    """The arguments with `--imports FILE FILE …`, as a shell writes out *.csv, made the list that settings take."""
    arguments = list(arguments)
    if option not in arguments:
        return arguments
    start = arguments.index(option) + 1
    files = list(takewhile(lambda word: not word.startswith("--"), arguments[start:]))
    if not files or files[0].startswith("["):
        return arguments
    return [*arguments[: start - 1], f"{option}={json.dumps(files)}", *arguments[start + len(files) :]]
