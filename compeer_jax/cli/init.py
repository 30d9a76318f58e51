"""`compeer init`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

DESCRIPTION = "Makes a small random Qwen2.5-shaped model and a tokenizer, to train with nothing downloaded."
CONFIG = SmallModelConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="init", description=DESCRIPTION)
    show_log()
    print(f"The model is in {make_small_model(config)}.")
