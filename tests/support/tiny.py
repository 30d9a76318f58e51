"""Models of a few thousand parameters, for tests that train and for tests that draw."""

from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2

# For tests that draw: a wide start spreads the logits, so that choices are plain and rows differ.
DECISIVE = DecoderConfig(
    vocab_size=160,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    tie_word_embeddings=True,
    initializer_range=0.3,
)


class Pass(NamedTuple):
    """What one forward pass through a cache has: rows, tokens a row, and how many of them all are real."""

    rows: int
    tokens: int
    real: int


PASSES: list[Pass] = []


class CountingQwen2(Qwen2):
    """Tells PASSES, at run time, of each forward pass; look at it after `jax.effects_barrier()`."""

    def extend(self, tokens, cache, *, valid=None, **settings):
        jax.debug.callback(lambda valid: PASSES.append(Pass(*valid.shape, int(valid.sum()))), valid)
        return super().extend(tokens, cache, valid=valid, **settings)


def tiny_config(**changes) -> DecoderConfig:
    """Two layers, 8 query heads over 8 key-value heads, so that meshes of 8 devices divide everything."""
    shape = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "head_dim": 4,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
    }
    return DecoderConfig(**(shape | changes))


def tiny_model(seed: int = 0, **changes) -> Qwen2:
    """With random weights, the same for the same seed."""
    return Qwen2(tiny_config(initializer_range=0.08, **changes), rngs=nnx.Rngs(seed))


def random_policy_batch(rows=8, prompt=5, length=12, seed=0):
    """Random prompts and completions of uneven lengths, one a row, as `PackedBatch` on the host."""
    from compeer_jax.training.packing import one_a_row
    from compeer_jax.training.policy_update import PolicyBatch

    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, length + 1, rows)
    mask = np.arange(length) < lengths[:, None]
    padding = rng.integers(0, prompt - 1, rows)
    batch = PolicyBatch(
        prompts=rng.integers(0, 64, (rows, prompt)).astype(np.int32),
        prompt_mask=np.arange(prompt) >= padding[:, None],
        completions=rng.integers(0, 64, (rows, length)).astype(np.int32),
        mask=mask,
        trained=mask & (rng.random(rows) < 0.8)[:, None],
        advantages=rng.normal(size=rows).astype(np.float32),
        sampler_logps=-rng.random((rows, length)).astype(np.float32) * mask,
        old_logps=-4 + 0.3 * rng.normal(size=(rows, length)).astype(np.float32),
    )
    return one_a_row(batch)[0]
