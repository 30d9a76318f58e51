"""Chunked log-probabilities against the dense computation, and what they hold in memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.core import jaxprs_in_params
from jax.sharding import NamedSharding, PartitionSpec

from compeer_jax.errors import UserError
from compeer_jax.rl.logprobs import token_logprobs

N, D, V = 3, 8, 50


def example(length, dtype=np.float64):
    rng = np.random.default_rng(length)
    hidden, head = rng.normal(size=(N, length, D)), rng.normal(size=(D, V))
    return hidden.astype(dtype), head.astype(dtype), rng.integers(0, V, (N, length))


def dense(hidden, head, targets, temperature=1.0):
    """log p and entropy in PyTorch, with every logit in memory."""
    logps = torch.log_softmax(hidden @ head / temperature, dim=-1)
    return logps.gather(-1, targets[..., None])[..., 0], -(logps.exp() * logps).sum(-1)


@pytest.mark.parametrize("length, chunk", [(7, 3), (8, 4), (6, 1), (5, 64), (1, 64), (65, 64)])
def test_values_and_gradients_are_those_of_the_dense_computation_in_float64(length, chunk):
    hidden, head, targets = example(length)
    weights = np.random.default_rng(0).normal(size=(2, N, length))

    inputs = [torch.tensor(array, requires_grad=True) for array in (hidden, head, np.array(0.7))]
    expected = dense(inputs[0], inputs[1], torch.tensor(targets), inputs[2])
    sum((torch.tensor(w) * part).sum() for w, part in zip(weights, expected, strict=True)).backward()

    def total(hidden, head, temperature):
        parts = token_logprobs(hidden, head, jnp.array(targets), temperature=temperature, chunk=chunk)
        return sum((w * part).sum() for w, part in zip(weights, parts, strict=True)), parts

    with jax.enable_x64(True):
        arrays = jnp.array(hidden), jnp.array(head), jnp.array(0.7)
        gradients, parts = jax.jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))(*arrays)
    for ours, known in zip(parts, expected, strict=True):
        np.testing.assert_allclose(ours, known.detach().numpy(), rtol=1e-10, atol=1e-12)
    for ours, known in zip(gradients, inputs, strict=True):
        np.testing.assert_allclose(ours, known.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_a_tied_head_is_the_embedding_as_it_lies():
    hidden, head, targets = (jnp.array(array) for array in example(7, np.float32))

    def total(hidden, head, tied):
        logps, entropy = token_logprobs(hidden, head, targets, temperature=0.7, chunk=3, tied=tied)
        return (jnp.sin(logps) + entropy).sum(), (logps, entropy)

    graded = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True), static_argnums=2)
    (to_hidden, to_head), parts = graded(hidden, head, False)
    (to_same, to_rows), same = graded(hidden, head.T, True)
    for one, other in zip((*parts, to_hidden, to_head), (*same, to_same, to_rows.T), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def elements_held(jaxpr) -> int:
    """Size of the largest array that a program computes anywhere, inner programs included."""
    sizes = [variable.aval.size for equation in jaxpr.eqns for variable in equation.outvars]
    inner = [elements_held(part) for equation in jaxpr.eqns for part in jaxprs_in_params(equation.params)]
    return max([*sizes, *inner], default=0)


@pytest.mark.parametrize(
    "length, vocabulary, chunk, columns",
    [(64, 500, 8, 8), (129, 500, 128, 65), (512, 5000, None, 512), (4096, 5000, None, 1024), (300, 200_000, None, 60)],
)
def test_neither_pass_holds_the_logits_of_more_columns(length, vocabulary, chunk, columns):
    hidden, head, targets = jnp.ones((N, length, 4)), jnp.ones((4, vocabulary)), jnp.zeros((N, length), int)
    all_logits = N * length * vocabulary

    def total(score, hidden, head):
        return sum(part.sum() for part in score(hidden, head))

    def plain(hidden, head):
        logps = jax.nn.log_softmax(hidden @ head)
        return logps[..., 0], -(jnp.exp(logps) * logps).sum(-1)

    def held(score):
        passes = [score, jax.grad(partial(total, score), argnums=(0, 1))]
        return [elements_held(jax.make_jaxpr(one)(hidden, head).jaxpr) for one in passes]

    assert min(held(plain)) >= all_logits
    most = held(lambda hidden, head: token_logprobs(hidden, head, targets, chunk=chunk))
    assert max(most) == max(N * columns * vocabulary, head.size)


def test_the_compiled_backward_pass_takes_a_fraction_of_the_memory_of_all_logits():
    hidden, head, targets = jnp.ones((4, 256, 16)), jnp.ones((16, 4096)), jnp.zeros((4, 256), int)

    def total(hidden, head):
        return sum(part.sum() for part in token_logprobs(hidden, head, targets, chunk=16))

    memory = jax.jit(jax.grad(total, argnums=(0, 1))).lower(hidden, head).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 4 * 256 * 4096 * 4 / 3  # of one float32 array of all logits


def test_bfloat16_states_and_head_are_scored_in_float32():
    hidden, head, targets = example(9, np.float32)
    half = jnp.bfloat16(hidden), jnp.bfloat16(head)
    ours = token_logprobs(*half, jnp.array(targets), chunk=4)
    rounded = [torch.tensor(np.asarray(array, np.float64)) for array in half]
    for part, expected in zip(ours, dense(*rounded, torch.tensor(targets)), strict=True):
        assert part.dtype == jnp.float32
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)
    mixed = token_logprobs(half[0], half[1].astype(jnp.float32), jnp.array(targets), chunk=4)
    for part, other in zip(mixed, ours, strict=True):
        np.testing.assert_array_equal(part, other)  # the product is taken in the dtype of the states


def test_the_gradient_of_a_bfloat16_head_adds_up_in_float32():
    # 512 chunks of one column: sums kept in bfloat16 would lose what each adds, some 10 % of the whole.
    hidden, targets = jnp.ones((1, 512, 2), jnp.bfloat16), jnp.zeros((1, 512), int)
    head = jnp.zeros((2, 4), jnp.bfloat16)

    def total(head, chunk):
        return token_logprobs(hidden, head, targets, chunk=chunk)[0].sum()

    gradient = jax.grad(total)(head, 1)
    assert gradient.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(gradient, np.float32), [[384, -128, -128, -128]] * 2, rtol=1 / 256)


@pytest.mark.parametrize("padding", [0, V - 1, V, -1, -100])
def test_padding_may_hold_any_id_and_leaves_value_and_gradient_finite(padding):
    hidden, head, targets = (jnp.array(array) for array in example(6, np.float32))
    mask = jnp.arange(6) < 4

    def total(hidden, head, targets):
        logps, _ = token_logprobs(hidden, head, targets, chunk=4)
        return jnp.where(mask, logps, 0).sum(), logps

    compiled = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
    gradients, logps = compiled(hidden, head, jnp.where(mask, targets, padding))
    expected, _ = compiled(hidden, head, targets)
    assert jnp.isfinite(logps).all()
    jax.tree.map(np.testing.assert_array_equal, gradients, expected)
    np.testing.assert_array_equal(gradients[0][:, 4:], 0)


score_in_pairs = jax.jit(partial(token_logprobs, chunk=2))


@given(st.floats(0.01, 1e4), st.integers(0, 1000))
@settings(max_examples=25)
def test_logps_are_at_most_zero_and_entropy_lies_between_zero_and_log_v(scale, seed):
    hidden = np.float32(scale * np.random.default_rng(seed).normal(size=(N, 5, D)))
    logps, entropy = score_in_pairs(hidden, example(5, np.float32)[1], np.zeros((N, 5), int))
    assert (logps <= 1e-5).all()
    assert (entropy >= -1e-5).all()
    assert (entropy <= np.log(V) + 1e-5).all()


def test_equal_logits_give_log_v_and_a_certain_token_gives_zero():
    head = jnp.concatenate([jnp.ones((1, 1)), jnp.zeros((1, 3))], axis=1)
    logps, entropy = token_logprobs(jnp.array([[[0.0], [1e6]]]), head, jnp.array([[2, 0]]))
    np.testing.assert_allclose(logps, [[-np.log(4), 0]], rtol=1e-6)
    np.testing.assert_allclose(entropy, [[np.log(4), 0]], rtol=1e-6)


def test_vmap_changes_nothing():
    hidden, head, targets = (jnp.array(array) for array in example(7, np.float32))
    score = partial(token_logprobs, chunk=3)
    mapped = jax.jit(jax.vmap(score, in_axes=(0, None, 0)))(hidden[:, None], head, targets[:, None])
    for ours, expected in zip(mapped, score(hidden, head, targets), strict=True):
        np.testing.assert_allclose(ours[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_rows_and_vocabulary_may_lie_on_eight_devices():
    rng = np.random.default_rng(0)
    hidden, head = (jnp.array(rng.normal(size=shape), jnp.float32) for shape in [(4, 7, D), (D, 48)])
    targets = jnp.array(rng.integers(0, 48, (4, 7)))
    mesh = jax.make_mesh((4, 2), ("data", "tensor"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    spread = [NamedSharding(mesh, PartitionSpec(*axes)) for axes in [("data",), (None, "tensor")]]

    @jax.jit
    def score(hidden, head):
        parts, pull_back = jax.vjp(lambda *arrays: token_logprobs(*arrays, targets, chunk=3), hidden, head)
        return parts, pull_back(jax.tree.map(jnp.ones_like, parts))

    sharded = score(*jax.device_put([hidden, head], spread))
    for ours, expected in zip(jax.tree.leaves(sharded), jax.tree.leaves(score(hidden, head)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_no_columns_give_no_columns():
    logps, entropy = token_logprobs(jnp.zeros((2, 0, D)), jnp.zeros((D, V)), jnp.zeros((2, 0), int))
    assert logps.shape == entropy.shape == (2, 0)


@pytest.mark.parametrize(
    "options, sentence",
    [({"temperature": 0.0}, "temperature is 0.0; it must be above 0"), ({"chunk": 0}, "chunk is 0")],
)
def test_what_cannot_be_computed_is_refused_in_a_sentence(options, sentence):
    hidden, head, targets = (jnp.array(array) for array in example(2, np.float32))
    with pytest.raises(UserError, match=sentence):
        token_logprobs(hidden, head, targets, **options)
