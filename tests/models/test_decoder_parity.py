"""Our decoders equal transformers' in float32: logits, log-probabilities and the gradient of every weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from tiny_decoder import VARIANTS, same_model, torch_model
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.hf_names import hf_tensors
from compeer_jax.models.rope import attention_factor, inverse_frequencies

LIMIT = 1e-4

# 0 is padding; equal numbers are one text.
LAYOUTS = {
    "left_padding": [[0] * 9 + [1] * 15, [1] * 24, [0] * 20 + [1] * 4],
    "right_padding": [[1] * 15 + [0] * 9, [1] * 24, [1] * 4 + [0] * 20],
    "packed": [[1] * 10 + [2] * 9 + [3] * 5, [4] * 12 + [2] * 8 + [0] * 4, [0] * 2 + [1] * 11 + [7] * 11],
}


def relative_error(ours, theirs) -> float:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def texts(segment_ids: np.ndarray):
    """Every text as the (row, places) it takes."""
    for row, segments in enumerate(segment_ids):
        for segment in np.unique(segments[segments != 0]):
            yield row, np.flatnonzero(segments == segment)


def torch_logits(model, tokens: np.ndarray, segment_ids: np.ndarray, layout: str) -> torch.Tensor:
    """transformers' logits: padded rows in one batch, with its own masks; packed texts each run alone."""
    if layout == "packed":
        logits = torch.zeros(*tokens.shape, model.config.vocab_size)
        for row, places in texts(segment_ids):
            logits[row, places] = model(torch.tensor(tokens[row : row + 1, places])).logits[0]
        return logits
    mask = torch.tensor(segment_ids != 0).long()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return model(torch.tensor(tokens), attention_mask=mask, position_ids=positions).logits


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_logprobs_and_every_gradient_equal_transformers(variant, layout, tmp_path):
    theirs = torch_model(**VARIANTS[variant])
    ours = same_model(theirs, tmp_path)
    segment_ids = np.array(LAYOUTS[layout])
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 64, segment_ids.shape)
    weights = rng.normal(size=segment_ids[:, 1:].shape).astype(np.float32)
    weights *= (segment_ids[:, 1:] == segment_ids[:, :-1]) & (segment_ids[:, 1:] != 0)
    real = segment_ids != 0

    their_logits = torch_logits(theirs, tokens, segment_ids, layout)
    their_logps = their_logits[:, :-1].log_softmax(-1).gather(-1, torch.tensor(tokens[:, 1:, None]))[..., 0]
    (their_logps * torch.tensor(weights)).sum().backward()

    graphdef, params = nnx.split(ours)

    @jax.jit
    def run(params):
        def loss(params):
            model = nnx.merge(graphdef, params)
            logits = model.logits(model(jnp.asarray(tokens), segment_ids=jnp.asarray(segment_ids)))
            logps = jnp.take_along_axis(jax.nn.log_softmax(logits[:, :-1]), tokens[:, 1:, None], -1)[..., 0]
            return jnp.sum(logps * weights), (logits, logps)

        return jax.grad(loss, has_aux=True)(params)

    gradients, (our_logits, our_logps) = run(params)
    assert relative_error(np.asarray(our_logits)[real], their_logits.detach().numpy()[real]) <= LIMIT
    trains = weights != 0
    assert relative_error(np.asarray(our_logps)[trains], their_logps.detach().numpy()[trains]) <= LIMIT

    flat = dict(nnx.to_flat_state(gradients))
    our_gradients = {t.name: t.to_hf(np.asarray(flat[t.path][...])) for t in hf_tensors(gradients)}
    their_gradients = {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()}
    assert our_gradients.keys() == their_gradients.keys()
    errors = {name: relative_error(our_gradients[name], grad) for name, grad in their_gradients.items()}
    assert max(errors.values()) <= LIMIT, errors


@pytest.mark.parametrize(
    "options",
    [
        {"factor": 4.0, "original_max_position_embeddings": 32768},
        {"factor": 8.0, "original_max_position_embeddings": 64, "beta_fast": 16, "beta_slow": 2},
        {"factor": 4.0, "original_max_position_embeddings": 64, "truncate": False},
        {"factor": 4.0, "original_max_position_embeddings": 64, "mscale": 0.7, "mscale_all_dim": 1.2},
        {"factor": 4.0, "original_max_position_embeddings": 64, "mscale": 0.7},
        {"factor": 4.0, "original_max_position_embeddings": 64, "attention_factor": 1.5},
        {"factor": 1.0, "original_max_position_embeddings": 128},
    ],
    ids=str,
)
def test_yarn_frequencies_and_factor_equal_transformers(options):
    theirs = torch_model(rope_parameters={"rope_type": "yarn", "rope_theta": 1e6, **options}, head_dim=64).config
    frequencies, factor = ROPE_INIT_FUNCTIONS["yarn"](theirs, device="cpu")
    ours = DecoderConfig.from_hf(theirs.to_dict())
    np.testing.assert_allclose(inverse_frequencies(ours), frequencies.numpy(), rtol=1e-6)
    assert attention_factor(ours.rope_scaling) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
        {"factor": 32.0, "low_freq_factor": 0.5, "high_freq_factor": 6.0, "original_max_position_embeddings": 64},
    ],
    ids=str,
)
def test_llama3_frequencies_equal_transformers(options):
    rope = {"rope_type": "llama3", "rope_theta": 5e5, **options}
    theirs = torch_model(family="llama", rope_parameters=rope, head_dim=64, max_position_embeddings=131072).config
    frequencies, _ = ROPE_INIT_FUNCTIONS["llama3"](theirs, device="cpu")
    ours = DecoderConfig.from_hf(theirs.to_dict())
    np.testing.assert_allclose(inverse_frequencies(ours), frequencies.numpy(), rtol=2e-6)


