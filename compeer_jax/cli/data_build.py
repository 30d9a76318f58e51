"""`compeer data build`, and the commands of its stages."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.pipeline import STAGES, build

DESCRIPTION = "Builds CER from corpora. A stage that was interrupted, or whose settings changed, is run again."
CONFIG = BuildConfig


def run(arguments: Sequence[str]) -> None:
    run_stages("build", arguments)


def run_stages(action: str, arguments: Sequence[str]) -> None:
    """Runs one stage, or all of them for "build"; a stage that is named is run even if nothing has changed."""
    config = parse_config(CONFIG, arguments, command=f"data {action}", description=DESCRIPTION)
    show_log()
    folder = build(config, say=print, stages=tuple(STAGES) if action == "build" else (action,), again=action != "build")
    if action == "build":
        print(f"The dataset and its card are in {folder / 'cer'}.")
