"""Reading through a ragged cache, some rows at a time, gives what reading each row at once gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.kv_cache import RaggedKVCache

CONFIG = DecoderConfig(64, 32, 48, 2, 4, 2, head_dim=12, initializer_range=0.2)
PREFIX_LENGTHS = np.array([5, 2])
PROMPTS = np.random.default_rng(0).integers(0, 64, (2, 5))
OWN = np.random.default_rng(1).integers(0, 64, (6, 9))  # three rows a prompt


@pytest.fixture(scope="module", params=[False, True], ids=["unrolled", "scanned"])
def model(request) -> Qwen2:
    return nnx.jit(lambda: Qwen2(CONFIG, rngs=nnx.Rngs(3), scan_layers=request.param))()


@jax.jit
def read(model: Qwen2, tokens, valid, cache: RaggedKVCache):
    return model.extend(tokens, cache, valid=valid)


@jax.jit
def at_once(model: Qwen2, tokens):
    return model(tokens)


def expected(model: Qwen2, row: int, count: int):
    """Hidden states of a row's first tokens of its own, after its prompt."""
    prompt = PROMPTS[row // 3, : PREFIX_LENGTHS[row // 3]]
    text = np.concatenate([prompt, OWN[row, :count], np.zeros(14 - len(prompt) - count, int)])
    return at_once(model, jnp.asarray(text)[None])[0, len(prompt) : len(prompt) + count]


def shared_cache(model: Qwen2) -> RaggedKVCache:
    cache = RaggedKVCache.empty(CONFIG, 2, 5, dtype=jnp.dtype("float32"), stacked=model.scan_layers)
    _, cache = read(model, PROMPTS, np.arange(5) < PREFIX_LENGTHS[:, None], cache)
    return cache.share(3).grow(8).grow(12)


def piece(starts, counts, width):
    """The next `counts` tokens of every row from `starts`, padded on the right with other tokens."""
    places = np.minimum(starts[:, None] + np.arange(width), OWN.shape[1] - 1)
    valid = np.arange(width) < counts[:, None]
    return np.where(valid, np.take_along_axis(OWN, places, 1), 63), valid


def test_rows_of_all_lengths_read_at_their_own_pace_after_a_shared_prefix(model):
    cache, read_so_far = shared_cache(model), np.zeros(6, int)
    found = [[] for _ in OWN]
    for rows, counts in [
        (None, [3, 0, 1, 4, 2, 0]),
        ([4, 1], [2, 4]),
        (None, [1, 1, 0, 1, 0, 1]),
        ([5, 0, 2], [3, 0, 4]),
        (None, [1, 1, 1, 1, 1, 1]),
    ]:
        which = np.arange(6) if rows is None else np.array(rows)
        counts = np.array(counts)
        width = 1 if counts.max() == 1 else 4
        everyone = np.zeros(6, int)
        everyone[which] = counts
        tokens, valid = piece(read_so_far, everyone, width)
        chosen = None if rows is None else jnp.array(rows)
        hidden, cache = read(model, tokens[which], valid[which], cache._replace(rows=chosen))
        cache = cache._replace(rows=None)
        for place, row in enumerate(which):
            found[row].append(np.asarray(hidden[place, : counts[place]]))
        read_so_far += everyone
        np.testing.assert_array_equal(cache.lengths, read_so_far)
    for row, parts in enumerate(found):
        np.testing.assert_allclose(np.concatenate(parts), expected(model, row, read_so_far[row]), atol=2e-5)


def test_without_a_prefix_a_row_starts_at_position_0(model):
    cache = RaggedKVCache.empty(CONFIG, 2, 6, dtype=jnp.dtype("float32"), stacked=model.scan_layers)
    hidden, _ = read(model, PROMPTS, np.ones((2, 5), bool), cache)
    np.testing.assert_allclose(hidden, at_once(model, jnp.asarray(PROMPTS)), atol=2e-5)


def test_a_prompt_of_no_tokens_leaves_its_rows_to_themselves(model):
    cache = RaggedKVCache.empty(CONFIG, 2, 5, dtype=jnp.dtype("float32"), stacked=model.scan_layers)
    _, cache = read(model, PROMPTS, np.zeros((2, 5), bool), cache)
    hidden, _ = read(model, OWN[:4, :5], np.ones((4, 5), bool), cache.share(2).grow(5))
    np.testing.assert_allclose(hidden, at_once(model, jnp.asarray(OWN[:4, :5])), atol=2e-5)
