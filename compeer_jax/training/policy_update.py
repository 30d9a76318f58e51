"""The learner's side of GRPO: log-probabilities of completions under the weights, and the loss of Eq. 2 on them.

Arrays only. Prompts are left-padded and completions right-padded, so that every completion starts in the same column
and only its columns ever reach the LM head.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PyTree

from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.rl.logprobs import token_logprobs
from compeer_jax.rl.policy_loss import policy_loss
from compeer_jax.training.config import LossConfig
from compeer_jax.training.update import deal


class PolicyBatch(NamedTuple):
    """N completions to learn from.

    Attributes:
        prompts, prompt_mask: [N P], left-padded.
        completions: [N T], right-padded.
        mask: [N T], True on the tokens that exist, stop token included.
        trained: [N T], True on those that train (not on masked-out truncated outputs).
        advantages: [N].
        sampler_logps: [N T], as the rollout recorded them.
        old_logps: [N T] under the weights before the first update on this rollout; None when there is only one.
        ref_logps: [N T] under the start model; None without a KL term.
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


def completion_logprobs(
    graphdef: nnx.GraphDef, params: PyTree, batch: PolicyBatch, temperature: float
) -> tuple[Float[Array, "N T"], Float[Array, "N T"]]:
    """Log-probability and entropy of each completion token, at the temperature it was sampled with."""
    model = nnx.merge(graphdef, params)
    tokens = jnp.concatenate([batch.prompts, batch.completions], axis=1)
    segment_ids = jnp.concatenate([batch.prompt_mask, batch.mask], axis=1).astype(jnp.int32)
    hidden = model(tokens, segment_ids=segment_ids)
    start = batch.prompts.shape[1] - 1  # the hidden state of a token predicts the next one
    return token_logprobs(hidden[:, start:-1], model.head, batch.completions, temperature=temperature)


def make_policy_loss(graphdef: nnx.GraphDef, config: LossConfig, sampling: SamplingConfig) -> Callable:
    """Eq. 2 on a part of the batch, as `update.make_update` wants it; with `count_whole` as its view of the whole."""
    fixed_length = sampling.max_new_tokens if config.reduction == "fixed_length" else None

    def loss(params, part: PolicyBatch, whole):
        logps, entropy = completion_logprobs(graphdef, params, part, sampling.temperature)
        old_logps = jax.lax.stop_gradient(logps) if part.old_logps is None else part.old_logps
        value, metrics = policy_loss(
            logps,
            old_logps,
            part.advantages,
            part.trained,
            ratio=config.ratio,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            dual_clip=config.dual_clip,
            kl_coefficient=config.kl_coefficient,
            ref_logps=part.ref_logps,
            kl_estimator=config.kl_estimator,
            reduction=config.reduction,
            fixed_length=fixed_length,
        )
        # A part's share of the batch, for the loss and for the metrics that come with it: by what each is a mean over.
        by_rows = part.mask.shape[0] / whole["rows"]
        by_tokens = part.trained.sum() / jnp.maximum(whole["trained"], 1)
        by_outputs = part.trained.any(axis=1).sum() / jnp.maximum(whole["outputs"], 1)
        share = by_tokens if config.reduction == "token_mean" else by_rows
        ratio_share = by_tokens if config.ratio == "token" else by_outputs

        existing = jnp.maximum(whole["tokens"], 1)
        gap = jnp.abs(jax.lax.stop_gradient(logps) - part.sampler_logps)
        metrics = {
            name: number * (by_tokens if name in ("approx_kl", "kl") else ratio_share)
            for name, number in metrics.items()
        }
        metrics["entropy"] = jnp.where(part.mask, entropy, 0).sum() / existing
        metrics["sampling/logp_difference"] = jnp.where(part.mask, gap, 0).sum() / existing
        return value * share, jax.lax.stop_gradient(metrics)

    return loss


def count_whole(batch: PolicyBatch) -> dict[str, Int[Array, ""] | int]:
    """What a part must know of the whole batch: rows, tokens, tokens that train, and outputs that have such tokens."""
    trained = batch.trained
    return {
        "rows": batch.mask.shape[0],
        "tokens": batch.mask.sum(),
        "trained": trained.sum(),
        "outputs": trained.any(axis=1).sum(),
    }


def make_logprobs(graphdef: nnx.GraphDef, temperature: float, parts: int) -> Callable:
    """The compiled function `(params, batch) -> logps [N T]` for old and reference log-probs, part by part."""

    @jax.jit
    def logprobs(params: PyTree, batch: PolicyBatch) -> Float[Array, "N T"]:
        dealt = jax.tree.map(lambda rows: deal(rows, parts), batch)
        logps = jax.lax.map(lambda part: completion_logprobs(graphdef, params, part, temperature)[0], dealt)
        return logps.swapaxes(0, 1).reshape(batch.completions.shape)

    return logprobs
