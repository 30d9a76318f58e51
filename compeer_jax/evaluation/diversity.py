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
