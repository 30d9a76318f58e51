"""The engine: order of rows, buckets, meshes, and prompts it refuses."""

import jax
import numpy as np
import pytest
from flax import nnx
from tiny import DECISIVE

from compeer_jax.errors import UserError
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.padding import bucket, pad_left
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import shardings

SAMPLED = SamplingConfig(max_new_tokens=12)
GREEDY = SamplingConfig(max_new_tokens=12, temperature=0.0)
PROMPTS = [[5, 17], [3, 9, 27, 81, 42, 6], [90], [8, 9, 10]]


@pytest.fixture(scope="module")
def weights():
    return nnx.split(Qwen2(DECISIVE, rngs=nnx.Rngs(0)))


def make_engine(graphdef, sampling=SAMPLED, **options):
    return Engine(graphdef, sampling=sampling, stop_ids=(1, 2), pad_id=0, **options)


def test_rows_come_prompt_by_prompt_and_group_members_side_by_side(weights):
    graphdef, params = weights
    together = make_engine(graphdef, GREEDY).generate(params, PROMPTS, jax.random.key(0), group_size=3)
    assert together.tokens.shape == (12, 12)
    apart = make_engine(graphdef, GREEDY, prompt_multiple=8)
    for index, prompt in enumerate(PROMPTS):
        expected = apart.generate(params, [prompt], jax.random.key(9)).tokens
        np.testing.assert_array_equal(together.tokens[3 * index : 3 * index + 3], np.repeat(expected, 3, axis=0))


def test_one_program_serves_every_length_in_a_bucket(weights):
    graphdef, params = weights
    engine = make_engine(graphdef, prompt_multiple=16)
    for seed, length in enumerate([1, 7, 15, 16]):
        engine.generate(params, [[4] * length, [5]], jax.random.key(seed))
    assert engine.compilations == 1
    longest = DECISIVE.max_position_embeddings - SAMPLED.max_new_tokens
    engine.generate(params, [[4] * longest, [5]], jax.random.key(0))
    assert engine.compilations == 2


def test_new_weights_are_used_without_compiling_anew(weights):
    graphdef, params = weights
    engine = make_engine(graphdef, GREEDY)
    old = engine.generate(params, PROMPTS, jax.random.key(0))
    new = engine.generate(jax.tree.map(lambda x: x * 1.5 + 0.1, params), PROMPTS, jax.random.key(0))
    assert (old.tokens != new.tokens).any()
    assert engine.compilations == 1


def test_a_mesh_of_eight_devices_draws_what_one_device_draws(weights):
    graphdef, params = weights
    expected = make_engine(graphdef).generate(params, PROMPTS, jax.random.key(3), group_size=2)
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = jax.device_put(params, shardings(param_axes(params), mesh))
    with jax.set_mesh(mesh):
        got = make_engine(graphdef).generate(spread, PROMPTS, jax.random.key(3), group_size=2)
    np.testing.assert_array_equal(got.tokens, expected.tokens)
    np.testing.assert_allclose(got.logps, expected.logps, atol=1e-4)


def test_prompts_are_padded_on_the_left():
    tokens, mask = pad_left([[1, 2, 3], [4]], pad_id=9, length=4)
    assert tokens.tolist() == [[9, 1, 2, 3], [9, 9, 9, 4]]
    assert mask.tolist() == [[False, True, True, True], [False, False, False, True]]
    assert pad_left([[1] * 4, [2]], pad_id=0)[0].shape == (2, 4)


def test_buckets_hold_their_length_waste_little_and_are_few():
    lengths = range(1, 2049)
    buckets = [bucket(length) for length in lengths]
    assert all(length <= size for length, size in zip(lengths, buckets, strict=True))
    assert all(size - length < max(32, length / 4) for length, size in zip(lengths, buckets, strict=True))
    assert len(set(buckets)) == 20
    assert sorted(buckets) == buckets


@pytest.mark.parametrize(
    "prompts, sentence",
    [
        ([], "There is no prompt"),
        ([[1, 2], []], "Prompt 1 is empty"),
        ([[1], [1] * 117], "Prompt 1 has 117 tokens, which with max_new_tokens = 12 exceed the model's context of 128"),
    ],
)
def test_prompts_that_cannot_be_continued_are_refused_by_number_and_length(weights, prompts, sentence):
    graphdef, params = weights
    with pytest.raises(UserError, match=sentence):
        make_engine(graphdef).generate(params, prompts, jax.random.key(0))
