"""Rollouts against transformers' generate, against the learner's log-probs, and what the compiled program does."""

import functools
import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from tiny import DECISIVE, PASSES, CountingQwen2
from transformers import Qwen2Config as TorchConfig
from transformers import Qwen2ForCausalLM

from compeer_jax.generation.decode import OWN_HEAD_FROM
from compeer_jax.generation.rollout import Rollout, rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.rl.logprobs import token_logprobs

PAD = 0
PROMPTS = np.array([[0, 0, 0, 5, 17], [3, 9, 27, 81, 42], [0, 0, 0, 0, 90]], np.int32)
MASK = np.array([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], bool)


@pytest.fixture(scope="module")
def model():
    return Qwen2(DECISIVE, rngs=nnx.Rngs(0))


STOPS = tuple(range(100, 108))
SAMPLED = SamplingConfig(max_new_tokens=12)


@functools.cache
def compiled(**options):
    """rollout, compiled once for all tests with these options."""
    options = {"group_size": 1, "stop_ids": (), "pad_id": PAD} | options

    @jax.jit
    def run(params, prompts, mask, key, graphdef):
        return rollout(nnx.merge(graphdef.value, params), prompts, mask, key, **options)

    def generate(model, prompts=PROMPTS, mask=MASK, key=0) -> Rollout:
        graphdef, params = nnx.split(model)
        return run(params, jnp.asarray(prompts), jnp.asarray(mask), jax.random.key(key), Static(graphdef))

    return generate


@jax.tree_util.register_static
class Static:
    """A hashable value that jit takes as a constant."""

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        return self.value == other.value


# ---- equal to transformers


@pytest.mark.parametrize("tied", [True, False])
def test_greedy_tokens_equal_transformers_generate_with_left_padding_and_stop_tokens(tmp_path, tied):
    torch.manual_seed(0)
    shape = {name: getattr(DECISIVE, name) for name in ("vocab_size", "hidden_size", "intermediate_size")}
    config = TorchConfig(
        **shape,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=PAD,
    )
    reference = Qwen2ForCausalLM(config).eval()
    reference.save_pretrained(tmp_path)
    model = Qwen2.from_pretrained(tmp_path)
    length = 24

    def generate(stop_ids):
        with torch.no_grad():
            tokens = reference.generate(
                torch.tensor(PROMPTS, dtype=torch.long),
                attention_mask=torch.tensor(MASK, dtype=torch.long),
                do_sample=False,
                max_new_tokens=length,
                eos_token_id=list(stop_ids) or None,
                pad_token_id=PAD,
            )
        return tokens[:, PROMPTS.shape[1] :].numpy()

    sampling = SamplingConfig(max_new_tokens=length, temperature=0.0)
    free = generate(())
    np.testing.assert_array_equal(compiled(sampling=sampling)(model).tokens, free)

    stop_ids = (int(free[0, 4]), int(free[2, 9]))  # at the latest there two rows stop
    expected = np.full((len(PROMPTS), length), PAD)
    stopped = generate(stop_ids)
    expected[:, : stopped.shape[1]] = stopped
    got = compiled(sampling=sampling, stop_ids=stop_ids)(model)
    np.testing.assert_array_equal(got.tokens, expected)
    ends = np.isin(expected, stop_ids)
    np.testing.assert_array_equal(got.finished, ends.any(1))
    assert got.finished[0]
    assert got.finished[2]
    lengths = np.where(ends.any(1), ends.argmax(1) + 1, length)
    np.testing.assert_array_equal(np.asarray(got.mask), np.arange(length) < lengths[:, None])


# ---- equal to the learner


@pytest.mark.parametrize(
    "sampling, scan_layers",
    [
        (SAMPLED, False),
        (SamplingConfig(max_new_tokens=12, temperature=0.7, top_p=0.8), False),
        (SamplingConfig(max_new_tokens=12, temperature=1.5, top_k=5), True),
    ],
    ids=str,
)
def test_sampled_log_probabilities_equal_the_learners(sampling, scan_layers):
    model = Qwen2(DECISIVE, rngs=nnx.Rngs(0), scan_layers=scan_layers)
    got = compiled(sampling=sampling, group_size=4, stop_ids=STOPS)(model)
    assert got.finished.any()
    assert not got.finished.all()

    @nnx.jit
    def learner(model, tokens, segments, targets):
        hidden = model(tokens, segment_ids=segments)[:, PROMPTS.shape[1] - 1 : -1]
        return token_logprobs(hidden, model.head, targets, temperature=sampling.temperature)[0]

    tokens = np.concatenate([np.repeat(PROMPTS, 4, axis=0), got.tokens], axis=1)
    segments = np.concatenate([np.repeat(MASK, 4, axis=0), got.mask], axis=1).astype(np.int32)
    expected = learner(model, jnp.asarray(tokens), jnp.asarray(segments), got.tokens)
    np.testing.assert_allclose(got.logps, np.where(got.mask, expected, 0), atol=1e-4)


