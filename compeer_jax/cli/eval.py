"""`compeer eval`: rates a model. `compeer eval ACTION` rates something else. Each is a module of its own."""

import importlib
from collections.abc import Sequence

from compeer_jax.errors import unknown

ACTIONS = {"generation": "rate answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity, strategies"}


def run(arguments: Sequence[str]) -> None:
    action, rest = "policy", arguments
    if arguments and not arguments[0].startswith("-"):
        action, rest = arguments[0], arguments[1:]
        if action not in ACTIONS:
            raise unknown("eval action", action, ACTIONS)
    importlib.import_module(f"compeer_jax.cli.eval_{action}").run(rest)
