"""Batches for training, by Grain: shuffled anew each epoch, the same for the same seed, resumable at any batch.

Every iterator here is Grain's own: `get_state()` gives a small JSON-able dict, and `set_state(state)` continues with
the very batch that would have come next. Epochs run into each other, so no example is dropped between two of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Int

from compeer_jax.data.chat import Example
from compeer_jax.errors import UserError

T = TypeVar("T")


class TokenBatch(NamedTuple):
    """N examples of T tokens, padded on the right.

    Attributes:
        tokens: the ids, `pad_id` after the end of an example.
        loss_mask: True where the token is one that the model learns to write.
        segment_ids: 1 on the example's tokens, 0 on padding.
    """

    tokens: Int[np.ndarray, "N T"]
    loss_mask: Bool[np.ndarray, "N T"]
    segment_ids: Int[np.ndarray, "N T"]


def sft_batches(
    examples: Sequence[Example], *, batch_size: int, length: int, pad_id: int, seed: int, epochs: int | None = None
):
    """An iterator of `TokenBatch`es of one shape, [batch_size, length].

    Args:
        examples: tokens and loss masks, see `chat`.
        batch_size: N.
        length: T.
        pad_id: fills up to T.
        seed: of the order.
        epochs: passes over the examples; None for no end. Of all passes together, the last batch is dropped when it is
            not full.

    Raises:
        UserError: an example longer than `length`, or too few examples to fill one batch.
    """
    longest = max((len(example.tokens) for example in examples), default=0)
    if longest > length:
        raise UserError(f"an example has {longest} tokens, but batches are {length} long; raise the length or cut it.")

    def pad(examples: Sequence[Example]) -> TokenBatch:
        return pad_examples(examples, length=length, pad_id=pad_id)

    return _batches(examples, batch_size, seed, epochs, pad)


def prompt_batches(records: Sequence[T], *, batch_size: int, seed: int, epochs: int | None = None):
    """An iterator of lists of `batch_size` records, without end unless `epochs` says so. See `sft_batches`."""
    return _batches(records, batch_size, seed, epochs, list)


def pad_examples(examples: Sequence[Example], *, length: int, pad_id: int) -> TokenBatch:
    """The examples, none longer than `length`, as one batch in their order."""
    batch = TokenBatch(
        np.full((len(examples), length), pad_id, np.int32),
        np.zeros((len(examples), length), bool),
        np.zeros((len(examples), length), np.int32),
    )
    for row, example in enumerate(examples):
        end = len(example.tokens)
        batch.tokens[row, :end] = example.tokens
        batch.loss_mask[row, :end] = example.loss_mask
        batch.segment_ids[row, :end] = 1
    return batch


def _batches(items: Sequence, batch_size: int, seed: int, epochs: int | None, batch_fn):
    import grain

    if batch_size < 1:
        raise UserError(f"a batch of {batch_size} is none; the batch size must be at least 1.")
    if epochs is not None and epochs < 1:
        raise UserError(f"{epochs} epochs are none; there must be at least 1.")
    if not items or (epochs is not None and len(items) * epochs < batch_size):
        raise UserError(f"{len(items)} examples can't fill a batch of {batch_size}; add data or lower the batch size.")
    dataset = grain.MapDataset.source(items).seed(seed).shuffle().repeat(epochs)
    dataset = dataset.batch(batch_size, drop_remainder=True, batch_fn=batch_fn)
    # Items are in memory and a batch is made in microseconds: reading ahead in threads would cost more than it saves.
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)))
