"""Batches for the learner: a rollout in minibatches, each laid into rows of few shapes and dealt into microbatches."""

import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from compeer_jax.generation.padding import bucket, pad_left
from compeer_jax.models.attention_kernels import attention_kind
from compeer_jax.models.picture_positions import SeenPrompt
from compeer_jax.parallel.sharding import row_shards
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.packing import attention_reach, length_width, one_a_row, pack, rows_per_microbatch
from compeer_jax.training.policy_update import PackedBatch, PolicyBatch


def learner_batch(
    rollout, prompts, advantages, pad_id: int, config: GRPOConfig, seen: Sequence[SeenPrompt] | None = None
) -> PolicyBatch:
    """The rollout as something to learn from: prompts repeated for each output, with what they show."""
    tokens, mask = pad_left(prompts, pad_id, bucket(max(map(len, prompts))))
    shown = None
    if seen is not None:
        shown = np.empty(len(seen), object)
        shown[:] = seen
    return PolicyBatch(
        prompts=tokens.repeat(config.group_size, axis=0),
        prompt_mask=mask.repeat(config.group_size, axis=0),
        completions=rollout.tokens,
        mask=rollout.mask,
        trained=rollout.mask & rollout.finished[:, None] if config.loss.mask_truncated else rollout.mask,
        advantages=advantages,
        sampler_logps=rollout.logps,
        seen=None if shown is None else shown.repeat(config.group_size),
    )


def shuffled_minibatches(batch: PolicyBatch, key, config: GRPOConfig) -> Iterator[PolicyBatch]:
    """Yields the minibatches of every epoch; one minibatch is the batch itself, in its order."""
    if config.minibatches == 1:
        yield from [batch] * config.epochs_per_rollout
        return
    rows = batch.mask.shape[0]
    for epoch in range(config.epochs_per_rollout):
        order = jax.random.permutation(jax.random.fold_in(key, rows + epoch), rows)  # 0 … rows - 1 drew the outputs
        for chosen in np.asarray(order).reshape(config.minibatches, -1):
            yield jax.tree.map(lambda array, chosen=chosen: array[chosen], batch)


class Layout:
    """Layout of a run's batches: in rows, in microbatches, on the mesh.

    Args:
        config: of the run: `row_tokens`, `tokens_per_microbatch`, `gradient_accumulation`.
        mesh: of the run.
        width: the model's hidden size, which decides from what length on attention takes most of a row's time.
    """

    def __init__(self, config: GRPOConfig, mesh: Mesh, width: int):
        self.config, self.mesh, self.width = config, mesh, width
        self.shards = row_shards(mesh)
        self.filled = filled_microbatches if config.tokens_per_microbatch else None

    def microbatches(self, batch: PackedBatch) -> int:
        """In how many microbatches a minibatch is computed, by its shape."""
        if not self.config.tokens_per_microbatch:
            return self.config.gradient_accumulation
        rows, length = batch.tokens.shape
        return rows // rows_per_microbatch(length, self.config.tokens_per_microbatch, self.shards)

    @property
    def times(self) -> int:
        """How many times a minibatch's microbatches old and reference log-probs need: they are of all minibatches."""
        return 1 if self.config.tokens_per_microbatch else self.config.minibatches

    def lay_out(self, batch: PolicyBatch, times: int = 1) -> tuple[PackedBatch, Int[np.ndarray, " N"]]:
        """A batch on the host in its rows, as many as `times` the microbatches divide; and each completion's place."""
        config, kind = self.config, attention_kind(self.config.model.attention)
        if not config.row_tokens:
            return one_a_row(batch)
        return pack(
            batch,
            pack_length=config.row_tokens,
            reach=math.inf if kind == "xla" else attention_reach(kind, self.width),  # blocks: rows may be of any length
            multiple=self.shards * times * (1 if config.tokens_per_microbatch else config.gradient_accumulation),
            tokens_per_microbatch=config.tokens_per_microbatch,
            shared=kind != "splash",
            width=length_width(kind),
            in_blocks=kind == "xla",
        )

    def padding(self, batch: PackedBatch) -> float:
        """Share of padding among the tokens that the model reads; microbatches that hold nothing are not read."""
        microbatches = self.microbatches(batch) if self.filled else 1
        real = (batch.segments != 0).reshape(-1, microbatches, batch.segments.shape[1])
        return float(1 - real[:, real.any(axis=(0, 2))].mean())


def filled_microbatches(dealt: PackedBatch) -> Int[Array, ""]:
    """Number of the microbatches, [microbatches, rows ...], that have rows: these come first."""
    return jnp.any(dealt.segments != 0, axis=(1, 2)).sum()
