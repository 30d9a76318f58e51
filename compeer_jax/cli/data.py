"""`compeer data ACTION`: from corpora to a dataset. Most actions are stages of the pipeline; "build" runs them all."""

from collections.abc import Sequence

from compeer_jax.cli.actions import run_action
from compeer_jax.curation.pipeline import STAGES

ACTIONS = {
    "build": "make CER: run all stages below that have something new to do",
    **{name: f"stage: {summary}" for name, summary in STAGES.items()},
    "care": "make CARE's training data: each reply of a corpus with the four nodes that lead to it",
    "danger": "list the dialogues in which somebody is in danger, for a person to decide what trains",
    "tfds": "write ESConv or CER as a TensorFlow Dataset in ArrayRecord",
}


def run(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] in STAGES:
        from compeer_jax.cli.data_build import run_stages

        run_stages(arguments[0], arguments[1:])
    else:
        run_action("data", ACTIONS, arguments)
