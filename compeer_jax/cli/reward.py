"""`compeer reward ACTION`: the judge, trained and examined."""

from collections.abc import Sequence

from compeer_jax.cli.actions import run_action

ACTIONS = {
    "train": "train a judge: UnifiReward, PRM or ORM",
    "eval": "how often judges are right, on held-out records",
    "consistency": "whether the replies that judges choose follow from the reasoning before them",
}


def run(arguments: Sequence[str]) -> None:
    run_action("reward", ACTIONS, arguments)
