"""Rotary position embeddings (RoPE, Su et al. 2021), plain, with the scaling of YaRN or Llama 3, or of three axes."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.rope_config import Llama3, Yarn


def rotary_angles(
    positions: Int[Array, "N T"] | Int[Array, "N T 3"], config: DecoderConfig
) -> tuple[Float[Array, "N T half"], Float[Array, "N T half"]]:
    """Cosine and sine, in float32, of each position's angle for each pair of a head's numbers (half = head_dim / 2).

    With M-RoPE (Wang et al., Qwen2-VL, 2024) a position is a time, a row and a column, and each pair is turned by one
    of the three. Of a word these are equal, so that one number says it, and all is plain RoPE.
    """
    if positions.ndim == 3:
        turning = positions[..., np.repeat(np.arange(3), config.mrope_section)]
    else:
        turning = positions[..., None]
    angles = turning.astype(jnp.float32) * inverse_frequencies(config)
    scale = attention_factor(config.rope_scaling) if isinstance(config.rope_scaling, Yarn) else 1.0
    return jnp.cos(angles) * scale, jnp.sin(angles) * scale


def rotate(
    x: Float[Array, "N T heads H"], cos: Float[Array, "N T half"], sin: Float[Array, "N T half"]
) -> Float[Array, "N T heads H"]:
    """Turns each pair (x[i], x[i + H/2]) by its position's angle; computed in float32, returned in x's type."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = cos[:, :, None, :], sin[:, :, None, :]
    rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x.dtype)


def inverse_frequencies(config: DecoderConfig) -> Float[np.ndarray, " half"]:
    """Radians a position for each pair: theta^(-2i/H), divided by a scaling's factor where a pair turns slowly."""
    size, scaling = config.head_dim, config.rope_scaling
    frequencies = config.rope_theta ** -(np.arange(0, size, 2) / size)
    if scaling is not None:
        if isinstance(scaling, Yarn):
            kept = _yarn_kept_share(scaling, config.rope_theta, size)
        else:
            kept = _llama3_kept_share(scaling, frequencies)
        frequencies = frequencies * kept + frequencies / scaling.factor * (1 - kept)
    return frequencies.astype(np.float32)


def attention_factor(yarn: Yarn) -> float:
    """YaRN's factor of cos and sin, so that attention's temperature fits the longer context."""
    if yarn.attention_factor is not None:
        return yarn.attention_factor

    def temperature(scale: float) -> float:
        return 1.0 if yarn.factor <= 1 else 0.1 * scale * math.log(yarn.factor) + 1.0

    if yarn.mscale and yarn.mscale_all_dim:
        return temperature(yarn.mscale) / temperature(yarn.mscale_all_dim)
    return temperature(1.0)


def _yarn_kept_share(yarn: Yarn, theta: float, size: int) -> Float[np.ndarray, " half"]:
    """1 for pairs whose frequency is kept, 0 for those divided by `factor`, a straight ramp between them."""

    def pair_that_turns(rotations: float) -> float:
        """The (fractional) pair that makes so many turns within the original context."""
        context = yarn.original_max_position_embeddings
        return size * math.log(context / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_that_turns(yarn.beta_fast), pair_that_turns(yarn.beta_slow)
    if yarn.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    width = (high - low) or 0.001
    return 1 - np.clip((np.arange(size // 2) - low) / width, 0, 1)


def _llama3_kept_share(scaling: Llama3, frequencies: Float[np.ndarray, " half"]) -> Float[np.ndarray, " half"]:
    """As `_yarn_kept_share`; the ramp is straight in the rotations within the original context."""
    rotations = scaling.original_max_position_embeddings * frequencies / (2 * math.pi)
    ramp = (rotations - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    return np.clip(ramp, 0, 1)
