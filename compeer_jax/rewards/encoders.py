"""What Eq. 6 compares: vectors of the responses and of the utterances before them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.rules import word_list


class EncodedTurns(NamedTuple):
    """Vectors of B groups of G responses and of their histories, D being the same for both."""

    outputs: Float[np.ndarray, "B G D"]
    history: Float[np.ndarray, "B U D"]
    history_mask: Bool[np.ndarray, "B U"]


def encode_token_counts(completions: Sequence[Completion], group_size: int, tokenizer) -> EncodedTurns:
    """Bag-of-token vectors: deterministic, no model.

    D is the number of distinct tokens in the batch, not of the vocabulary: the cosines are the same and the vectors
    are small. D and U are rounded up to powers of two, so that a compiled consumer sees few shapes.

    Args:
        completions: N = B·G completions, those of one prompt standing together.
        group_size: G.
        tokenizer: anything with `encode(text, add_special_tokens=False)`.
    """
    groups = [completions[start : start + group_size] for start in range(0, len(completions), group_size)]
    responses = [[_ids(tokenizer, completion.turn.response) for completion in group] for group in groups]
    histories = [[_ids(tokenizer, turn.content) for turn in group[0].record.history] for group in groups]
    texts = [ids for group in responses + histories for ids in group]
    vocabulary, inverse = np.unique(np.concatenate([*texts, np.zeros(0, np.int64)]), return_inverse=True)
    size = _power_of_two(len(vocabulary))
    compact = iter(np.split(inverse, np.cumsum([len(ids) for ids in texts])[:-1]))

    def counts() -> np.ndarray:
        return np.bincount(next(compact), minlength=size).astype(np.float32)

    outputs = np.stack([np.stack([counts() for _ in group]) for group in responses])
    utterances = _power_of_two(max(map(len, histories)))
    history = np.zeros((len(groups), utterances, size), np.float32)
    mask = np.zeros((len(groups), utterances), bool)
    for row, group in enumerate(histories):
        for column in range(len(group)):
            history[row, column] = counts()
            mask[row, column] = True
    return EncodedTurns(outputs, history, mask)


def response_lengths(completions: Sequence[Completion], unit: str, tokenizer) -> Int[np.ndarray, " N"]:
    """Length of each response in `unit`: "tokens", "words" (one a Chinese character) or "characters" (Eq. 7)."""

    measure = {
        "tokens": lambda text: len(_ids(tokenizer, text)),
        "words": lambda text: len(word_list(text)),
        "characters": len,
    }[unit]
    return np.array([measure(completion.turn.response) for completion in completions], np.int32)


def _ids(tokenizer, text: str) -> np.ndarray:
    return np.asarray(tokenizer.encode(text, add_special_tokens=False), np.int64)


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
