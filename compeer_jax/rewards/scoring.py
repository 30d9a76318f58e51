"""Unified process-outcome reward: scores of the reasoning steps, the response and the format."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


def unified_reward(
    steps: Int[Array | np.ndarray, "B G 3"],
    response: Int[Array | np.ndarray, "B G"],
    format_ok: Bool[Array | np.ndarray, "B G"],
    *,
    weights: Float[Array | np.ndarray, "5"] | None = None,
) -> Float[Array, "B G"]:
    """The sum of five scores of ±1, or 0 where the judge gave no verdict: −5 … +5.

    Args:
        steps: verdicts on the three reasoning steps: +1 right, −1 wrong or missing, 0 none.
        response: verdict on the answer: +1 better than the reference or similar, −1 otherwise, 0 none.
        format_ok: the output keeps the format, by either rule (see `reward.FormatRule`), and came to its end: +1, else
            −1.
        weights: of the three steps, the response and the format; default: 1 each, as in the paper.
    """
    form = jnp.where(jnp.asarray(format_ok), 1.0, -1.0)
    scores = [jnp.asarray(steps, jnp.float32), jnp.asarray(response, jnp.float32)[..., None], form[..., None]]
    weights = jnp.ones(5) if weights is None else jnp.asarray(weights, jnp.float32)
    return (jnp.concatenate(scores, axis=-1) * weights).sum(axis=-1)
