"""Reading a text in pieces through the cache gives what reading it at once gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.kv_cache import KVCache

CONFIG = DecoderConfig(64, 32, 48, 2, 4, 2, head_dim=12, initializer_range=0.2)
# Left padding, none, and a hole within a later piece (slot 6 of the last row).
VALID = np.array([[0] * 3 + [1] * 6, [1] * 9, [0] + [1] * 5 + [0] + [1] * 2], bool)
SEGMENTS = jnp.asarray(VALID, jnp.int32)
TOKENS = np.random.default_rng(0).integers(0, 64, VALID.shape)


@jax.jit
def read(model: Qwen2, tokens, valid, cache: KVCache):
    return model.extend(tokens, cache, valid=valid)


@pytest.fixture(scope="module", params=[(False, "full"), (True, "none")], ids=["unrolled", "scanned"])
def model(request) -> Qwen2:
    scan_layers, remat = request.param
    return Qwen2(CONFIG, rngs=nnx.Rngs(3), scan_layers=scan_layers, remat=remat)


def read_in_pieces(model: Qwen2, tokens, valid, pieces, cache: KVCache):
    hidden, start = [], 0
    for size in pieces:
        piece, cache = read(model, tokens[:, start : start + size], valid[:, start : start + size], cache)
        hidden.append(piece)
        start += size
    return jnp.concatenate(hidden, axis=1), cache


@pytest.mark.parametrize("pieces", [(9,), (4, 1, 1, 1, 1, 1), (2, 5, 2)], ids=str)
def test_reading_in_pieces_equals_reading_at_once(model, pieces):
    at_once = jax.jit(lambda m: m(jnp.asarray(TOKENS), segment_ids=SEGMENTS))(model)
    hidden, cache = read_in_pieces(model, TOKENS, VALID, pieces, model.init_cache(3, 12))
    np.testing.assert_allclose(hidden[VALID], at_once[VALID], atol=2e-5)
    np.testing.assert_array_equal(cache.next_position, VALID.sum(1))
    np.testing.assert_array_equal(cache.valid, np.pad(VALID, ((0, 0), (0, 3))))
    assert int(cache.length) == 9


def test_what_stands_in_padding_changes_nothing(model):
    other = np.where(VALID, TOKENS, (TOKENS + 7) % 64)
    first, _ = read_in_pieces(model, TOKENS, VALID, (4, 5), model.init_cache(3, 9))
    second, _ = read_in_pieces(model, other, VALID, (4, 5), model.init_cache(3, 9))
    np.testing.assert_array_equal(first[VALID], second[VALID])


def test_repeated_rows_continue_as_if_each_had_read_the_prompt(model):
    prompt, continuations = TOKENS[:, :5], np.random.default_rng(1).integers(0, 64, (6, 3))
    _, shared = read(model, prompt, VALID[:, :5], model.init_cache(3, 8))
    real = np.ones((6, 3), bool)
    shared_hidden, _ = read(model, continuations, real, shared.repeat(3, 2))
    _, own = read(model, np.repeat(prompt, 2, 0), np.repeat(VALID[:, :5], 2, 0), model.init_cache(6, 8))
    own_hidden, _ = read(model, continuations, real, own)
    np.testing.assert_allclose(shared_hidden, own_hidden, atol=2e-5)


def test_a_donated_cache_is_updated_in_place(model):
    graphdef, params = nnx.split(model)
    step = jax.jit(lambda p, t, c: nnx.merge(graphdef, p).extend(t, c), donate_argnums=2)
    cache = model.init_cache(3, 64)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves((cache.keys, cache.values)))
    compiled = step.lower(params, jnp.asarray(TOKENS[:, :1]), cache).compile()
    assert compiled.memory_analysis().alias_size_in_bytes >= size


def test_the_cache_is_kept_in_the_type_of_the_computation():
    model = nnx.eval_shape(lambda: Qwen2(CONFIG, rngs=nnx.Rngs(0), dtype=jnp.bfloat16))
    cache = jax.eval_shape(lambda: model.init_cache(2, 4))
    assert {leaf.dtype for leaf in (*cache.keys, *cache.values)} == {jnp.dtype(jnp.bfloat16)}
    assert len(cache.keys) == CONFIG.num_hidden_layers
    assert cache.keys[0].shape == (2, 2, 12, 4)
