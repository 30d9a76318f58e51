"""Attention: who sees whom, and every kernel beside the plain code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import tiny_config, tiny_model

from compeer_jax.errors import UserError
from compeer_jax.models.attention import KEY_BLOCK, attend, causal_visibility, segment_positions, visible_blocks
from compeer_jax.models.attention_kernels import attend_cudnn, attend_splash, attention_by_name
from compeer_jax.models.blockwise_attention import QUERY_BLOCK, attend_blockwise
from compeer_jax.models.decoder import Qwen2
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

SEGMENTS = np.array([[1] * 5 + [2] * 9 + [0] * 2, [0] * 3 + [7] * 13])


def arrays(rows=2, length=16, heads=4, kv_heads=2, size=8, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=(rows, length, k, size)), dtype) for k in (heads, kv_heads, kv_heads)]


def by_loops(query, key, value, seen):
    """Each query alone, in float64."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    out = np.zeros_like(query)
    for n, t, q in np.ndindex(query.shape[:3]):
        columns = np.flatnonzero(seen[n, t])
        k = q // (query.shape[2] // key.shape[2])
        scores = key[n, columns, k] @ query[n, t, q] / np.sqrt(query.shape[3])
        weights = np.exp(scores - scores.max(initial=-np.inf))
        out[n, t, q] = weights @ value[n, columns, k] / weights.sum() if len(columns) else value[n, :, k].mean(0)
    return out


def test_attention_is_that_of_loops_over_each_query():
    segments = jnp.asarray(SEGMENTS)
    seen = np.zeros((2, 16, 16), bool)
    for n, t, s in np.ndindex(seen.shape):
        seen[n, t, s] = s <= t and SEGMENTS[n, s] == SEGMENTS[n, t] != 0
    np.testing.assert_array_equal(causal_visibility(segments).mask(), seen)
    query, key, value = arrays()
    ours = attend(query, key, value, causal_visibility(segments))
    np.testing.assert_allclose(ours, by_loops(query, key, value, seen), atol=1e-6)


def packed_rows(seed, rows=2, blocks=6):
    """Segments and branches of rows of random prompts, each with random completions, and some padding at the end."""
    rng = np.random.default_rng(seed)
    length = blocks * KEY_BLOCK
    segments, branches = np.zeros((2, rows, length), np.int32)
    for row in range(rows):
        end = segment = 0
        while (room := length - end - rng.integers(60)) > 40:
            sizes = rng.integers(1, 90, rng.integers(1, 5)).cumsum()
            sizes = sizes[sizes <= room]
            segment += 1
            for branch, (start, stop) in enumerate(zip([0, *sizes], sizes, strict=False)):
                segments[row, end + start : end + stop], branches[row, end + start : end + stop] = segment, branch
            end += sizes[-1] if len(sizes) else room
    return segments, branches


@pytest.mark.parametrize("seed", range(5))
def test_a_blocks_blocks_are_itself_and_those_it_sees_any_token_of(seed):
    segments, branches = packed_rows(seed)
    seen = np.asarray(causal_visibility(jnp.asarray(segments), jnp.asarray(branches)).mask())
    by_blocks = seen.reshape(2, 6, KEY_BLOCK, 6, KEY_BLOCK).any(axis=(2, 4)) | np.eye(6, dtype=bool)
    found = visible_blocks(segments, branches)
    assert [[np.flatnonzero(block).tolist() for block in row] for row in by_blocks] == found
    alone = visible_blocks(segments, None)  # every segment is a trunk
    assert alone == visible_blocks(segments, np.zeros_like(segments))


def test_attention_in_blocks_is_attention_with_its_gradients():
    segments, branches = packed_rows(1)
    found = visible_blocks(segments, branches)
    most = max(len(block) for row in found for block in row) + 1  # one place more than any block needs
    key_blocks = jnp.array([[block + [-1] * (most - len(block)) for block in row] for row in found])
    real = jnp.asarray(segments != 0)[..., None, None]
    inputs = arrays(length=6 * KEY_BLOCK)

    def total(key_blocks, *inputs):
        visibility = causal_visibility(jnp.asarray(segments), jnp.asarray(branches), key_blocks)
        mixed = attention_by_name("xla")(*inputs, visibility) * real
        return jnp.sin(mixed).sum(), mixed

    gradients = jax.jit(jax.grad(total, argnums=(1, 2, 3), has_aux=True))
    for ours, expected in zip(
        *(jax.tree.leaves(gradients(known, *inputs)) for known in (key_blocks, None)), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("length", [QUERY_BLOCK + 1, 2 * QUERY_BLOCK])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (jnp.bfloat16, 3e-2)])
