"""The SFT loss: mean negative log-likelihood of the trained tokens, with logits at those positions only."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from compeer_jax.data.batches import TokenBatch


def make_supervised_loss(graphdef: nnx.GraphDef) -> Callable:
    """The loss of a part of the batch, as `update.make_update` wants it; with `count_trained` for the whole."""

    def loss(params, part: TokenBatch, trained_in_batch):
        model = nnx.merge(graphdef, params)
        hidden = model(part.tokens, segment_ids=part.segment_ids)
        before = jnp.maximum(part.trained - 1, 0)  # the hidden state of a token predicts the next one
        hidden = jnp.take_along_axis(hidden, before[:, :, None], axis=1)
        targets = jnp.take_along_axis(part.tokens, part.trained, axis=1)
        logps, entropy = model.token_logprobs(hidden, targets)
        share = jnp.where(part.trained > 0, 1 / jnp.maximum(trained_in_batch, 1), 0)
        metrics = {"entropy": jax.lax.stop_gradient((entropy * share).sum())}
        return -(logps * share).sum(), metrics

    return loss


def count_trained(batch: TokenBatch) -> Int[Array, ""]:
    """Trained tokens of the whole batch."""
    return (batch.trained > 0).sum()
