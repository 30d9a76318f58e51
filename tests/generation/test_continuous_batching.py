"""Continuous batching: the same completions as all at once, whoever comes when; and stop strings."""

import jax
import numpy as np
import pytest
from flax import nnx
from tiny import DECISIVE, PASSES, CountingQwen2

from compeer_jax.errors import UserError
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sampling import SamplingConfig, row_keys
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import shardings

STOPS = tuple(range(100, 104))
SAMPLED = SamplingConfig(max_new_tokens=12)
RNG = np.random.default_rng(0)
PROMPTS = [RNG.integers(3, 160, length).tolist() for length in (30, 1, 7, 2, 19, 33, 5, 12, 1)]
GROUP = 3
ROWS = len(PROMPTS) * GROUP
LIMITS = RNG.integers(1, 20, ROWS)  # some beyond max_new_tokens
KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def weights():
    return nnx.split(Qwen2(DECISIVE, rngs=nnx.Rngs(0)))


def make_engine(graphdef, sampling=SAMPLED, **options):
    return Engine(graphdef, sampling=sampling, stop_ids=STOPS, pad_id=0, **options)


@pytest.fixture(scope="module")
def engine(weights):
    return make_engine(weights[0], slots=5)


@pytest.fixture(scope="module")
def at_once(weights):
    graphdef, params = weights
    return make_engine(graphdef).generate(params, PROMPTS, KEY, GROUP, LIMITS)


def assert_same(got, expected):
    np.testing.assert_array_equal(got.tokens, expected.tokens)
    np.testing.assert_array_equal(got.mask, expected.mask)
    np.testing.assert_array_equal(got.finished, expected.finished)
    np.testing.assert_allclose(got.logps, expected.logps, atol=5e-5)


def rows_of(rollout, rows):
    return jax.tree.map(lambda x: np.asarray(x)[rows], rollout)


# ---- the same completions


def test_rows_end_at_their_stop_token_or_their_own_limit(at_once):
    lengths = np.asarray(at_once.mask).sum(1)
    assert (lengths <= np.minimum(LIMITS, 12)).all()
    assert at_once.finished.any()
    cut = ~np.asarray(at_once.finished)
    np.testing.assert_array_equal(lengths[cut], np.minimum(LIMITS, 12)[cut])


def test_few_slots_give_what_all_at_once_gives(weights, engine, at_once):
    assert_same(engine.generate(weights[1], PROMPTS, KEY, GROUP, LIMITS), at_once)


@pytest.mark.parametrize("slots, options", [(1, {}), (8, {"scan_layers": True}), (99, {})], ids=str)
def test_any_number_of_slots_and_scanned_layers_give_the_same(weights, at_once, slots, options):
    graphdef, params = nnx.split(Qwen2(DECISIVE, rngs=nnx.Rngs(0), **options)) if options else weights
    expected = make_engine(graphdef).generate(params, PROMPTS, KEY, GROUP, LIMITS) if options else at_once
    assert_same(make_engine(graphdef, slots=slots).generate(params, PROMPTS, KEY, GROUP, LIMITS), expected)


def test_what_a_row_draws_depends_on_its_own_key_and_prompt_alone(weights, engine, at_once):
    order = np.random.default_rng(1).permutation(len(PROMPTS))[:6]
    rows = (order[:, None] * GROUP + np.arange(GROUP)).ravel()
    keys = row_keys(KEY, ROWS)[rows]
    got = engine.generate(weights[1], [PROMPTS[index] for index in order], keys, GROUP, LIMITS[rows])
    assert_same(got, rows_of(at_once, rows))
    with_all = engine.generate(weights[1], PROMPTS, KEY, GROUP, LIMITS)
    np.testing.assert_array_equal(got.logps, with_all.logps[rows])  # to the last bit, in the same slots


@pytest.mark.long
def test_a_mesh_of_eight_devices_draws_what_one_device_draws(weights, at_once):
    graphdef, params = weights
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = jax.device_put(params, shardings(param_axes(params), mesh))
    with jax.set_mesh(mesh):
        got = make_engine(graphdef, slots=8).generate(spread, PROMPTS, KEY, GROUP, LIMITS)
    np.testing.assert_array_equal(got.tokens, at_once.tokens)
    np.testing.assert_allclose(got.logps, at_once.logps, atol=1e-4)


# ---- what is computed


