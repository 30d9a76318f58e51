"""AdamW with warm-up, a schedule, and clipping by the global norm: the same steps as PyTorch's, for comparison."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from compeer_jax.errors import UserError, unknown

SCHEDULES = ("constant", "linear", "cosine")
UNDECAYED = ("bias", "norm", "scale")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptimizerConfig:
    """Settings of the optimiser.

    Args:
        learning_rate: the rate after warm-up.
        schedule: how the rate goes on from there: as it is, or down to final_fraction at the last step.
        warmup_steps: optimiser steps over which the rate rises from 0 (the very first step then moves nothing).
        final_fraction: what is left of the rate at the end, as a fraction.
        weight_decay: decoupled, on all weights but norms and biases.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        epsilon: added to the root of the latter.
        max_grad_norm: gradients longer than this, over all weights, are scaled down to it (0: off).
        max_skipped: an update whose loss or gradient is not finite is skipped; after so many steps in a row with one,
            the run stops.
    """

    learning_rate: float = 1e-5
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    final_fraction: float = 0.0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    max_skipped: int = 3

    def __post_init__(self):
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES, "optimizer.schedule")
        _require(self, "learning_rate", self.learning_rate > 0, "above 0")
        _require(self, "epsilon", self.epsilon > 0, "above 0")
        for name in ("warmup_steps", "weight_decay", "max_grad_norm"):
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        _require(self, "max_skipped", self.max_skipped >= 1, "at least 1")
        for name in ("beta1", "beta2"):
            _require(self, name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        _require(self, "final_fraction", 0 <= self.final_fraction <= 1, "between 0 and 1")


def make_optimizer(config: OptimizerConfig, total_steps: int) -> optax.GradientTransformation:
    """The optimiser for a run of this many optimiser steps.

    Args:
        config: the settings.
        total_steps: optimiser steps of the whole run; the schedule ends there.
    """
    if config.warmup_steps >= total_steps:
        log.warning(
            "optimizer.warmup_steps is %d and the run has %d optimiser steps: it ends before its full rate.",
            config.warmup_steps,
            total_steps,
        )
    adamw = optax.adamw(
        lambda step: learning_rate_at(config, total_steps, step),
        b1=config.beta1,
        b2=config.beta2,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        mask=decayed,
    )
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), adamw) if config.max_grad_norm else adamw


def learning_rate_at(config: OptimizerConfig, total_steps: int, step: jax.typing.ArrayLike) -> jax.Array:
    """The rate of an optimiser step, counted from 0; the same numbers as transformers' `get_scheduler`.

    Args:
        config: the settings.
        total_steps: optimiser steps of the whole run.
        step: which one; may be traced.

    Returns:
        A float32 scalar.
    """
    step = jnp.asarray(step, jnp.float32)
    done = jnp.clip((step - config.warmup_steps) / max(1, total_steps - config.warmup_steps), 0.0, 1.0)
    shape = {
        "constant": jnp.ones_like(done),
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + jnp.cos(jnp.pi * done)),
    }[config.schedule]
    after = config.final_fraction + (1.0 - config.final_fraction) * shape
    rising = step / max(1, config.warmup_steps)
    return config.learning_rate * jnp.where(step < config.warmup_steps, rising, after)


def decayed(params: Any) -> Any:
    """Mask of the weights that decay: a tree of bools. Norms and biases, by the names on their path, do not."""

    def of_path(path, _):
        name = jax.tree_util.keystr(path).lower()
        return not any(part in name for part in UNDECAYED)

    return jax.tree_util.tree_map_with_path(of_path, params)


def _require(config: OptimizerConfig, name: str, holds: bool, what: str) -> None:
    if not holds:
        raise UserError(f"optimizer.{name} is {getattr(config, name)}; it must be {what}.")
