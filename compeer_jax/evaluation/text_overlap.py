"""Overlap of answers with reference answers: BLEU, ROUGE-L and METEOR on tokens.

Each has two flavours where they differ: "standard", as the well-kept libraries have it, and "esconv", as the script
published with ESConv has it (github.com/thu-coai/Emotional-Support-Conversation, codes_zcj/metric/myMetrics.py). There

* BLEU is NLTK's over the whole corpus with its smoothing method 3. That is sacrebleu's exponential smoothing too; what
  differs is a text of fewer than n tokens, which NLTK counts as one n-gram that is wrong, and sacrebleu as none;
* ROUGE-L is F with β = 1.2, which favours recall, where the standard has β = 1;
* METEOR does not occur: both flavours have NLTK's, by the parameters of Lavie and Agarwal (2007).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.evaluation.estimates import library
from compeer_jax.evaluation.generation_tokens import Flavour

Words = Sequence[str]
ORDERS = 4
BETA = 1.2  # of ESConv's ROUGE-L


class Overlap(NamedTuple):
    """What BLEU needs to know of each text: summed over texts, it is what BLEU needs to know of them all.

    Attributes:
        matches: [N, 4], n-grams that are in the reference too, at most as often as there.
        grams: [N, 4], n-grams.
        lengths: [N, 2], tokens of the text and of its reference.
    """

    matches: Int[np.ndarray, "N 4"]
    grams: Int[np.ndarray, "N 4"]
    lengths: Int[np.ndarray, "N 2"]

    @classmethod
    def of(cls, texts: Sequence[Words], references: Sequence[Words], flavour: Flavour = "standard") -> "Overlap":
        """Counts the n-grams of N texts and their references."""
        least = 1 if flavour == "esconv" else 0
        matches, grams, lengths = [], [], []
        for text, reference in zip(texts, references, strict=True):
            counts = [(_grams(text, n), _grams(reference, n)) for n in range(1, ORDERS + 1)]
            matches.append([(said & wanted).total() for said, wanted in counts])
            grams.append([max(least, said.total()) for said, _ in counts])
            lengths.append([len(text), len(reference)])
        return cls(*(np.array(part, dtype=np.int64) for part in (matches, grams, lengths)))

    def bleu(self, weights: Int[np.ndarray, "R N"]) -> Float[np.ndarray, "4 R"]:
        """BLEU-1 to BLEU-4 of R corpora, in each of which text n stands `weights[r, n]` times."""
        score = library("sacrebleu.metrics").BLEU.compute_bleu
        matches, grams, lengths = (weights @ part for part in self)
        corpora = [
            (list(map(int, good)), list(map(int, all_)), *map(int, length))
            for good, all_, length in zip(matches, grams, lengths, strict=True)
        ]
        scores = [
            [score(good[:n], all_[:n], *length, smooth_method="exp", max_ngram_order=n).score / 100]
            for n in range(1, ORDERS + 1)
            for good, all_, *length in corpora
        ]
        return np.array(scores).reshape(ORDERS, len(corpora))


def bleu(texts: Sequence[Words], references: Sequence[Words], flavour: Flavour = "standard") -> list[float]:
    """BLEU-1 to BLEU-4 of all texts together, 0 … 1; BLEU-n has equal weights on 1-grams to n-grams."""
    if flavour == "esconv":
        nltk = library("nltk.translate.bleu_score")
        # A weight of 0 behind the others, as the script has it, changes nothing.
        weights = [[1 / n] * n for n in range(1, ORDERS + 1)]
        smoothing = nltk.SmoothingFunction().method3
        found = nltk.corpus_bleu([[list(one)] for one in references], [list(one) for one in texts], weights, smoothing)
        return [float(value) for value in found]
    sacrebleu = library("sacrebleu.metrics")
    lines, wanted = ([" ".join(words) for words in one] for one in (texts, references))
    metrics = (sacrebleu.BLEU(tokenize="none", force=True, max_ngram_order=n) for n in range(1, ORDERS + 1))
    return [metric.corpus_score(lines, [wanted]).score / 100 for metric in metrics]


def rouge_l(
    texts: Sequence[str | Words], references: Sequence[str | Words], *, split: bool, beta: float = 1.0
) -> Float[np.ndarray, " N"]:
    """ROUGE-L of each text: F, with weight `beta` on recall, from the longest common subsequence of tokens.

    Args:
        texts, references: N texts.
        split: whether they are tokens already; if not, rouge-score's own words are taken, letters and digits in lower
            case.
        beta: 1 in the standard flavour, 1.2 in ESConv's.
    """
    rouge = library("rouge_score.rouge_scorer")
    scorer = rouge.RougeScorer(["rougeL"], tokenizer=_Split() if split else None)
    scores = []
    for text, reference in zip(texts, references, strict=True):
        precision, recall, _ = scorer.score(reference, text)["rougeL"]
        weighted = recall + beta**2 * precision
        scores.append((1 + beta**2) * precision * recall / weighted if weighted else 0.0)
    return np.array(scores)


def meteor(texts: Sequence[Words], references: Sequence[Words], wordnet: Any = None) -> Float[np.ndarray, " N"]:
    """METEOR of each text: NLTK's, by exact matches, then Porter's stems, then synonyms of those stems.

    Args:
        texts, references: N texts.
        wordnet: where synonyms are from, see `installed_wordnet`; there are none without it.
    """
    nltk = library("nltk.translate.meteor_score")
    synonyms = _NoSynonyms() if wordnet is None else wordnet
    pairs = zip(texts, references, strict=True)
    scores = [nltk.single_meteor_score(list(good), list(said), wordnet=synonyms) for said, good in pairs]
    return np.array(scores, dtype=float)


def installed_wordnet() -> Any | None:
    """The English WordNet among NLTK's data on this machine; None where there is none. It is never downloaded."""
    corpus = library("nltk.corpus")
    languages = corpus.LazyCorpusLoader("omw-1.4", corpus.CorpusReader, ".*")  # asked for by name only
    wordnet = corpus.LazyCorpusLoader("wordnet", corpus.WordNetCorpusReader, languages)
    try:
        wordnet.synsets("help")
    except LookupError:
        return None
    return wordnet


class _Split:
    """Texts that are split already, as rouge-score calls its tokenizer."""

    def tokenize(self, text: Words) -> Words:
        return text


class _NoSynonyms:
    """A WordNet that knows no word."""

    def synsets(self, word: str) -> list:
        return []


def _grams(words: Words, n: int) -> Counter:
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
