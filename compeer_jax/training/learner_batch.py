"""From a rollout to what the learner wants: arrays of few shapes, in minibatches, packed, on the mesh."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree

from compeer_jax.generation.engine import bucket, pad_left
from compeer_jax.models.attention_kernels import attention_kind
from compeer_jax.parallel.exchange import fetch
from compeer_jax.parallel.sharding import place_batch, row_shards
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.packing import attention_reach, length_width, pack, rows_at_once
from compeer_jax.training.policy_update import PackedBatch, PolicyBatch, make_logprobs


def learner_batch(rollout, prompts, advantages, pad_id: int, config: GRPOConfig) -> PolicyBatch:
    """The rollout as the learner wants it: prompts repeated for each output.

    Where outputs are not packed, completions are cut to the longest.
    """
    tokens, mask = pad_left(prompts, pad_id, bucket(max(map(len, prompts))))
    longest = int(rollout.mask.sum(axis=1).max())
    columns = slice(0, rollout.mask.shape[1] if config.row_tokens else min(bucket(longest), rollout.mask.shape[1]))
    trained = rollout.mask & rollout.finished[:, None] if config.loss.mask_truncated else rollout.mask
    return PolicyBatch(
        prompts=tokens.repeat(config.group_size, axis=0),
        prompt_mask=mask.repeat(config.group_size, axis=0),
        completions=rollout.tokens[:, columns],
        mask=rollout.mask[:, columns],
        trained=trained[:, columns],
        advantages=advantages,
        sampler_logps=rollout.logps[:, columns],
    )


def shuffled_minibatches(batch: PolicyBatch, key, config: GRPOConfig) -> Iterator[PolicyBatch]:
    """Yields the minibatches of every epoch; one minibatch is the batch itself, in its order."""
    if config.minibatches == 1:
        yield from [batch] * config.epochs_per_rollout
        return
    rows = batch.mask.shape[0]
    for epoch in range(config.epochs_per_rollout):
        order = jax.random.permutation(jax.random.fold_in(key, rows + epoch), rows)  # 0 … rows - 1 drew the outputs
        for part in np.asarray(order).reshape(config.minibatches, -1):
            yield jax.tree.map(lambda array, part=part: array[part], batch)


class Layout:
    """How a run's batches are laid into rows, dealt into parts and put on the mesh.

    Args:
        config: of the run: `row_tokens`, `tokens_per_microbatch`, `gradient_accumulation`.
        mesh: of the run.
        width: the model's hidden size, which decides from what length on attention takes most of a row's time.
    """

    def __init__(self, config: GRPOConfig, mesh: Mesh, width: int):
        self.config, self.mesh, self.width = config, mesh, width
        self.shards = row_shards(mesh)
        self.used = used_parts if config.tokens_per_microbatch else None

    def parts(self, batch: PolicyBatch | PackedBatch) -> int:
        """In how many parts a minibatch is computed, by its shape."""
        if not self.config.tokens_per_microbatch:
            return self.config.gradient_accumulation
        rows, length = batch.tokens.shape
        return rows // rows_at_once(length, self.config.tokens_per_microbatch, self.shards)

    def place(self, batch: PolicyBatch) -> tuple[PolicyBatch | PackedBatch, float]:
        """A minibatch on the mesh, packed unless `row_tokens` is 0; and which share of its tokens is padding."""
        laid_out, _ = self.lay_out(batch)
        return place_batch(laid_out, self.mesh), padding(laid_out, self.parts(laid_out) if self.used else 1)

    def make_logprobs(self, graphdef: nnx.GraphDef, temperature: float) -> Callable[[PyTree, PolicyBatch], Any]:
        """`logprobs(params, batch) -> [N T]` on the host for old and reference log-probs, computed part by part."""
        compiled = self.compiled_logprobs(graphdef, temperature)

        def logprobs(params: PyTree, batch: PolicyBatch) -> Float[np.ndarray, "N T"]:
            laid_out, slots = self.lay_out(batch, self.times)
            logps = fetch(compiled(params, place_batch(laid_out, self.mesh)))
            return logps.reshape(-1, logps.shape[-1])[slots]

        return logprobs

    def compiled_logprobs(self, graphdef: nnx.GraphDef, temperature: float) -> Callable[[PyTree, Any], Array]:
        """The compiled function that `make_logprobs` runs on a batch that is laid out."""
        return make_logprobs(graphdef, temperature, lambda batch: self.parts(batch) * self.times)

    @property
    def times(self) -> int:
        """How many times the parts of a minibatch old and reference log-probs need: they are of all minibatches."""
        return 1 if self.config.tokens_per_microbatch else self.config.minibatches

    def lay_out(self, batch: PolicyBatch, times: int = 1) -> tuple[PolicyBatch | PackedBatch, Any]:
        """A batch on the host in its rows, as many as `times` the parts divide; and the slots of its completions."""
        config, kind = self.config, attention_kind(self.config.model.attention)
        if not config.row_tokens:
            return batch, slice(None)
        return pack(
            batch,
            longest=config.row_tokens,
            reach=math.inf if kind == "xla" else attention_reach(kind, self.width),  # blocks: rows may be of any length
            multiple=self.shards * times * (1 if config.tokens_per_microbatch else config.gradient_accumulation),
            tokens_at_once=config.tokens_per_microbatch,
            shared=kind != "splash",
            width=length_width(kind),
            in_blocks=kind == "xla",
        )


def used_parts(dealt: PackedBatch) -> Int[Array, ""]:
    """How many of the parts, [parts, rows ...], have rows: these come first."""
    return jnp.any(dealt.segments != 0, axis=(1, 2)).sum()


def padding(batch: PolicyBatch | PackedBatch, parts: int) -> float:
    """Which share of the tokens that the model reads is padding, in a batch on the host; of `parts`, not the empty."""
    real = batch.segments if isinstance(batch, PackedBatch) else np.concatenate([batch.prompt_mask, batch.mask], axis=1)
    real = (real != 0).reshape(-1, parts, real.shape[1])
    used = real.any(axis=(0, 2))
    return float(1 - real[:, used].mean())
