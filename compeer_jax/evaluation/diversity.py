"""Diversity of answers: distinct n-grams, and BLEU against each other."""

from collections import Counter, defaultdict
from collections.abc import Sequence

_ORDERS = 4


def distinct_n(texts: Sequence[Sequence[str]], n: int, *, drop_last: bool = False) -> float:
    """Share of different n-grams among all n-grams of `texts` (Li et al., 2016), 0 when there is none.

    Args:
        texts: each text as a list of words.
        n: length of the n-grams.
        drop_last: leave the last n-gram of each text out, as the script published with ESConv does.
    """
    end = n if drop_last else n - 1
    grams = [tuple(words[start : start + n]) for words in texts for start in range(len(words) - end)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Mean BLEU-4 of each text against all others (Zhu et al., 2018), 0 … 1: high when answers resemble each other.

    By sacrebleu, with its exponential smoothing and the effective order for texts of fewer than four words. An n-gram
    counts as often as in the one other text that has it most often, so that it is enough to know, of each n-gram, the
    two texts that have it most often: the time grows with the number of words, not with the pairs of texts.

    Args:
        texts: each text as a list of words; empty ones are left out.

    Returns:
        0 when fewer than two texts have words.
    """
    from sacrebleu.metrics import BLEU

    counts = [_grams(words) for words in texts if words]
    if len(counts) < 2:
        return 0.0
    most: dict[tuple[str, ...], tuple[int, int]] = defaultdict(lambda: (0, 0))  # the highest count, and the next
    for grams in counts:
        for gram, count in grams.items():
            first, second = most[gram]
            most[gram] = (count, first) if count > first else (first, max(second, count))
    lengths = [sum(count for gram, count in grams.items() if len(gram) == 1) for grams in counts]
    frequency = Counter(lengths)
    total = 0.0
    for grams, length in zip(counts, lengths, strict=True):
        matches, all_grams = [0] * _ORDERS, [0] * _ORDERS
        for gram, count in grams.items():
            first, second = most[gram]
            matches[len(gram) - 1] += min(count, second if count == first else first)
            all_grams[len(gram) - 1] += count
        total += BLEU.compute_bleu(
            matches,
            all_grams,
            length,
            _closest(length, frequency),
            smooth_method="exp",
            effective_order=True,
        ).score
    return total / len(counts) / 100


def _grams(words: Sequence[str]) -> Counter:
    """How often each n-gram, up to four words, is in a text."""
    starts = range(len(words))
    return Counter(tuple(words[at : at + n]) for n in range(1, _ORDERS + 1) for at in starts if at + n <= len(words))


def _closest(length: int, frequency: Counter) -> int:
    """The length of another text that is closest to `length`, the shorter of two."""
    if frequency[length] > 1:
        return length
    return min((other for other in frequency if other != length), key=lambda other: (abs(other - length), other))
