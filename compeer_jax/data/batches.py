"""Batches for training, by Grain: shuffled anew each epoch, the same for the same seed, resumable at any batch.

Every iterator here is Grain's own: `get_state()` gives a small JSON-able dict, and `set_state(state)` continues with
the very batch that would have come next. Epochs run into each other, so no example is dropped between two of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int

from compeer_jax.data.chat import Example
from compeer_jax.errors import UserError
from compeer_jax.models.vision import Pictures

T = TypeVar("T")


class TokenBatch(NamedTuple):
    """N rows of T tokens, padded on the right; a row holds one example or several.

    Attributes:
        tokens: the ids, `pad_id` behind the last example.
        segment_ids: 1, 2, … on the tokens of a row's examples, 0 on padding.
        trained: columns of the tokens that the model learns to write, in order; 0 where a row has fewer.
        positions: where a run shows pictures, all three of each token, for M-RoPE.
        pictures: and those of the rows.
    """

    tokens: Int[np.ndarray, "N T"]
    segment_ids: Int[np.ndarray, "N T"]
    trained: Int[np.ndarray, "N S"]
    positions: Int[np.ndarray, "N T 3"] | None = None
    pictures: Pictures | None = None


def token_batch(rows: Sequence[Sequence[Example]], *, length: int, most_trained: int, pad_id: int) -> TokenBatch:
    """Rows of examples as arrays.

    An example's first token never trains, for nothing before it predicts it.

    Args:
        rows: the examples of each, side by side; a row may be empty.
        length: T, at least the tokens of any row.
        most_trained: S, at least the trained tokens of any row.
        pad_id: fills up to T.
    """
    batch = TokenBatch(
        np.full((len(rows), length), pad_id, np.int32),
        np.zeros((len(rows), length), np.int32),
        np.zeros((len(rows), most_trained), np.int32),
    )
    for row, examples in enumerate(rows):
        start = seen = 0
        for segment, example in enumerate(examples, start=1):
            end = start + len(example.tokens)
            batch.tokens[row, start:end] = example.tokens
            batch.segment_ids[row, start:end] = segment
            columns = start + 1 + np.flatnonzero(example.loss_mask[1:])
            batch.trained[row, seen : seen + len(columns)] = columns
            start, seen = end, seen + len(columns)
    return batch


def shuffled_batches(items: Sequence[T], *, batch_size: int, seed: int, epochs: int | None = None):
    """An iterator of lists of `batch_size` items.

    Args:
        epochs: passes over the items; None for no end. Of all passes together, the last batch is dropped when it is
            not full.

    Raises:
        UserError: too few items to fill one batch.
    """
    import grain

    if batch_size < 1:
        raise UserError(f"a batch of {batch_size} is none; the batch size must be at least 1.")
    if epochs is not None and epochs < 1:
        raise UserError(f"{epochs} epochs are none; there must be at least 1.")
    if not items or (epochs is not None and len(items) * epochs < batch_size):
        raise UserError(f"{len(items)} examples can't fill a batch of {batch_size}; add data or lower the batch size.")
    dataset = grain.MapDataset.source(items).seed(seed).shuffle().repeat(epochs)
    dataset = dataset.batch(batch_size, drop_remainder=True, batch_fn=list)
    # Items are in memory and a batch is made in microseconds: reading ahead in threads would cost more than it saves.
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)))
