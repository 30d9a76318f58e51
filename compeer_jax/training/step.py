"""The GRPO step: rollout, advantages, log-probabilities and update, compiled pieces assembled once for a run."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Key, PyTree

from compeer_jax.generation.engine import Engine
from compeer_jax.generation.rollout import Rollout
from compeer_jax.generation.sight import PromptPictures
from compeer_jax.models.lora import join
from compeer_jax.models.picture_positions import seen_prompts
from compeer_jax.parallel.exchange import fetch
from compeer_jax.parallel.sharding import place_batch
from compeer_jax.rewards.encoders import EncodedTurns
from compeer_jax.rewards.reward import Rewards
from compeer_jax.rl.reward_shaping import ShapedRewards, shape_rewards
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.learner_batch import Layout, learner_batch, shuffled_minibatches
from compeer_jax.training.policy_update import PolicyBatch, count_whole, make_logprobs, make_policy_loss
from compeer_jax.training.update import TrainState, make_update


class GRPOStep:
    """Computations of a GRPO step, for one model on one mesh; no files, no judge, no state.

    Attributes:
        engine: draws outputs.
        layout: how batches lie in rows.
        compiled_update: `(state, batch in rows, frozen) -> (state, metrics)`, see `make_update`.
        compiled_logprobs: `(params, batch in rows) -> logps`, see `policy_update.make_logprobs`.

    Args:
        config: the settings.
        graphdef: of the policy.
        optimizer: an optax transformation.
        mesh: where weights and batches lie.
        hidden_size: of the policy.
        stop_ids: tokens that end an output.
        pad_id: what fills prompts and outputs.
        frozen: the weights that the params of a state are adapters for; None where they are the whole model.
        reference: the start model's weights, for a KL term.
    """

    def __init__(
        self,
        config: GRPOConfig,
        graphdef: nnx.GraphDef,
        optimizer: optax.GradientTransformation,
        mesh: Mesh,
        *,
        hidden_size: int,
        stop_ids: Sequence[int],
        pad_id: int,
        frozen: PyTree | None = None,
        reference: PyTree | None = None,
    ):
        self.config, self.mesh, self.frozen, self.reference = config, mesh, frozen, reference
        self._graphdef = graphdef
        sampling, layout = config.sampling, Layout(config, mesh, hidden_size)
        self.engine = Engine(graphdef, sampling=sampling, stop_ids=stop_ids, pad_id=pad_id, slots=config.slots)
        self.layout = layout
        loss = make_policy_loss(graphdef, config.loss, sampling)
        self.compiled_update: Callable[..., Any] = make_update(
            loss, optimizer, microbatches=layout.microbatches, filled=layout.filled, whole=count_whole
        )
        self.compiled_logprobs: Callable[..., Any] = make_logprobs(
            graphdef, sampling.temperature, lambda batch: layout.microbatches(batch) * layout.times
        )

    def roll_out(
        self,
        params: PyTree,
        prompts: Sequence[Sequence[int]],
        key: Key[Array, ""],
        pictures: PromptPictures | None = None,
    ) -> Rollout | Iterator[tuple[int, Rollout]]:
        """G outputs of each prompt; with slots, an iterator over prompts' numbers and outputs as they end."""
        draw = self.engine.stream if self.config.slots else self.engine.generate
        return draw(join(params, self.frozen), prompts, key, self.config.group_size, pictures=pictures)

    def shape(self, rewards: Rewards, vectors: EncodedTurns, lengths: Sequence[int] | np.ndarray) -> ShapedRewards:
        """Rewards of N = B·G outputs, reweighted by redundancy (Eq. 5-7) and compared in their groups (Eq. 3)."""
        reward, loss = self.config.reward, self.config.loss

        def grouped(values) -> np.ndarray:
            return np.asarray(values).reshape(-1, self.config.group_size)

        shaped = shape_rewards(
            grouped(rewards.total).astype(np.float32),
            *vectors,
            grouped(lengths).astype(np.float32),
            missed=grouped(rewards.missed),
            alpha=reward.alpha,
            beta=reward.beta,
            sign=reward.sign,
            cosine=reward.cosine,
            length_mean=reward.length_mean,
            reweighting=reward.reweighting,
            scale=loss.scale,
            epsilon=loss.epsilon,
        )
        return jax.device_get(shaped)

    def batch(
        self,
        params: PyTree,
        rollout: Rollout,
        prompts: Sequence[Sequence[int]],
        advantages: Float[np.ndarray, "B G"],
        pictures: PromptPictures | None = None,
    ) -> PolicyBatch:
        """Batch to learn from: a rollout, with the log-probabilities that the loss compares with.

        Old ones are taken once, before the first update on these outputs; where that is the only one, they are its own.
        """
        seen = None
        if pictures is not None and any(pictures):
            shape = nnx.merge(self._graphdef, join(params, self.frozen)).config.vision
            seen = seen_prompts(prompts, pictures, shape.image_token_id)
        batch = learner_batch(rollout, prompts, advantages.reshape(-1), self.engine.pad_id, self.config, seen)
        if self.config.epochs_per_rollout * self.config.minibatches > 1:
            batch = batch._replace(old_logps=self.logprobs(params, batch))
        if self.reference is not None:
            batch = batch._replace(ref_logps=self._logprobs(self.reference, batch))
        return batch

    def logprobs(self, params: PyTree, batch: PolicyBatch) -> Float[np.ndarray, "N T"]:
        """Log-probabilities of a batch's completions on the host, one microbatch at a time."""
        return self._logprobs(join(params, self.frozen), batch)

    def learn(self, state: TrainState, batch: PolicyBatch, key: Key[Array, ""]) -> tuple[TrainState, dict[str, float]]:
        """All updates on a batch: of each epoch, of each minibatch, whose rows `key` shuffles; metrics are their means.

        The state given is donated.
        """
        reports = []
        for minibatch in shuffled_minibatches(batch, key, self.config):
            state, metrics = self.update(state, minibatch)
            reports.append(metrics)
        reports = jax.device_get(reports)
        return state, {name: float(np.mean([report[name] for report in reports])) for name in reports[0]}

    def update(self, state: TrainState, minibatch: PolicyBatch) -> tuple[TrainState, dict[str, Any]]:
        """One optimiser step (Eq. 2); the state given is donated."""
        rows, _ = self.layout.lay_out(minibatch)
        state, metrics = self.compiled_update(state, place_batch(rows, self.mesh), self.frozen)
        return state, metrics | {"padding": self.layout.padding(rows)}

    def _logprobs(self, params: PyTree, batch: PolicyBatch) -> Float[np.ndarray, "N T"]:
        rows, slots = self.layout.lay_out(batch, self.layout.times)
        logps = fetch(self.compiled_logprobs(params, place_batch(rows, self.mesh)))
        return logps.reshape(-1, logps.shape[-1])[slots]
