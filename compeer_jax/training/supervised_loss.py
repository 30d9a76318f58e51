"""The SFT loss: mean negative log-likelihood of the trained tokens, with logits at those positions only."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Int

from compeer_jax.data.batches import TokenBatch


def trained_positions(loss_mask: Bool[Array, "N T"], size: int) -> tuple[Int[Array, "N S"], Bool[Array, "N S"]]:
    """Columns of the trained tokens of each row, in order, and which of the S = `size` entries are real.

    `size` must be at least the largest number of trained tokens in a row; further ones would be dropped.
    """
    order = jnp.argsort(~loss_mask, axis=1, stable=True)[:, :size]
    return order, jnp.take_along_axis(loss_mask, order, axis=1)


def make_supervised_loss(graphdef: nnx.GraphDef, answer_length: int) -> Callable:
    """The loss of a part of the batch, as `update.make_update` wants it; with `count_trained` for the whole.

    Args:
        graphdef: of the model.
        answer_length: the most trained tokens that a row has; the LM head runs over so many positions, not over T.
    """

    def loss(params, part: TokenBatch, trained_in_batch):
        model = nnx.merge(graphdef, params)
        columns, real = trained_positions(part.loss_mask, answer_length)
        hidden = model(part.tokens, segment_ids=part.segment_ids)
        before = jnp.maximum(columns - 1, 0)  # the hidden state of a token predicts the next one
        hidden = jnp.take_along_axis(hidden, before[:, :, None], axis=1)
        targets = jnp.take_along_axis(part.tokens, columns, axis=1)
        logps, entropy = model.token_logprobs(hidden, targets)
        share = jnp.where(real, 1 / jnp.maximum(trained_in_batch, 1), 0)
        metrics = {"entropy": jax.lax.stop_gradient((entropy * share).sum())}
        return -(logps * share).sum(), metrics

    return loss


def count_trained(batch: TokenBatch) -> Int[Array, ""]:
    """Trained tokens of the whole batch."""
    return batch.loss_mask.sum()