def test_bfloat16_forward_is_as_close_to_float32_as_transformers_own(tmp_path):
    theirs = torch_model(hidden_size=64, num_hidden_layers=4)
    tokens = np.random.default_rng(1).integers(0, 64, (4, 32))
    exact = theirs(torch.tensor(tokens)).logits.detach().numpy()
    ours = same_model(theirs, tmp_path, dtype=jnp.bfloat16)
    error = relative_error(nnx.jit(lambda model, x: model.logits(model(x)))(ours, jnp.asarray(tokens)), exact)
    their_error = relative_error(theirs.bfloat16()(torch.tensor(tokens)).logits.float().detach().numpy(), exact)
    print(f"relative error of bfloat16 logits: ours {error:.2e}, transformers' {their_error:.2e}")
    assert 1e-4 < error < 1.5 * their_error


@pytest.mark.parametrize(("scan_layers", "remat"), [(True, "none"), (False, "dots"), (True, "full")])
def test_scanned_and_rematerialised_layers_give_the_same_numbers(scan_layers, remat, tmp_path):
    torch_model(tie_word_embeddings=True).save_pretrained(tmp_path)
    tokens = jnp.asarray(np.random.default_rng(2).integers(0, 64, (2, 12)))

    def run(**options):
        model = Qwen2.from_pretrained(tmp_path, **options)
        graphdef, params = nnx.split(model)

        def loss(params):
            model = nnx.merge(graphdef, params)
            return jnp.mean(jax.nn.log_softmax(model.logits(model(tokens)))[..., 3])

        value, gradient = jax.jit(jax.value_and_grad(loss))(params)
        flat = dict(nnx.to_flat_state(gradient))
        tensors = {}
        for tensor in hf_tensors(gradient):
            array = np.asarray(flat[tensor.path][...])
            tensors[tensor.name] = tensor.to_hf(array if tensor.layer is None else array[tensor.layer])
        return value, tensors

    value, gradients = run()
    other_value, other_gradients = run(scan_layers=scan_layers, remat=remat)
    np.testing.assert_allclose(other_value, value, rtol=1e-6)
    assert other_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert relative_error(other_gradients[name], gradient) < 1e-5, name


def test_scanning_layers_keeps_the_program_flat_in_depth():
    def program_length(layers: int) -> int:
        config = DecoderConfig(32, 16, 16, layers, 2, 1)
        model = nnx.eval_shape(lambda: Qwen2(config, rngs=nnx.Rngs(0), scan_layers=True))
        graphdef, params = nnx.split(model)
        tokens = jax.ShapeDtypeStruct((1, 4), jnp.int32)
        return len(jax.jit(lambda p, t: nnx.merge(graphdef, p)(t)).lower(params, tokens).as_text().splitlines())

    assert program_length(2) == program_length(12)


def test_a_padded_row_and_its_gradient_stay_finite():
    model = Qwen2(DecoderConfig(32, 16, 16, 2, 2, 1), rngs=nnx.Rngs(0))
    tokens = jnp.ones((2, 6), jnp.int32)
    segment_ids = jnp.array([[0] * 6, [1] * 6])
    graphdef, params = nnx.split(model)

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return jnp.sum(nnx.merge(graphdef, params)(tokens, segment_ids=segment_ids) ** 2)

    gradient = gradient_of(params)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))


def test_positions_count_the_real_tokens_of_the_segment():
    model = Qwen2(DecoderConfig(32, 16, 16, 1, 2, 1), rngs=nnx.Rngs(0))
    tokens = jnp.arange(9)[None] % 5
    segment_ids = jnp.array([[0, 1, 1, 0, 1, 2, 2, 2, 0]])
    positions = jnp.array([[0, 0, 1, 0, 2, 0, 1, 2, 0]])
    by_default = model(tokens, segment_ids=segment_ids)
    given = model(tokens, segment_ids=segment_ids, positions=positions)
    real = segment_ids[0] != 0
    np.testing.assert_array_equal(by_default[0, real], given[0, real])
    moved = model(tokens, segment_ids=segment_ids, positions=positions * 2)
    assert float(jnp.abs(moved - given)[0, real].max()) > 1e-4
