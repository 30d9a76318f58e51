"""`compeer sft`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.training.config import SFTConfig

DESCRIPTION = "Supervised fine-tuning on (history, reasoned answer) records. An interrupted run goes on."
CONFIG = SFTConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="sft", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.sft import train_sft

    train_sft(config)
