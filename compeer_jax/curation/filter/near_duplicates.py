"""Detection of near-duplicate dialogues by MinHash and locality-sensitive hashing (datasketch)."""

import re
import zlib
from collections.abc import Iterable

import numpy as np

from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language, check_language

WORDS = 3  # of a shingle in English
CHARACTERS = 4  # of a shingle in Chinese, which has no spaces between its words
FOUND = 0.98  # of the pairs that are just similar enough


def shingles(turns: Iterable[Turn], language: Language) -> set[str]:
    """What a talk is compared by: all runs of three words, or of four characters in Chinese.

    Who speaks, case, punctuation and space make no difference. A talk shorter than a run is one shingle.

    Raises:
        UserError: an unknown language.
    """
    text = " ".join(turn.content.casefold() for turn in turns)
    if check_language(language) == "zh":
        units, length, space = re.sub(r"[\W_]+", "", text), CHARACTERS, ""
    else:
        units, length, space = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text), WORDS, " "
    return {space.join(units[start : start + length]) for start in range(max(len(units) - length + 1, 1))}


def bands(similarity: float, permutations: int) -> tuple[int, int]:
    """How many bands of how many rows the permutations are cut into: two talks are compared if a band of both agrees.

    The longest rows, and so the fewest comparisons, with which a pair of this similarity is compared with a probability
    of `FOUND`: 1 − (1 − s^rows)^bands.
    """
    for rows in range(permutations // 2, 1, -1):
        count = permutations // rows
        if 1 - (1 - similarity**rows) ** count >= FOUND:
            return count, rows
    return permutations, 1


class NearDuplicates:
    """What was said so far. It takes about 10 kB of memory a dialogue with the usual settings.

    Args:
        similarity: least Jaccard similarity of the shingles of two near-duplicates, above 0 and at most 1. It is
            estimated from the permutations: with 128 of them the error is 0.035 at most (one standard deviation).
    """

    def __init__(self, similarity: float = 0.8, permutations: int = 128):
        from datasketch import MinHashLSH

        self.similarity, self.permutations = similarity, permutations
        self._index = MinHashLSH(num_perm=permutations, params=bands(similarity, permutations))
        self._ids: list[str] = []
        self._signatures: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._ids)

    def earlier(self, id: str, shingles: Iterable[str]) -> str | None:
        """The id of the earliest dialogue that this one repeats; None if there is none, and then this one is kept in
        mind. So the first of a group of near-duplicates stays, and what resembles only one that was left out stays.
        """
        from datasketch import MinHash

        minhash = MinHash(num_perm=self.permutations, hashfunc=zlib.crc32)
        minhash.update_batch([shingle.encode() for shingle in shingles])
        signature = minhash.hashvalues
        for place in sorted(self._index.query(minhash)):
            if (self._signatures[place] == signature).mean() >= self.similarity:
                return self._ids[place]
        self._index.insert(len(self._ids), minhash)
        self._ids.append(id)
        self._signatures.append(signature.copy())
        return None
