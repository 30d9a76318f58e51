"""`compeer grpo`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.training.config import GRPOConfig

DESCRIPTION = (
    "GRPO with a judge and redundancy-aware rewards. An interrupted run goes on from its last checkpoint. "
    "With --profile it writes a trace of its third to fifth step, and tells where their time goes."
)
CONFIG = GRPOConfig
PROFILE = "--profile"


def run(arguments: Sequence[str]) -> None:
    profile = PROFILE in arguments  # of this start alone, so not a setting of the run
    arguments = [argument for argument in arguments if argument != PROFILE]
    config = parse_config(CONFIG, arguments, command="grpo", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.grpo import train_grpo

    train_grpo(config, profile=profile)