def test_a_prompt_is_read_once_for_its_group_and_free_slots_are_filled_while_others_decode():
    graphdef, params = nnx.split(CountingQwen2(DECISIVE, rngs=nnx.Rngs(0)))
    endless = Engine(graphdef, sampling=SAMPLED, stop_ids=(), pad_id=0, slots=4)
    limits = [12, 3, 3, 3, 3, 3, 3, 3]
    PASSES.clear()
    jax.block_until_ready(endless.generate(params, PROMPTS[1:5], KEY, 2, limits))
    jax.effects_barrier()
    assert sum(one.rows for one in PASSES if one.tokens > 1) == 4  # each of the four prompts once
    assert sum(one.tokens == 1 for one in PASSES) == 12  # seven rows of 3 fit beside the one of 12


def test_programs_are_few_and_compiled_once(weights):
    graphdef, params = weights
    engine = make_engine(graphdef, slots=4)
    for seed in range(3):
        engine.generate(params, PROMPTS, jax.random.key(seed), GROUP)
    first = engine.compilations
    assert first <= 10  # empty; decode in 4, 2 and 1 slots, and two halvings; read and admit for two widths of prompts
    engine.generate(jax.tree.map(lambda x: x + 0.1, params), PROMPTS[::-1], KEY, GROUP, LIMITS)
    assert engine.compilations == first


def test_decoding_updates_the_cache_in_place(weights):
    from compeer_jax.generation import decode as programs

    graphdef, params = weights

    def run(params, state, enough):
        model = nnx.merge(graphdef, params)
        return programs.decode(model, state, enough=enough, steps=4, sampling=SAMPLED, stop_ids=STOPS)

    state = programs.free_slots(nnx.merge(graphdef, params), 6, 10, SAMPLED)
    compiled = jax.jit(run, donate_argnums=1).lower(params, state, np.int32(7)).compile()
    text = compiled.as_text()
    for cache in ("f32[6,2,8,21]", "f32[6,2,21,8]"):  # rows, key-value heads, head_dim, 10 + 12 - 1 slots
        assert f"= {cache}" in text
        assert not [line for line in text.splitlines() if f"= {cache}" in line and " copy(" in line]
    assert compiled.memory_analysis().alias_size_in_bytes >= 4 * 6 * 2 * 8 * 21 * 4  # both of both layers


# ---- groups and tokens as they come


def test_groups_come_as_soon_as_they_end_and_hold_what_generate_gives(weights, engine, at_once):
    longest = int(np.asarray(at_once.mask)[:-GROUP].sum(1).argmax())
    limits = np.full(ROWS, 2)
    limits[longest] = 12
    expected = engine.generate(weights[1], PROMPTS, KEY, GROUP, limits)
    got = list(engine.stream(weights[1], PROMPTS, KEY, GROUP, limits))
    order = [index for index, _ in got]
    assert sorted(order) == list(range(len(PROMPTS)))
    assert order.index(longest // GROUP) > longest // GROUP  # others went past it
    for index, group in got:
        assert_same(group, rows_of(expected, slice(index * GROUP, (index + 1) * GROUP)))


# ---- stop strings


def letters(tokens):
    """A decoder in which tokens have one, two or three letters."""
    return "".join("abcdefgh"[token % 8] * (1 + token % 3) for token in tokens)


def first_end(tokens, strings):
    texts = [letters(tokens[:end]) for end in range(1, len(tokens) + 1)]
    return next((end for end, text in enumerate(texts, 1) if any(s in text for s in strings)), None)


@pytest.mark.parametrize("slots", [0, 5])
def test_a_completion_ends_with_the_token_that_completes_a_stop_string(weights, at_once, slots):
    strings = ("ag", "dd", "hc", "fa")
    engine = make_engine(weights[0], slots=slots, stop=strings, decode=letters)
    got = engine.generate(weights[1], PROMPTS, KEY, GROUP, LIMITS)
    cuts = 0
    for row in range(ROWS):
        free = np.asarray(at_once.tokens[row])[np.asarray(at_once.mask[row])].tolist()
        end = first_end(free, strings)
        expected = free[:end]
        cuts += end is not None and end < len(free)
        assert got.tokens[row][got.mask[row]].tolist() == expected
        assert got.finished[row] == (bool(at_once.finished[row]) or end is not None)
    assert cuts > 5


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"slots": -1}, "slots is -1; it must be 0 (all rows at once) or above."),
        ({"stop": ("a", ""), "decode": letters}, "A stop string is empty; leave it out."),
        ({"stop": ("a",)}, "Stop strings need `decode`, which turns token ids into text, such as tokenizer.decode."),
    ],
)
def test_settings_that_make_no_sense_are_refused(weights, options, sentence):
    with pytest.raises(UserError) as error:
        make_engine(weights[0], **options)
    assert str(error.value) == sentence


def test_a_limit_below_one_is_refused(weights, engine):
    with pytest.raises(UserError) as error:
        engine.generate(weights[1], PROMPTS, KEY, GROUP, [0] * ROWS)
    assert str(error.value) == "A row's limit is 0 tokens; it must be at least 1."
