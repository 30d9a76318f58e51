"""`compeer data care`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.curation.care.config import CareDataConfig

DESCRIPTION = (
    "Builds CARE's training data: each reply of a corpus with the four nodes that lead to it, written by a chat model "
    "or silver. What was interrupted, or whose settings changed, is run again."
)
CONFIG = CareDataConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="data care", description=DESCRIPTION)
    show_log()
    from compeer_jax.curation.care.build import build_care

    folder = build_care(config, say=print)
    print(f"Train from it with --data.path {folder} --data.format care --data.prompt care.")
