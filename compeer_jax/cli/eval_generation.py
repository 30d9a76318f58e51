"""`compeer eval generation`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.evaluation.generation_metrics import GenerationEvalConfig

DESCRIPTION = "Rates answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity and strategies."
CONFIG = GenerationEvalConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval generation", description=DESCRIPTION)
    show_log()
    from compeer_jax.evaluation.generation_metrics import rate_generation
    from compeer_jax.evaluation.generation_report import MEANING, generation_rich

    table = rate_generation(config)
    console = wide_console()
    console.print(table.title, highlight=False, markup=False)
    console.print(generation_rich(table))
    for text in (MEANING, *table.made):
        console.print(text, highlight=False, markup=False)