# ---- noise


def test_the_same_key_draws_the_same_and_another_key_draws_anew(model):
    draw = compiled(sampling=SAMPLED, group_size=4, stop_ids=STOPS)
    first, again, other = draw(model, key=1), draw(model, key=1), draw(model, key=2)
    np.testing.assert_array_equal(first.tokens, again.tokens)
    np.testing.assert_array_equal(first.logps, again.logps)
    both = np.asarray(first.mask & other.mask)
    assert (np.asarray(first.tokens) != np.asarray(other.tokens))[both].mean() > 0.5


def test_completions_of_one_prompt_differ_in_their_very_first_token(model):
    draw = compiled(sampling=SamplingConfig(max_new_tokens=1, temperature=2.0), group_size=64)
    for group in np.asarray(draw(model).tokens).reshape(len(PROMPTS), 64):
        assert len(set(group.tolist())) > 10


def test_a_row_does_not_depend_on_the_other_rows(model):
    draw = compiled(sampling=SAMPLED, group_size=4, stop_ids=STOPS)
    others, other_mask = PROMPTS.copy(), MASK.copy()
    others[[0, 2]] = [[7, 7, 7, 7, 7], [0, 140, 141, 142, 143]]
    other_mask[[0, 2]] = [[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]]
    first, second = draw(model), draw(model, others, other_mask)
    rows = slice(4, 8)  # the group of prompt 1
    for field, other_field in zip(first, second, strict=True):
        np.testing.assert_array_equal(field[rows], other_field[rows])
    assert (first.tokens[:4] != second.tokens[:4]).any()


def test_padding_on_the_left_changes_no_token(model):
    draw = compiled(sampling=SAMPLED, group_size=4, stop_ids=STOPS)
    wide = np.pad(PROMPTS, ((0, 0), (7, 0)), constant_values=33)
    got, expected = draw(model, wide, np.pad(MASK, ((0, 0), (7, 0)))), draw(model)
    np.testing.assert_array_equal(got.tokens, expected.tokens)
    np.testing.assert_allclose(got.logps, expected.logps, atol=1e-5)


def test_after_the_stop_token_there_is_only_padding_without_probability(model):
    draw = compiled(sampling=SAMPLED, group_size=4, stop_ids=STOPS)
    got = jax.tree.map(np.asarray, draw(model))
    assert got.finished.any()
    for tokens, mask, logps, finished in zip(*got, strict=True):
        count = mask.sum()
        assert mask[:count].all()
        assert finished == (tokens[count - 1] in STOPS)
        assert not np.isin(tokens[: count - 1], STOPS).any()
        assert (tokens[count:] == PAD).all()
        assert (logps[count:] == 0).all()
        assert (logps[:count] < 0).all()
        assert finished or count == 12


# ---- what the program does


@pytest.mark.parametrize(
    "stop_ids, passes",
    [(tuple(range(DECISIVE.vocab_size)), [4, 1]), ((), [4] + [1] * 10)],
    ids=["all rows stop at once", "no row stops"],
)
def test_the_loop_ends_when_every_row_has_stopped(stop_ids, passes):
    model = CountingQwen2(DECISIVE, rngs=nnx.Rngs(0))
    PASSES.clear()
    jax.block_until_ready(compiled(sampling=SamplingConfig(max_new_tokens=10), stop_ids=stop_ids)(model))
    jax.effects_barrier()
    assert [one.tokens for one in PASSES] == passes


def equations(jaxpr, loops):
    """All equations of a jaxpr and those within it; with those of while loops or without."""
    for equation in jaxpr.eqns:
        yield equation
        if equation.primitive.name == "while" and not loops:
            continue
        for inner in jax.core.jaxprs_in_params(equation.params):
            yield from equations(inner, loops)


