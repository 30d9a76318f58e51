"""What a step's outputs were like, and where its time went."""

import time

import jax.numpy as jnp
import numpy as np

from compeer_jax.rl.advantages import equal_reward_share


def grouped(values: np.ndarray, group_size: int) -> np.ndarray:
    """[N] -> [B, G]."""
    return np.asarray(values, np.float32).reshape(-1, group_size)


def rollout_metrics(rollout, rewards, shaped) -> dict[str, float]:
    """What a step's outputs were like; names as TRL's where the thing is the same."""
    lengths = rollout.mask.sum(axis=1)
    groups = grouped(rewards.total, shaped.advantages.shape[1])
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