def test_blockwise_attention_is_the_plain_one_with_its_gradients(length, dtype, tolerance):
    cuts = [3, 40, QUERY_BLOCK - 7, QUERY_BLOCK + 1, length]
    segments = jnp.asarray([np.searchsorted(cuts, np.arange(length), side="right") % 4, np.ones(length, int)])
    same_with_gradients(attend_blockwise, *arrays(length=length, dtype=dtype), segments, tolerance)


def test_blockwise_attention_knows_branches():
    segments, branches = map(jnp.asarray, packed_rows(2, blocks=5))
    query, key, value = arrays(length=segments.shape[1])
    visibility = causal_visibility(segments, branches)
    real = (segments != 0)[..., None, None]
    ours, plain = (kernel(query, key, value, visibility) * real for kernel in (attend_blockwise, attend))
    np.testing.assert_allclose(ours, plain, atol=2e-6)


def test_a_branch_reads_the_trunk_and_itself_as_if_it_stood_alone():
    """One row of a prompt and three completions of it gives the hidden states of three rows of prompt + completion."""
    read = jax.jit(tiny_model().__call__)
    rng = np.random.default_rng(1)
    prompt, completions = rng.integers(0, 64, 6), [rng.integers(0, 64, size) for size in (4, 1, 5)]
    row = np.concatenate([prompt, *completions])[None]
    branches = np.repeat([0, 1, 2, 3], [6, 4, 1, 5])[None]
    segments = np.ones_like(branches)
    positions = segment_positions(jnp.asarray(segments), jnp.asarray(branches))
    assert positions[0].tolist() == [*range(6), *range(6, 10), 6, *range(6, 11)]
    together = read(jnp.asarray(row), segment_ids=jnp.asarray(segments), branches=jnp.asarray(branches))[0]
    start = 6
    for completion in completions:
        alone = read(jnp.asarray(np.concatenate([prompt, completion])[None]))[0]
        end = start + len(completion)
        np.testing.assert_allclose(together[start:end], alone[6:], atol=2e-5)
        np.testing.assert_allclose(together[:6], alone[:6], atol=2e-5)
        start = end


def same_with_gradients(kernel, query, key, value, segments, tolerance):
    """Outputs and gradients of both wherever there is a token."""
    real = np.asarray(segments != 0)[..., None, None]

    def total(attend):
        def loss(query, key, value):
            out = attend(query, key, value, causal_visibility(segments)).astype(jnp.float32)
            out = jnp.where(real, out, 0)
            return (jnp.sin(3 * out)).sum(), out

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))(query, key, value)

    ((_, ours), gradients), ((_, plain), expected) = total(kernel), total(attend)
    np.testing.assert_allclose(ours, plain, atol=tolerance)
    for gradient, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(
            np.asarray(gradient, np.float32), np.asarray(wanted, np.float32), atol=10 * tolerance
        )


def long_segments():
    """Two documents, padding on either side: lengths that are no multiple of a block."""
    segments = np.zeros((2, 150), np.int32)
    segments[0, :60], segments[0, 60:140] = 1, 2
    segments[1, 20:150] = 3
    return jnp.asarray(segments)


@pytest.mark.parametrize("mesh", [MeshConfig(), MeshConfig(data=2, tensor=2)], ids=str)
def test_splash_attention_is_the_plain_one(mesh):
    query, key, value = arrays(length=150, size=128)

    def splash(*arrays):
        return attend_splash(*arrays, interpret=jax.default_backend() != "tpu")

    with jax.set_mesh(make_mesh(mesh)):
        same_with_gradients(splash, query, key, value, long_segments(), 2e-5)


def test_cudnn_attention_is_the_plain_one():
    if jax.default_backend() != "gpu":
        pytest.skip("no GPU here")
    query, key, value = arrays(length=150, size=64, dtype=jnp.bfloat16)
    same_with_gradients(attend_cudnn, query, key, value, long_segments(), 2e-2)


def test_a_kernel_that_cannot_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"^model\.attention: unknown attention 'cudn'; did you mean 'cudnn'\?"):
        attention_by_name("cudn")
    query, key, value = arrays()
    visibility = causal_visibility(jnp.asarray(SEGMENTS), jnp.zeros_like(jnp.asarray(SEGMENTS)))
    with pytest.raises(UserError, match="knows no branches of a segment; take 'xla'"):
        attend_splash(query, key, value, visibility)
    if jax.default_backend() == "cpu":
        with pytest.raises(
            UserError, match=r"^model\.attention is 'cudnn', but the backend here is cpu; take 'auto' or 'xla'\.$"
        ):
            attend_cudnn(query, key, value, visibility)


def test_auto_is_the_plain_code_where_no_kernel_fits():
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 64, (2, 12)))
    hidden = {}
    for name in ("auto", "xla"):
        model = Qwen2(tiny_config(), rngs=nnx.Rngs(0), attention=name)
        hidden[name] = model(tokens)
    np.testing.assert_array_equal(hidden["auto"], hidden["xla"])
