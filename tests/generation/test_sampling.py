"""The token choice against transformers' own truncation, exact quantiles, and chi-square."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy import stats
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from compeer_jax.errors import UserError
from compeer_jax.generation.sampling import (
    SamplingConfig,
    choose_tokens,
    choose_with_logps,
    draw_uniforms,
    penalise,
    row_keys,
    tokens_seen,
)

LARGEST_UNIFORM = np.float32(1 - 2**-24)


def random_logits(size, seed=0, spread=2.0):
    return np.random.default_rng(seed).normal(0, spread, size).astype(np.float32)


def transformers_probabilities(logits, config):
    """The distribution that transformers' generate would draw from, in float64."""
    steps = LogitsProcessorList([TemperatureLogitsWarper(config.temperature)])
    if config.top_k:
        steps.append(TopKLogitsWarper(config.top_k))
    if config.top_p < 1:
        steps.append(TopPLogitsWarper(config.top_p))
    if config.min_p:
        steps.append(MinPLogitsWarper(config.min_p))
    scores = steps(None, torch.tensor(logits, dtype=torch.float64)[None])
    return scores.softmax(-1)[0].numpy()


def choose_many(logits, uniforms, config):
    rows = jnp.broadcast_to(logits, (len(uniforms), len(logits)))
    return np.asarray(jax.jit(choose_tokens, static_argnums=2)(rows, jnp.asarray(uniforms, jnp.float32), config))


CONFIGS = [
    SamplingConfig(),
    SamplingConfig(temperature=0.6),
    SamplingConfig(top_k=7),
    SamplingConfig(top_p=0.8),
    SamplingConfig(temperature=1.4, top_k=40, top_p=0.9),
    SamplingConfig(temperature=1.2, top_p=0.98, min_p=0.05),
]


@pytest.mark.parametrize("size", [5, 128, 300])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_even_quantiles_hit_each_token_in_proportion_to_transformers_probability(size, config):
    logits = random_logits(size)
    points = 20_000
    tokens = choose_many(logits, (np.arange(points) + 0.5) / points, config)
    counts = np.bincount(tokens, minlength=size)
    expected = transformers_probabilities(logits, config) * points
    assert np.abs(counts - expected).max() < 1.1  # an interval of length p holds p·points of them, give or take one
    assert (counts[expected == 0] == 0).all()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_drawn_frequencies_pass_chi_square(config):
    logits = random_logits(200, seed=1, spread=1.0)
    uniforms = jax.random.uniform(jax.random.key(3), (20_000,))
    counts = np.bincount(choose_many(logits, uniforms, config), minlength=200)
    expected = transformers_probabilities(logits, config) * len(uniforms)
    kept = expected > 0
    assert counts[~kept].sum() == 0
    assert stats.chisquare(counts[kept], expected[kept]).pvalue > 0.01


@pytest.mark.parametrize("size", [1, 3, 130, 400])
@pytest.mark.parametrize(
    "config",
    [SamplingConfig(top_k=2), SamplingConfig(top_k=129), SamplingConfig(top_p=0.01), SamplingConfig(top_p=0.9)],
)
def test_only_tokens_that_transformers_keeps_are_drawn(size, config):
    spreads = [0.01, 0.5, 2.0, 20.0, 200.0]
    rows = [random_logits(size, seed, spread) for seed, spread in enumerate(spreads * 4)]
    uniforms = np.concatenate([[0, LARGEST_UNIFORM], np.linspace(0, 1, 14, endpoint=False)]).astype(np.float32)
    choose = jax.jit(choose_tokens, static_argnums=2)
    tokens = choose(jnp.repeat(jnp.stack(rows), 16, axis=0), jnp.tile(uniforms, len(rows)), config)
    for logits, drawn in zip(rows, np.asarray(tokens).reshape(len(rows), 16), strict=True):
        assert (transformers_probabilities(logits, config)[drawn] > 0).all()


def test_forbidden_tokens_are_never_chosen_at_either_end_of_the_quantiles():
    logits = np.full(1000, -np.inf, np.float32)
    logits[[300, 301, 640]] = [1.0, 0.5, 1.0]
    assert choose_many(logits, [0, LARGEST_UNIFORM], SamplingConfig()).tolist() == [300, 640]


def test_one_token_with_all_the_weight_is_always_chosen():
    logits = np.full(257, -200.0, np.float32)
    logits[256] = 200.0
    assert set(choose_many(logits, np.linspace(0, LARGEST_UNIFORM, 50), SamplingConfig())) == {256}


def test_top_k_one_and_a_tiny_top_p_are_greedy():
    logits = random_logits(500)
    uniforms = np.linspace(0, LARGEST_UNIFORM, 20)
    for config in (SamplingConfig(top_k=1), SamplingConfig(top_p=1e-6), SamplingConfig(temperature=0.0)):
        assert set(choose_many(logits, uniforms, config)) == {logits.argmax()}


