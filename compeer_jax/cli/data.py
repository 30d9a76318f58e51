"""`compeer data ACTION`: from corpora to a dataset. An action is a stage of the pipeline, or all of them."""

from collections.abc import Sequence

from compeer_jax.cli.actions import overview
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.data.build.config import BuildConfig
from compeer_jax.data.build.pipeline import STAGES, build
from compeer_jax.errors import UserError, unknown

ACTIONS = {"build": "run all stages that have something new to do", **STAGES}
DESCRIPTION = "Builds data from corpora. A stage that was interrupted, or whose settings changed, is run again."
CONFIG = BuildConfig


def run(arguments: Sequence[str]) -> None:
    if not arguments:
        raise UserError(f"name an action: {', '.join(ACTIONS)}.")
    action, rest = arguments[0], arguments[1:]
    if action in ("-h", "--help"):
        print(overview("data", ACTIONS))
        return
    if action not in ACTIONS:
        raise unknown("data action", action, ACTIONS)
    config = parse_config(CONFIG, rest, command=f"data {action}", description=DESCRIPTION)
    show_log()
    build(config, say=print, stages=tuple(STAGES) if action == "build" else (action,))
