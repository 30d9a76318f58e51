"""`compeer eval esc-eval`."""

from collections.abc import Sequence

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval_preferences import with_list
from compeer_jax.cli.terminal import show_log, wide_console

DESCRIPTION = (
    "ESC-Eval: role cards are played to the tested model, and scorers rate the dialogues on seven dimensions. "
    "A run that was stopped goes on when it is started again."
)
CONFIG = EscEvalConfig


def run(arguments: Sequence[str]) -> None:
    arguments = with_list(with_list(arguments, "--cards"), "--role_prompts")
    config = parse_config(CONFIG, arguments, command="eval esc-eval", description=DESCRIPTION)
    show_log()
    from compeer_jax.benchmarks.esc_eval.run import run_esc_eval
    from compeer_jax.benchmarks.results import all_tables, benchmark_figures, read_run, summarise
    from compeer_jax.report.table import print_tables

    folder = run_esc_eval(config, say=print)
    results = summarise([read_run(folder)], published=benchmark_figures(config.published), seed=config.seed)
    print_tables(all_tables(results, short=True), wide_console())
    print(f"All of it is in {folder}. To read the dialogues: compeer eval show {folder}")
