"""`compeer export`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log

DESCRIPTION = "Writes the model of a run's checkpoint as a Hugging Face directory, which transformers loads unchanged."


@dataclass(frozen=True)
class ExportConfig:
    """Which checkpoint of which run goes where.

    Args:
        run: run folder of `compeer sft`, `compeer reward train` or `compeer grpo`.
        output: directory to write.
        step: of the checkpoint: a number, or the last one, or the best (by valid loss; for grpo by mean reward).
        merge: write the adapters of a run with `model.lora` merged into their model; else they are written by
            themselves, as PEFT has them.
    """

    run: str
    output: str
    step: int | Literal["last", "best"] = "last"
    merge: bool = False


CONFIG = ExportConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="export", description=DESCRIPTION)
    show_log()
    from compeer_jax.training.export import export_run

    step = export_run(config.run, config.output, step=config.step, merge=config.merge)
    print(f"The model of step {step} is in {config.output}.")
