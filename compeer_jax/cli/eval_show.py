"""`compeer eval show`."""

import json
from collections.abc import Sequence

from compeer_jax.benchmarks.page import ShowConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log

DESCRIPTION = (
    "Makes one HTML page of a benchmark's run, or of two side by side: `compeer eval show RUN [RUN2]`. "
    "The page loads nothing from anywhere and can be opened as a file."
)
CONFIG = ShowConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_runs(arguments), command="eval show", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.page import show_runs

    print(f"{show_runs(config)}: open it in a browser.")


def with_runs(arguments: Sequence[str]) -> list[str]:
    """The arguments with the folders among them, RUN [RUN2], made the list that settings take."""
    words, folders, options = iter(arguments), [], []
    for word in words:
        if not word.startswith("-"):
            folders.append(word)
            continue
        options.append(word)
        if "=" not in word:
            options += [value for value in [next(words, None)] if value is not None]
    return [*([f"--runs={json.dumps(folders)}"] if folders else []), *options]
