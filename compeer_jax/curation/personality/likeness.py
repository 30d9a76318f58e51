"""Similarity of texts: vectors of length 1, of which cosines are taken.

- A sentence-embedding model: cosines mean likeness of meaning, paraphrases included.
- Character n-grams weighted by TF-IDF (scikit-learn): no model. Cosines mean likeness of wording, which is less: those
  of good paraphrases go down to 0.1, and one unrelated pair of ESConv's turns in three has as much. They catch a
  rewrite that went elsewhere as a whole, not one that says no for yes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix

from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError

Vectors = np.ndarray | csr_matrix
"""A row a text, of length 1 or, for a text with nothing in it to compare, 0."""

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Likeness:
    """One way to compare texts.

    Attributes:
        embed: gives the vectors.
        least: the cosine that a rewrite should have, unless the user says another.
        shortest: letters and digits that a text must have to be compared.
    """

    embed: Embed
    least: float
    shortest: int = 0


MODEL_LEAST, NGRAMS_LEAST = 0.5, 0.1
NGRAMS_SHORTEST = {"en": 24, "zh": 8}  # "Hi there!" and "Hello." share nothing
FEATURES = 2**14  # columns that n-grams are hashed to
FITTED = 20_000  # texts that n-grams' frequencies are counted on, so that memory stays bounded
_NGRAMS = {"en": ("char_wb", (2, 4)), "zh": ("char", (1, 2))}


def ngram_embedder(texts: Iterable[str], language: Language) -> Embed:
    """Character n-grams of texts, weighted by TF-IDF.

    N-grams are hashed, so those that no counted text has weigh too, and most: else a text of other words would be like
    any that it shares one with.

    Args:
        texts: tell how frequent n-grams are; the first `FITTED` of them count. At least one.
        language: of them.

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    except ImportError as error:
        raise UserError(
            f'character n-grams need the {error.name} package; run pip install "compeer_jax[data]".'
        ) from error

    analyzer, lengths = _NGRAMS[language]
    counts = HashingVectorizer(
        analyzer=analyzer, ngram_range=lengths, n_features=FEATURES, norm=None, alternate_sign=False
    )
    weights = TfidfTransformer(sublinear_tf=True).fit(counts.transform(islice(texts, FITTED)))
    return lambda texts: weights.transform(counts.transform(texts))


def model_embedder(path: str) -> Embed:
    """The sentence-embedding model in a directory, read now.

    Raises:
        UserError: the directory is no such model.
    """
    from compeer_jax.parallel.mesh import MeshConfig, make_mesh
    from compeer_jax.rewards.text_models import sentence_embedder

    embed = sentence_embedder(path, mesh=make_mesh(MeshConfig()))

    def unit(texts: Sequence[str]) -> np.ndarray:
        vectors = embed(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    return unit


def cosines(first: Sequence[str], second: Sequence[str], embed: Embed) -> np.ndarray:
    """The cosine of each text of `first` and its partner in `second`; 1 for two texts that are the same.

    Each distinct text is embedded once.
    """
    texts = {text: row for row, text in enumerate(dict.fromkeys([*first, *second]))}
    if not texts:
        return np.zeros(0)
    vectors = embed(list(texts))
    ours, theirs = ([texts[text] for text in side] for side in (first, second))
    product = (
        vectors[ours].multiply(vectors[theirs]) if hasattr(vectors, "multiply") else vectors[ours] * vectors[theirs]
    )
    same = np.array([one == other for one, other in zip(first, second, strict=True)])
    return np.where(same, 1.0, np.asarray(product.sum(axis=1), float).ravel())
