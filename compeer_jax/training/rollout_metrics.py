"""Metrics of a GRPO step: what its outputs were like and where its time went; and the record of both."""

import time

import jax.numpy as jnp
import numpy as np

from compeer_jax.generation.rollout import Rollout
from compeer_jax.rewards.reward import Rewards
from compeer_jax.rl.advantages import equal_reward_share
from compeer_jax.rl.reward_shaping import ShapedRewards
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.run import Run
from compeer_jax.training.sampler import Sampled
from compeer_jax.training.samples import log_rollout


def record_step(
    run: Run,
    step: int,
    metrics: dict[str, float],
    sampled: Sampled,
    rewards: Rewards,
    shaped: ShapedRewards,
    lengths: np.ndarray,
) -> dict[str, float]:
    """Writes a step's metrics and outputs; returns all of its metrics.

    Args:
        run: whose files they are.
        step: its number.
        metrics: of the update, with learning rate and times.
        sampled: the outputs.
        rewards: of each.
        shaped: of each, in groups.
        lengths: of each (Eq. 7).
    """
    metrics = metrics | rollout_metrics(sampled.rollout, rewards, shaped)
    run.log(step, metrics, shown=("reward", "rewards/format/mean", "entropy", "grad_norm"))
    log_rollout(run.folder, step, sampled.completions, rewards, shaped, lengths, every=run.config.samples_every)
    if metrics["grad_norm"] > 0 and loss_is_zero(run.config):
        run.say_once(
            "zero loss",
            f"The loss prints {metrics['loss']:+.1e}: with one update a rollout the ratio is 1 and the "
            f"advantages average 0, so it always prints about 0. It learns all the same: see grad_norm.",
        )
    return metrics


def loss_is_zero(config: GRPOConfig) -> bool:
    """Whether the loss is the mean of the advantages, and so 0, whatever is learnt: where updates are on-policy."""
    loss = config.loss
    plain = not (loss.kl_coefficient or loss.mask_truncated or loss.importance_cap)
    return plain and config.epochs_per_rollout * config.minibatches == 1 and loss.reduction == "sequence_mean"


def rollout_metrics(rollout: Rollout, rewards: Rewards, shaped: ShapedRewards) -> dict[str, float]:
    """Of a step's outputs; names as TRL's where the thing is the same."""
    lengths = rollout.mask.sum(axis=1)
    groups = np.asarray(rewards.total, np.float32).reshape(shaped.advantages.shape)
    deviation = groups.std(axis=1, ddof=1) if groups.shape[1] > 1 else np.zeros(len(groups))
    metrics = {
        "reward": rewards.total.mean(),
        "reward_std": deviation.mean(),
        "frac_reward_zero_std": equal_reward_share(jnp.asarray(shaped.rewards)),
        "reward_reweighted": shaped.rewards.mean(),
        "redundancy/in_group": shaped.s_in.mean(),
        "redundancy/history": shaped.s_hi.mean(),
        "redundancy/tau": shaped.tau.mean(),
        "completions/mean_length": lengths.mean(),
        "completions/max_length": lengths.max(),
        "completions/clipped_ratio": np.mean(~rollout.finished),
    }
    metrics |= {f"rewards/{name}/mean": values.mean() for name, values in rewards.parts.items()}
    return {name: float(value) for name, value in metrics.items()} | dict(rewards.diagnostics)


class Clock:
    """Wall time of a step's stages, in seconds.

    Attributes:
        times: how long each took.
        ends: when each ended, by `time.perf_counter`.
    """

    def __init__(self):
        self.times: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str, now: float | None = None) -> None:
        """Ends a stage: now, or when it was by `time.perf_counter`."""
        now = now or time.perf_counter()
        self.times[stage], self.ends[stage], self.last = now - self.last, now, now

    def seconds(self) -> dict[str, float]:
        return {f"time/{stage}": seconds for stage, seconds in self.times.items()}
