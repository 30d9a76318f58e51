"""`compeer eval sage`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.benchmarks.sage_config import SageConfig

DESCRIPTION = (
    "SAGE: seekers whose emotion each reply moves talk with the tested model. "
    "A run that was stopped goes on when it is started again."
)
CONFIG = SageConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval sage", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.benchmarks.results import all_sheets, read_run, summarise
    from compeer_jax.evaluation.benchmarks.sage import run_sage
    from compeer_jax.evaluation.benchmarks.tables import sheet_rich

    folder = run_sage(config, print)
    console = wide_console()
    for sheet in all_sheets(summarise([read_run(folder)], seed=config.seed), short=True):
        console.print(sheet.title, highlight=False, markup=False)
        console.print(sheet_rich(sheet))
        for note in sheet.notes:
            console.print(note, highlight=False, markup=False)
    print(f"All of it is in {folder}. To read the dialogues: compeer eval show {folder}")
