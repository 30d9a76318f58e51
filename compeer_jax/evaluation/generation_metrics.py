"""Evaluation of answers against those of real supporters: overlap, similarity, diversity and strategies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.errors import require_at_least
from compeer_jax.evaluation.answers import Answer, by_language, read_answers
from compeer_jax.evaluation.bert_similarity import bert_score
from compeer_jax.evaluation.diversity import distinct_n, self_bleu
from compeer_jax.evaluation.estimates import Estimate, Weights, bootstrap, clustered_resamples, weighted_mean
from compeer_jax.evaluation.generation_report import METRICS, GenerationReport, GenerationResults
from compeer_jax.evaluation.generation_tokens import Flavour, TokenKind, tokens_of
from compeer_jax.evaluation.published_figures import read_figures
from compeer_jax.evaluation.strategy_metrics import StrategyTable, pairs_of, preference_bias, strategy_scores
from compeer_jax.evaluation.text_overlap import BETA, Overlap, Words, bleu, installed_wordnet, meteor, rouge_l
from compeer_jax.files import make_folder, write_json, write_text
from compeer_jax.report.table import tables_markdown


@dataclass(frozen=True)
class GenerationEvalConfig:
    """Rates answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity and strategies.

    Languages are rated apart. An empty answer counts with the others: it shares nothing with its reference.

    Args:
        outputs: folder of a `compeer eval --output` or `compeer grpo` run, or a JSONL file of answers, a line each:
            {"id", "language", "response", "reference", "strategy"?, "gold_strategy"?, "member"?}.
        name: of their column, where there are others beside; by default the language.
        beside: further outputs to rate in the same way, by names for their columns, e.g. {GRPO: runs/grpo}.
        flavour: how metrics are made where ESConv's published script differs from what is standard.
        tokens: what BLEU, METEOR and diversity count; auto is words in English and characters in Chinese.
        bertscore: directory of an encoder for BERTScore; without it, that is left out.
        bertscore_layers: how many of its layers (0: what bert-score found best for a model of that name, or all).
        bertscore_baseline: file of bert-score's rescale_baseline, to rescale by.
        member: which output of each prompt, from 0; -1 takes all.
        malformed: an output that lacks a part or has one too many counts as an empty answer without a strategy
            ("empty"), or as what can be read of it ("found").
        resamples: of the bootstrap over prompts, for 95 % intervals (0: none). Diversity has none, as an answer that is
            drawn twice is no repetition; nor has strategy bias, which any resampling makes look higher.
        published: figures to print beside: "care" for CARE's, or a YAML file of yours, in the table's units: row ->
            metric -> figure, for example {Theirs: {bleu_1: 15.0, strategy_accuracy: 30.0}}.
        seed: of the bootstrap.
        output: folder for generation.json, generation.md and answers.jsonl, the latter with the answers in `outputs`
            (default: only the table is printed).
    """

    outputs: str
    name: str = ""
    beside: dict[str, str] = field(default_factory=dict)
    flavour: Flavour = "standard"
    tokens: TokenKind = "auto"
    bertscore: str = ""
    bertscore_layers: int = 0
    bertscore_baseline: str = ""
    member: int = 0
    malformed: Literal["empty", "found"] = "empty"
    resamples: int = 0
    published: str = ""
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(-1, self, "", "member")
        require_at_least(0, self, "", "resamples", "bertscore_layers", "seed")


def rate_generation(config: GenerationEvalConfig) -> GenerationResults:
    """Rates the answers that the settings name.

    Raises:
        UserError: anything in the settings, the outputs, the model or the published figures that does not fit.
    """
    published = read_figures(config.published, METRICS) if config.published else {}
    rated = {config.name: config.outputs} | config.beside
    answers = {name: read_answers(path, config.member, config.malformed) for name, path in rated.items()}
    reports = [
        rate_answers(some, config, f"{name}, {language}" if name and len(by_language(all_)) > 1 else name)
        for name, all_ in answers.items()
        for language, some in by_language(all_).items()
    ]
    results = GenerationResults(f"answers of {', '.join(rated.values())}", config.flavour, reports, published)
    if config.output:
        _write(Path(config.output).expanduser(), config, results, answers[config.name])
    return results


def rate_answers(answers: Sequence[Answer], config: GenerationEvalConfig, name: str = "") -> GenerationReport:
    """The report on answers of one language; `name` is that of its column, the language by default."""
    (language,) = {answer.language for answer in answers}
    tokens = tokens_of(config.tokens, language, config.flavour)
    said, wanted = [answer.response for answer in answers], [answer.reference for answer in answers]
    words, right = ([tokens.split(text) for text in texts] for texts in (said, wanted))
    weights = _weights(answers, config)
    notes: dict[str, str] = {}
    scores = _bleu(words, right, config.flavour, weights, notes)
    # In English, rouge-score's own words are what others report.
    own = config.flavour == "standard" and tokens.kind == "words"
    scores["rouge_l"] = weighted_mean(
        _rouge_l(*((said, wanted) if own else (words, right)), config.flavour, notes), weights
    )
    wordnet = installed_wordnet() if tokens.kind == "words" else None
    scores["meteor"] = weighted_mean(meteor(words, right, wordnet), weights)
    notes["meteor"] = "NLTK's, " + ("with WordNet's synonyms" if wordnet else "exact matches and stems, no synonyms")
    if config.bertscore:
        settings = {"layers": config.bertscore_layers, "baseline": config.bertscore_baseline}
        similar = bert_score(said, wanted, config.bertscore, **settings)
        scores["bertscore"], notes["bertscore"] = weighted_mean(similar.f1, weights), similar.note
    scores |= _diversity(words, config.flavour, notes)
    scores |= _strategies(answers, weights)
    scores["empty"] = weighted_mean(np.array([not text.strip() for text in said], float), weights)
    scores["length"] = weighted_mean(np.array([len(one) for one in words], float), weights)
    return GenerationReport(
        name=name or language, language=language, count=len(answers), tokens=tokens.note, scores=scores, notes=notes
    )


def _bleu(
    words: Sequence[Words], right: Sequence[Words], flavour: Flavour, weights: Weights, notes: dict[str, str]
) -> dict[str, Estimate]:
    notes["bleu"] = "sacrebleu's" if flavour == "standard" else "NLTK's, smoothing method 3"
    draws = Overlap.of(words, right, flavour).bleu(weights)
    return {f"bleu_{n + 1}": bootstrap(value, draws[n]) for n, value in enumerate(bleu(words, right, flavour))}


def _rouge_l(
    texts: Sequence[str | Words], right: Sequence[str | Words], flavour: Flavour, notes: dict[str, str]
) -> Float[np.ndarray, " N"]:
    split, beta = not isinstance(texts[0], str), 1.0 if flavour == "standard" else BETA
    notes["rouge_l"] = f"rouge-score's, β = {beta:g}" + ("" if split else ", on its own words")
    return rouge_l(texts, right, split=split, beta=beta)


def _diversity(words: Sequence[Words], flavour: Flavour, notes: dict[str, str]) -> dict[str, Estimate]:
    drop_last = flavour == "esconv"
    notes["distinct"] = "the last n-gram of each answer dropped" if drop_last else "of all n-grams"
    return {
        "distinct_1": Estimate(distinct_n(words, 1, drop_last=drop_last)),
        "distinct_2": Estimate(distinct_n(words, 2, drop_last=drop_last)),
        "self_bleu": Estimate(self_bleu(words)),
    }


def _strategies(answers: Sequence[Answer], weights: Weights) -> dict[str, Estimate]:
    """Strategy metrics over the answers that have a gold strategy; none where answers name no strategies."""
    rows = [row for row, answer in enumerate(answers) if answer.gold_strategy and answer.names_strategies]
    if not rows:
        return {}
    right = [answers[row].gold_strategy for row in rows]
    taken = [answers[row].strategy for row in rows]
    accuracy, macro_f1 = strategy_scores(right, taken)
    pairs = pairs_of(right, taken)
    draws = np.tensordot(weights[:, rows], pairs, 1)
    draws = StrategyTable(draws[draws.sum(axis=(1, 2)) > 0])
    return {
        "strategy_accuracy": bootstrap(accuracy, draws.accuracy),
        "strategy_f1": bootstrap(macro_f1, draws.macro_f1),
        "strategy_bias": Estimate(preference_bias(pairs.sum(axis=0)) if any(taken) else None),
        "no_strategy": Estimate(float(np.mean([one is None for one in taken]))),
    }


def _weights(answers: Sequence[Answer], config: GenerationEvalConfig) -> Weights:
    if not config.resamples:
        return np.zeros((0, len(answers)), dtype=np.int64)
    return clustered_resamples([answer.id for answer in answers], config.resamples, config.seed)


def _write(folder: Path, config: GenerationEvalConfig, results: GenerationResults, answers: Sequence[Answer]) -> None:
    """generation.json, generation.md, and the answers as they were rated, which can be rated again."""
    make_folder(folder)
    content = {"settings": config, "rows": results.reports, "published": results.published}
    write_json(folder / "generation.json", content)
    write_text(folder / "generation.md", tables_markdown([results.table]))
    write_jsonl(folder / "answers.jsonl", (answer.to_json() for answer in answers))