def test_a_very_small_temperature_does_not_overflow():
    logits = random_logits(500, spread=50.0)
    tokens, logps = choose_with_logps(jnp.asarray(logits)[None], jnp.array([0.7]), SamplingConfig(temperature=1e-6))
    assert tokens[0] == logits.argmax()
    assert logps[0] == 0


def test_tokens_that_tie_at_the_cut_are_all_kept():
    logits = np.log(np.array([0.4, 0.2, 0.2, 0.2], np.float32))
    uniforms = np.linspace(0, LARGEST_UNIFORM, 50)
    assert set(choose_many(logits, uniforms, SamplingConfig(top_k=2))) == {0, 1, 2, 3}
    assert set(choose_many(logits, uniforms, SamplingConfig(top_p=0.5))) == {0, 1, 2, 3}
    assert set(choose_many(logits, uniforms, SamplingConfig(top_p=0.39))) == {0}


def test_top_p_keeps_the_token_that_reaches_the_share_exactly():
    logits = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32))
    uniforms = np.linspace(0, LARGEST_UNIFORM, 50)
    assert set(choose_many(logits, uniforms, SamplingConfig(top_p=0.75))) == {0, 1}
    assert set(choose_many(logits, uniforms, SamplingConfig(top_p=0.76))) == {0, 1, 2, 3}


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_log_probabilities_are_those_before_truncation(temperature):
    logits = np.stack([random_logits(300, seed) for seed in range(6)])
    config = SamplingConfig(temperature=temperature, top_k=5, top_p=0.9)
    tokens, logps = choose_with_logps(jnp.asarray(logits), jnp.linspace(0, 0.99, 6), config)
    expected = torch.tensor(logits, dtype=torch.float64).div(temperature or 1).log_softmax(-1).numpy()
    np.testing.assert_allclose(logps, expected[np.arange(6), np.asarray(tokens)], atol=1e-5)


@pytest.mark.parametrize("penalty", [0.7, 1.3])
def test_a_repetition_penalty_is_that_of_transformers_and_leaves_log_probabilities_alone(penalty):
    logits = np.stack([random_logits(40, seed) for seed in range(3)])
    tokens = np.random.default_rng(0).integers(0, 40, (3, 9))
    seen = tokens_seen(jnp.asarray(tokens), jnp.ones((3, 9), bool), 40)
    processor = RepetitionPenaltyLogitsProcessor(penalty)
    expected = processor(torch.tensor(tokens), torch.tensor(logits)).numpy()
    np.testing.assert_allclose(penalise(jnp.asarray(logits), seen, penalty), expected, rtol=1e-6)

    config = SamplingConfig(temperature=0.5, repetition_penalty=penalty)
    points = 2000
    rows = [jnp.repeat(jnp.asarray(x[:1]), points, axis=0) for x in (logits, seen)]
    drawn, logps = choose_with_logps(rows[0], (jnp.arange(points) + 0.5) / points, config, rows[1])
    wanted = torch.tensor(expected[0] / 0.5, dtype=torch.float64).softmax(-1).numpy() * points
    assert np.abs(np.bincount(drawn, minlength=40) - wanted).max() < 1.1
    plain = torch.tensor(logits[0] / 0.5, dtype=torch.float64).log_softmax(-1).numpy()
    np.testing.assert_allclose(logps, plain[np.asarray(drawn)], atol=1e-5)


def test_padding_is_not_seen():
    seen = tokens_seen(jnp.array([[0, 5, 6]]), jnp.array([[False, True, True]]), 8)
    assert np.flatnonzero(seen[0]).tolist() == [5, 6]


def test_the_choice_neither_sorts_nor_sums_cumulatively_over_the_vocabulary():
    config = SamplingConfig(top_k=50, top_p=0.9)
    text = str(jax.make_jaxpr(lambda x, u: choose_tokens(x, u, config))(jnp.zeros((2, 8192)), jnp.zeros(2)))
    assert " sort[" not in text
    assert " top_k[" not in text
    cumulative = [line for line in text.splitlines() if "cumsum[" in line]
    assert cumulative
    assert not any("8192" in line for line in cumulative)


def test_noise_differs_between_rows_steps_and_keys_and_repeats_with_the_same_key():
    def table(seed):
        keys = row_keys(jax.random.key(seed), 8)
        return np.stack([draw_uniforms(keys, jnp.asarray(step)) for step in range(6)])

    both = np.concatenate([table(0).ravel(), table(1).ravel()])
    assert len(set(both.tolist())) == both.size
    assert (table(0) == table(0)).all()
    assert (row_keys(jax.random.key(0), 3) == row_keys(jax.random.key(0), 8)[:3]).all()


@pytest.mark.parametrize(
    "settings_, named",
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.01}, "top_p is 1.01"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"min_p": -0.1}, "min_p is -0.1"),
        ({"min_p": 1.1}, "min_p is 1.1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
        ({"repetition_penalty": math.inf}, "repetition_penalty is inf"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, named):
    with pytest.raises(UserError, match=named):
        SamplingConfig(**settings_)
