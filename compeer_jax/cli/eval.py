"""`compeer eval`: rates a model. `compeer eval ACTION` rates something else."""

from collections.abc import Sequence

from compeer_jax.cli.actions import run_action

DEFAULT = "policy"
ACTIONS = {
    DEFAULT: "rate a model on held-out dialogues; what `compeer eval` does where no action is named",
    "generation": "rate answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity, strategies",
    "replies": "let a model behind a server reply to held-out dialogues",
    "pairs": "make blinded pairs of two systems' replies for people to judge",
    "study": "make blinded pairs of one system's replies with those of several others, on the same dialogues",
    "preferences": "read what people prefer in such pairs: wins, ties, losses, and how far they agree",
    "danger": "measure how much danger is found in what people write, and how often where there is none",
    "crisis": "play talks about danger to models: what replies miss, what they must not say, where they over-react",
    "esc-eval": "ESC-Eval: play role cards to a model, and have the dialogues scored on seven dimensions",
    "sage": "play SAGE: seekers whose emotion each reply moves talk with a model",
    "benchmarks": "test several models on ESC-Eval and SAGE, and lay the results side by side",
    "show": "make one HTML page of a benchmark's run, or of two side by side",
}


def run(arguments: Sequence[str]) -> None:
    run_action("eval", ACTIONS, arguments, default=DEFAULT)
