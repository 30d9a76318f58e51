"""`compeer eval esc-eval`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.eval_preferences import with_list
from compeer_jax.cli.terminal import show_log
from compeer_jax.evaluation.benchmarks.config import EscEvalConfig

DESCRIPTION = (
    "ESC-Eval: role cards are played to the tested model, and scorers rate the dialogues on seven dimensions. "
    "A run that was stopped goes on when it is started again."
)
CONFIG = EscEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_list(arguments, "--cards"), command="eval esc-eval", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.benchmarks.esc_eval import run_esc_eval, summary
    from compeer_jax.evaluation.benchmarks.rows import read_dialogues

    folder = run_esc_eval(config, say=print)
    for line in summary(read_dialogues(folder)):
        print(line)
    print(f"The dialogues are in {folder}. To read them: compeer eval show {folder}")
