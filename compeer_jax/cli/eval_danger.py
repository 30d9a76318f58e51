"""`compeer eval danger`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.danger.evaluate import DangerEvalConfig

DESCRIPTION = (
    "Measures how much danger is found in sentences, explicit and indirect, and how often it is found in harmless ones."
)
CONFIG = DangerEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval danger", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.danger.evaluate import found_in_talk, layers, measure_danger
    from compeer_jax.evaluation.danger.table import danger_rich, kinds_rich, talks_rich

    table = measure_danger(config, layers(), found_in_talk)
    console = wide_console()
    console.print(table.title, highlight=False)
    console.print(danger_rich(table))
    console.print(talks_rich(table))
    for language in table.languages:
        console.print(f"By kind, {language}:", highlight=False)
        console.print(kinds_rich(table, language))
    for note in table.notes:
        console.print(note, highlight=False)