def program(model, group_size):
    graphdef, params = nnx.split(model)

    def run(params, key):
        options = {"sampling": SamplingConfig(max_new_tokens=6), "stop_ids": (1,), "pad_id": PAD}
        return rollout(
            nnx.merge(graphdef, params), jnp.asarray(PROMPTS), jnp.asarray(MASK), key, group_size=group_size, **options
        )

    return jax.make_jaxpr(run)(params, jax.random.key(0)).jaxpr, run, params


def product_shapes(jaxpr, loops):
    return [e.outvars[0].aval.shape for e in equations(jaxpr, loops) if e.primitive.name == "dot_general"]


def test_the_prompts_of_a_group_are_prefilled_once(model):
    one, four = (program(model, group_size)[0] for group_size in (1, 4))
    assert product_shapes(one, loops=False) == product_shapes(four, loops=False)
    assert product_shapes(one, loops=False)
    assert product_shapes(one, loops=True) != product_shapes(four, loops=True)


def test_the_head_runs_on_the_last_prompt_position_only(model):
    rows, length = PROMPTS.shape
    jaxpr = program(model, 1)[0]
    assert all(DECISIVE.vocab_size not in shape for shape in product_shapes(jaxpr, loops=False))
    assert (rows, DECISIVE.vocab_size) in product_shapes(jaxpr, loops=True)
    sizes = [v.aval.size for e in equations(jaxpr, loops=True) for v in e.outvars]
    assert rows * (length - 1) * DECISIVE.vocab_size not in sizes


def test_the_last_layer_gives_the_keys_and_values_of_a_prompt_and_no_more(model):
    _, run, params = program(model, 1)
    text = jax.jit(run).lower(params, jax.random.key(0)).compile().as_text()

    def products(layer_part):
        return len(re.findall(rf" dot\(.*op_name=\"[^\"]*prefill/layers/{layer_part}", text))

    layers = DECISIVE.num_hidden_layers
    assert products("mlp") == 3 * (layers - 1)
    assert products("attention/output") == layers - 1
    assert products("attention/qkv") == 3 * (layers - 1) + 2


def test_a_prompt_of_one_token_is_read_as_any_other(model):
    alone = compiled(sampling=SAMPLED)(model, PROMPTS[2:, -1:], MASK[2:, -1:])
    padded = compiled(sampling=SAMPLED)(model, PROMPTS[2:], MASK[2:])
    np.testing.assert_array_equal(alone.tokens, padded.tokens)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_head_of_its_own_draws_what_the_embedding_draws(model, temperature):
    few = SamplingConfig(max_new_tokens=12, temperature=temperature)
    many = replace(few, max_new_tokens=OWN_HEAD_FROM)
    short, long = compiled(sampling=few)(model), compiled(sampling=many)(model)
    np.testing.assert_array_equal(long.tokens[:, :12], short.tokens)
    np.testing.assert_allclose(long.logps[:, :12], short.logps, rtol=1e-5, atol=1e-5)


def test_the_loop_updates_the_cache_in_place(model):
    _, run, params = program(model, 4)
    text = jax.jit(run).lower(params, jax.random.key(0)).compile().as_text()
    text = text[: text.index("ENTRY")]  # the loop; what comes before it may copy zeros
    for cache in ("f32[12,2,8,10]", "f32[12,2,10,8]"):  # rows, key-value heads, head_dim, 5 + 6 - 1 slots
        assert f"= {cache}" in text
        assert not re.findall(re.escape(f"= {cache}") + r"\{[\d,]*\} copy\(", text)


def test_weights_are_cast_once_and_not_in_the_loop():
    wide = Qwen2(DECISIVE, rngs=nnx.Rngs(0), dtype=jnp.bfloat16, param_dtype=jnp.float32)
    jaxpr, _, _ = program(wide, 1)
    weights = {leaf.shape for leaf in jax.tree.leaves(nnx.state(wide)) if leaf.ndim > 1}

    def casts(loops):
        found = [e for e in equations(jaxpr, loops) if e.primitive.name == "convert_element_type"]
        return sum(e.invars[0].aval.dtype == jnp.float32 and e.invars[0].aval.shape in weights for e in found)

    assert casts(loops=False) > 0
    assert casts(loops=True) == casts(loops=False)
