"""Padding: prompts of any length as arrays of few widths, so that few programs are compiled."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


def bucket(length: int, width: int = 32, *, steps: int = 4) -> int:
    """The padded length for `length`: the next multiple of `width` that comes `steps` times between powers of two.

    So padding is at most a quarter of what is padded (or `width`), and all lengths up to 2,048 make 20 programs.
    """
    width = max(width, (1 << (length - 1).bit_length()) // (2 * steps))
    return -(-length // width) * width


def pad_left(
    prompts: Sequence[Sequence[int]], pad_id: int, length: int | None = None
) -> tuple[Int[np.ndarray, "B P"], Bool[np.ndarray, "B P"]]:
    """Prompts as one array, padded on the left to `length` (or the longest); and True where their tokens are."""
    length = length or max(map(len, prompts))
    tokens = np.full((len(prompts), length), pad_id, np.int32)
    mask = np.zeros(tokens.shape, bool)
    for row, prompt in enumerate(prompts):
        tokens[row, length - len(prompt) :] = prompt
        mask[row, length - len(prompt) :] = True
    return tokens, mask


def pad_right(
    prompts: Sequence[Sequence[int]], pad_id: int, length: int
) -> tuple[Int[np.ndarray, "B P"], Int[np.ndarray, " B"]]:
    """Prompts as one array, padded on the right to `length`; and how many tokens each has."""
    tokens = np.full((len(prompts), length), pad_id, np.int32)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = prompt
    return tokens, np.array([len(prompt) for prompt in prompts], np.int32)
