"""Generating in 8 bits: what rounding does to keys, values and weights, to what is drawn, and to memory."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import DECISIVE

from compeer_jax.errors import UserError
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.padding import pad_left
from compeer_jax.generation.rollout import rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.kv_slots import QuantizedSlots, attend_slots, encode, group_heads, zero_slots
from compeer_jax.models.quantized import QuantizedKernel, in_few_bits
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.planning.abstract_run import abstract_weights, device_bytes
from compeer_jax.training.config import GRPOConfig, LossConfig

PROMPTS = [[3, 4, 5, 6, 7, 8], [9, 10, 11], [12, 13, 14, 15]]
NEW = 16


def rounded(x):
    return encode(x, zero_slots(x.shape, -1, jnp.dtype(jnp.int8)))


def model(**options) -> Qwen2:
    return Qwen2(DECISIVE, rngs=nnx.Rngs(0), **options)


def drawn(model: Qwen2, slots: int = 0):
    graphdef, params = nnx.split(model, nnx.Param)
    sampling = SamplingConfig(NEW, temperature=0.0)
    engine = Engine(graphdef, sampling=sampling, stop_ids=(1,), pad_id=0, slots=slots)
    return engine.generate(params, PROMPTS, jax.random.key(0), 2)


def test_rounding_is_off_by_half_a_step_at_most():
    x = np.random.default_rng(0).normal(size=(3, 5, 2, 64)).astype(np.float32) * [[[[1e-3], [50]]]]
    x[1, 2] = 0
    made = rounded(jnp.asarray(x, jnp.float32))
    step = np.abs(x).max(axis=-1, keepdims=True) / 127
    assert made.codes.dtype == jnp.int8
    np.testing.assert_allclose(made.scale, step, rtol=1e-6)
    assert (np.abs(made.codes * np.asarray(made.scale, np.float64) - x) <= step / 2 * (1 + 1e-5)).all()


@pytest.mark.parametrize("tokens", [1, 3])
def test_attention_to_rounded_keys_and_values_stays_within_what_rounding_allows(tokens):
    rng = np.random.default_rng(1)
    query, key, value = (rng.normal(size=(2, t, heads, 16)) for t, heads in ((tokens, 4), (20, 2), (20, 2)))
    seen = rng.random((2, tokens, 20)) < 0.7
    queries = group_heads(jnp.asarray(query, jnp.float32), 2)
    keys, values = (rounded(jnp.asarray(x, jnp.float32)) for x in (key, value))
    turned = jax.tree.map(lambda x: x.transpose(0, 2, 3, 1), keys), jax.tree.map(lambda x: x.swapaxes(1, 2), values)
    found = np.asarray(attend_slots(queries, *turned, jnp.asarray(seen)).finish())

    def attended(key, value):
        """In float64, each K-head serving two Q-heads."""
        key, value = np.repeat(key, 2, axis=2), np.repeat(value, 2, axis=2)
        scores = np.einsum("ntqh,nsqh->nqts", query, key) / 4
        weights = np.where(seen[:, None], np.exp(scores), 0)
        return np.einsum("nqts,nsqh->ntqh", weights / weights.sum(-1, keepdims=True), value)

    def multiplied(made: QuantizedSlots):
        return made.codes * np.asarray(made.scale, np.float64)

    np.testing.assert_allclose(found, attended(multiplied(keys), multiplied(values)), atol=1e-5)
    score_off = np.abs(query).sum(-1).max() / 4 * np.asarray(keys.scale).max() / 2
    bound = (np.exp(2 * score_off) - 1) * np.abs(value).max() + np.asarray(values.scale).max() / 2
    off = np.abs(found - attended(key, value)).max()
    assert 0 < off <= bound


def test_weights_in_8_bits_draw_what_the_rounded_weights_draw():
    plain = model(scan_layers=True)
    for _, module in nnx.iter_modules(in_few_bits(plain, "int8")):
        if isinstance(getattr(module, "kernel", None), QuantizedKernel):
            module.kernel = nnx.Param(module.kernel[...], axes=module.kernel.values.axes)
    wanted, found = drawn(plain), drawn(model(scan_layers=True, decode_weights="int8"))
    np.testing.assert_array_equal(found.tokens, wanted.tokens)
    np.testing.assert_allclose(found.logps, wanted.logps, atol=1e-4)


@pytest.mark.parametrize("scan_layers, slots", [(False, 0), (True, 2)])
def test_a_cache_in_8_bits_draws_nearly_the_same(scan_layers, slots):
    wanted = drawn(model(scan_layers=scan_layers))
    found = drawn(model(scan_layers=scan_layers, decode_cache="int8"), slots)
    assert (np.asarray(found.tokens) == np.asarray(wanted.tokens)).mean() > 0.9
    np.testing.assert_allclose(found.logps[:, 0], wanted.logps[:, 0], atol=0.1)


def test_a_cache_in_8_bits_takes_as_much_less_memory_as_it_has_fewer_bytes():
    tokens, mask = map(jnp.asarray, pad_left(PROMPTS, 0))
    new, rows, config = 1000, len(PROMPTS) * 8, replace(DECISIVE, num_hidden_layers=8)

    def temporaries(decode_cache):
        many = Qwen2(config, rngs=nnx.Rngs(0), scan_layers=True, decode_cache=decode_cache)
        graphdef, params = nnx.split(many, nnx.Param)
        options = {"group_size": 8, "sampling": SamplingConfig(new), "stop_ids": (1,), "pad_id": 0}
        draw = jax.jit(lambda params, key: rollout(nnx.merge(graphdef, params), tokens, mask, key, **options))
        return draw.lower(params, jax.random.key(0)).compile().memory_analysis().temp_size_in_bytes

    heads = 2 * config.num_hidden_layers * rows * (tokens.shape[1] + new - 1) * config.num_key_value_heads
    fewer = heads * (config.head_dim * (4 - 1) - 4)
    assert temporaries("dtype") - temporaries("int8") == pytest.approx(fewer, rel=0.01)


def test_a_judge_in_8_bits_takes_a_byte_for_each_of_its_projections_weights():
    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    held = {
        quantize: device_bytes(abstract_weights(DECISIVE, ModelConfig(), mesh, quantize=quantize).whole)
        for quantize in ("none", "int8")
    }
    hidden, inner, layers = DECISIVE.hidden_size, DECISIVE.intermediate_size, DECISIVE.num_hidden_layers
    keys = DECISIVE.num_key_value_heads * DECISIVE.head_dim
    weights = layers * (2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * inner)
    outputs = layers * (2 * hidden + 2 * keys + 2 * inner + hidden)
    assert held["none"] - held["int8"] == 4 * weights - (weights + 4 * outputs)


def test_a_policy_that_draws_in_8_bits_must_make_up_for_it():
    sentence = (
        "model.decode_cache 'int8' draws from probabilities that are a little off; set loss.importance_cap "
        "(such as 2), which makes up for it."
    )
    options = {"output": "run", "model": ModelConfig(decode_cache="int8")}
    with pytest.raises(UserError, match=re.escape(sentence)):
        GRPOConfig(**options)
    assert GRPOConfig(**options, loss=LossConfig(importance_cap=2.0)).model.decode_weights == "dtype"
