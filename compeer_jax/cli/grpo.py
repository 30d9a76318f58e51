"""`compeer grpo`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.training.config import GRPOConfig

DESCRIPTION = "GRPO with a judge and redundancy-aware rewards. An interrupted run goes on from its last checkpoint."
CONFIG = GRPOConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="grpo", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.grpo import train_grpo

    train_grpo(config)
