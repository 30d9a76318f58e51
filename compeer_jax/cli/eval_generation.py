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
    from compeer_jax.report.table import print_tables

    print_tables([rate_generation(config).table], wide_console())
