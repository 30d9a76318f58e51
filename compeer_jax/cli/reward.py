"""`compeer reward ACTION`: the judge, trained and examined. Each action is a module of its own."""

import importlib
from collections.abc import Sequence

from compeer_jax.cli.actions import overview
from compeer_jax.errors import UserError, unknown

ACTIONS = {
    "train": "train a judge: UnifiReward, PRM or ORM",
    "eval": "how often judges are right, on held-out records",
    "consistency": "whether a judge's verdict on an answer agrees with those on its steps",
}


def run(arguments: Sequence[str]) -> None:
    if not arguments:
        raise UserError(f"name an action: {', '.join(ACTIONS)}.")
    action, rest = arguments[0], arguments[1:]
    if action in ("-h", "--help"):
        print(overview("reward", ACTIONS))
        return
    if action not in ACTIONS:
        raise unknown("reward action", action, ACTIONS)
    importlib.import_module(f"compeer_jax.cli.reward_{action}").run(rest)
