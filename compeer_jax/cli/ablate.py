"""`compeer ablate`."""

from collections.abc import Sequence
from pathlib import Path

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.ablation import AblateConfig

DESCRIPTION = "Sweeps settings of the reward over the outputs that a run has logged: what would each have made of them?"
CONFIG = AblateConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="ablate", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.ablation import ablate
    from compeer_jax.evaluation.ablation_report import settings_table, write_ablation
    from compeer_jax.report.table import print_tables

    ablation = ablate(config)
    print_tables([settings_table(ablation)], wide_console())
    if ablation.mismatch > 1e-2:
        print(
            f"The run's own setting does not give back its logged advantages (off by up to {ablation.mismatch:.2g}); "
            "were its rollouts made by another version?"
        )
    table, numbers, picture = write_ablation(ablation, Path(config.run).expanduser() / "ablation")
    print(f"The rows differ from the run in one thing; {table} explains them, {numbers} has all settings, {picture}.")
