"""How much answers repeat each other."""

from collections.abc import Sequence


def distinct_n(texts: Sequence[Sequence[str]], n: int) -> float:
    """Share of different n-grams among all n-grams of `texts` (Li et al., 2016), 0 when there is none.

    Args:
        texts: each text as a list of words.
        n: length of the n-grams.
    """
    grams = [tuple(words[start : start + n]) for words in texts for start in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Mean BLEU-4 of each text against all others (Zhu et al., 2018), 0 … 1: high when answers resemble each other.

    By sacrebleu, with its exponential smoothing and the effective order for texts of fewer than four words.

    Args:
        texts: each text as a list of words; empty ones are left out.

    Returns:
        0 when fewer than two texts have words.
    """
    from sacrebleu.metrics import BLEU

    lines = [" ".join(words) for words in texts if words]
    if len(lines) < 2:
        return 0.0
    bleu = BLEU(tokenize="none", effective_order=True)
    scores = [bleu.sentence_score(line, lines[:row] + lines[row + 1 :]).score for row, line in enumerate(lines)]
    return sum(scores) / len(scores) / 100
