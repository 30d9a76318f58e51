"""`compeer eval replies`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.evaluation.served_replies import RepliesConfig

DESCRIPTION = (
    "Lets a model behind a server reply to held-out dialogues, for `compeer eval study`, `pairs`, `generation`."
)
CONFIG = RepliesConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval replies", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.served_replies import write_replies

    found = write_replies(config, say=print)
    print(
        f"{found.count} outputs of {config.server.model} are in {config.output}; {found.well_formed} have the format."
    )
    if found.silent:
        print(f"{found.silent} are no answer: none came, or only thoughts.")
    if found.problems:
        print("What is wrong with others: " + ", ".join(f"{name} ({n})" for name, n in found.problems.items()) + ".")
