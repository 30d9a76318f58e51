"""`compeer export`."""

from collections.abc import Sequence
from dataclasses import dataclass

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log

DESCRIPTION = "Writes the model of a run's checkpoint as a Hugging Face directory, which transformers loads unchanged."


@dataclass(frozen=True)
class ExportConfig:
    """Which checkpoint of which run goes where.

    Args:
        run: run folder of `compeer sft`, `compeer reward train` or `compeer grpo`.
        output: directory to write.
        step: step of the checkpoint; 0 takes the last.
    """

    run: str
    output: str
    step: int = 0


CONFIG = ExportConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="export", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.export import export_run

    step = export_run(config.run, config.output, step=config.step or None)
    print(f"The model of step {step} is in {config.output}.")
