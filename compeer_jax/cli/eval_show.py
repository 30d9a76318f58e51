"""`compeer eval show`."""

import json
from collections.abc import Sequence
from itertools import takewhile

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.evaluation.benchmarks.page import ShowConfig

DESCRIPTION = (
    "Makes one HTML page of a benchmark's run, or of two side by side: `compeer eval show RUN [RUN2]`. "
    "The page loads nothing from anywhere and can be opened as a file."
)
CONFIG = ShowConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_runs(arguments), command="eval show", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.benchmarks.page import show_runs

    print(f"{show_runs(config)}: open it in a browser.")


def with_runs(arguments: Sequence[str]) -> list[str]:
    """The arguments with the folders that come before any option made the list that settings take."""
    folders = list(takewhile(lambda word: not word.startswith("-"), arguments))
    return [*([f"--runs={json.dumps(folders)}"] if folders else []), *arguments[len(folders) :]]
