"""`compeer reward train`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.training.reward_config import RewardTrainConfig

DESCRIPTION = "Trains a generative judge: UnifiReward, PRM or ORM. An interrupted run goes on from its last checkpoint."
CONFIG = RewardTrainConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="reward train", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.reward import train_reward

    train_reward(config)
