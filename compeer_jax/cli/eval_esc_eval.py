"""`compeer eval esc-eval`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval_preferences import with_list
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.benchmarks.config import EscEvalConfig

DESCRIPTION = (
    "ESC-Eval: role cards are played to the tested model, and scorers rate the dialogues on seven dimensions. "
    "A run that was stopped goes on when it is started again."
)
CONFIG = EscEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_list(arguments, "--cards"), command="eval esc-eval", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.benchmarks.esc_eval import run_esc_eval
    from compeer_jax.evaluation.benchmarks.results import read_run, summarise
    from compeer_jax.evaluation.benchmarks.tables import sheet_rich

    folder = run_esc_eval(config, say=print)
    console = wide_console()
    for results in summarise([read_run(folder)], seed=config.seed):
        for sheet in results.sheets:
            console.print(sheet_rich(sheet))
    print(f"All of it is in {folder}. To read the dialogues: compeer eval show {folder}")
