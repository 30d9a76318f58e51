"""Log-probabilities of completions under the learner's weights, and the policy loss (Eq. 2) on them.

Arrays only. Only what predicts a completion's token ever reaches the LM head.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PyTree

from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.vision import Pictures
from compeer_jax.rl.policy_loss import importance_weights, policy_loss
from compeer_jax.training.config import LossConfig
from compeer_jax.training.update import Microbatches, deal


class PolicyBatch(NamedTuple):
    """N completions to learn from, on the host, as they were drawn: each starts in the same column.

    Attributes:
        prompts, prompt_mask: [N P], left-padded.
        completions: [N T], right-padded.
        mask: [N T], True on the tokens that exist, stop token included.
        trained: [N T], True on those that train (not on masked-out truncated outputs).
        advantages: [N].
        sampler_logps: [N T], as the rollout recorded them.
        old_logps: [N T] under the weights before the first update on this rollout; None when there is only one.
        ref_logps: [N T] under the start model; None without a KL term.
        seen: [N] of `SeenPrompt`, one object for all completions of a prompt; None where no prompt shows a picture.
    """

    prompts: Int[Array, "N P"]
    prompt_mask: Bool[Array, "N P"]
    completions: Int[Array, "N T"]
    mask: Bool[Array, "N T"]
    trained: Bool[Array, "N T"]
    advantages: Float[Array, " N"]
    sampler_logps: Float[Array, "N T"]
    old_logps: Float[Array, "N T"] | None = None
    ref_logps: Float[Array, "N T"] | None = None
    seen: np.ndarray | None = None


class PackedBatch(NamedTuple):
    """The same completions in R rows of L tokens, as the learner wants them; packing.py makes it.

    A row has up to K of them: several behind one copy of their prompt, or one alone.

    Attributes:
        tokens: [R L].
        positions: [R L], each token's place in its prompt and completion; [R L 3] where there are pictures.
        segments: [R L], a prompt with its completions; 0 is padding.
        branches: [R L], 0 on a prompt, and a number of its own on each of its completions; None when each has a
            prompt to itself.
        predictors, targets: [R C], the completions' tokens, and the columns whose hidden states predict them.
        places: [R K T], where among those C each token of a completion is.
        mask, trained, sampler_logps, old_logps, ref_logps: [R K T], as in `PolicyBatch`.
        advantages: [R K].
        key_blocks: [R B M], which blocks of its row each block of tokens sees any of (see
            `models.attention.visible_blocks`); None where all are read.
        pictures: those of the rows, a prompt's once a row; None where there are none.
    """

    tokens: Int[Array, "R L"]
    positions: Int[Array, "R L"] | Int[Array, "R L 3"]
    segments: Int[Array, "R L"]
    branches: Int[Array, "R L"] | None
    predictors: Int[Array, "R C"]
    targets: Int[Array, "R C"]
    places: Int[Array, "R K T"]
    mask: Bool[Array, "R K T"]
    trained: Bool[Array, "R K T"]
    advantages: Float[Array, "R K"]
    sampler_logps: Float[Array, "R K T"]
    old_logps: Float[Array, "R K T"] | None = None
    ref_logps: Float[Array, "R K T"] | None = None
    key_blocks: Int[Array, "R B M"] | None = None
    pictures: Pictures | None = None


def completion_logprobs(
    graphdef: nnx.GraphDef, params: PyTree, batch: PackedBatch, temperature: float
) -> tuple[Float[Array, "R K T"], Float[Array, "R K T"]]:
    """Log-probability and entropy of each completion token, at the temperature it was sampled with."""
    model = nnx.merge(graphdef, params)
    seen = {"segment_ids": batch.segments, "branches": batch.branches, "key_blocks": batch.key_blocks}
    hidden = model(batch.tokens, positions=batch.positions, pictures=batch.pictures, **seen)
    hidden = jnp.take_along_axis(hidden, batch.predictors[:, :, None], axis=1)
    scores = model.token_logprobs(hidden, batch.targets, temperature=temperature)
    places = batch.places.reshape(len(batch.places), -1)
    logps, entropy = (jnp.take_along_axis(score, places, axis=1).reshape(batch.places.shape) for score in scores)
    return logps, entropy


def make_policy_loss(graphdef: nnx.GraphDef, config: LossConfig, sampling: SamplingConfig) -> Callable:
    """Eq. 2 on a microbatch, as `update.make_update` wants it; with `count_whole` as its view of the whole batch."""
    fixed_length = sampling.max_new_tokens if config.reduction == "fixed_length" else None

    def loss(params, microbatch: PackedBatch, whole):
        logps, entropy = completion_logprobs(graphdef, params, microbatch, sampling.temperature)
        # Places that no completion takes count for nothing: their mask is False.
        logps, entropy, microbatch = jax.tree.map(_completions, (logps, entropy, _without_rows(microbatch)))
        old_logps = jax.lax.stop_gradient(logps) if microbatch.old_logps is None else microbatch.old_logps
        cap = config.importance_cap
        weights = None if cap is None else importance_weights(old_logps, microbatch.sampler_logps, cap)
        value, metrics = policy_loss(
            logps,
            old_logps,
            microbatch.advantages,
            microbatch.trained,
            ratio=config.ratio,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            dual_clip=config.dual_clip,
            kl_coefficient=config.kl_coefficient,
            ref_logps=microbatch.ref_logps,
            kl_estimator=config.kl_estimator,
            token_weights=weights,
            reduction=config.reduction,
            fixed_length=fixed_length,
        )
        # A microbatch's share of the batch, for the loss and for its metrics: by what each is a mean over.
        by_rows = microbatch.mask.shape[0] / jnp.maximum(whole["rows"], 1)
        by_tokens = microbatch.trained.sum() / jnp.maximum(whole["trained"], 1)
        by_outputs = microbatch.trained.any(axis=1).sum() / jnp.maximum(whole["outputs"], 1)
        share = by_tokens if config.reduction == "token_mean" else by_rows
        ratio_share = by_tokens if config.ratio == "token" else by_outputs

        existing = jnp.maximum(whole["tokens"], 1)
        gap = jnp.abs(jax.lax.stop_gradient(logps) - microbatch.sampler_logps)
        metrics = {
            name: number * (by_tokens if name in ("approx_kl", "kl") else ratio_share)
            for name, number in metrics.items()
        }
        metrics["entropy"] = jnp.where(microbatch.mask, entropy, 0).sum() / existing
        metrics["sampling/logp_difference"] = jnp.where(microbatch.mask, gap, 0).sum() / existing
        if weights is not None:
            metrics["importance/mean"] = jnp.where(microbatch.mask, weights, 0).sum() / existing
            metrics["importance/capped"] = (microbatch.mask & (weights >= cap)).sum() / existing
        return value * share, jax.lax.stop_gradient(metrics)

    return loss


def count_whole(batch: PackedBatch) -> dict[str, Int[Array, ""]]:
    """What a microbatch must know of the whole batch: rows, tokens, those that train, outputs that have such ones."""
    trained = batch.trained
    return {
        "rows": batch.mask.any(axis=-1).sum(),  # a completion has one token at least
        "tokens": batch.mask.sum(),
        "trained": trained.sum(),
        "outputs": trained.any(axis=-1).sum(),
    }


def make_logprobs(graphdef: nnx.GraphDef, temperature: float, microbatches: Microbatches) -> Callable:
    """The compiled function `(params, batch) -> logps, shaped as the mask` for old and reference log-probs.

    They are computed one microbatch at a time; `microbatches` is as in `make_update`.
    """

    @jax.jit
    def logprobs(params: PyTree, batch: PackedBatch) -> Float[Array, "R K T"]:
        count = microbatches if isinstance(microbatches, int) else microbatches(batch)
        dealt = jax.tree.map(lambda rows: deal(rows, count), batch)
        logps = jax.lax.map(lambda microbatch: completion_logprobs(graphdef, params, microbatch, temperature)[0], dealt)
        return logps.swapaxes(0, 1).reshape(batch.mask.shape)

    return logprobs


def _completions(rows: Array) -> Array:
    """[R K ...] -> [R · K ...]."""
    return rows.reshape(-1, *rows.shape[2:])


def _without_rows(batch: PackedBatch) -> PackedBatch:
    """What belongs to completions, without the rows that they are packed in."""
    laid_out = ("tokens", "positions", "segments", "branches", "key_blocks", "pictures")
    rows = (*laid_out, "predictors", "targets", "places")
    return batch._replace(**dict.fromkeys(rows))
