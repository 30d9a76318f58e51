"""What the compiled update holds at Qwen2.5's vocabulary, by the compiler's own account. Nothing is allocated."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compeer_jax.data.batches import TokenBatch
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract
from compeer_jax.training.config import LossConfig
from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
from compeer_jax.training.packing import one_a_row
from compeer_jax.training.policy_update import PolicyBatch, count_whole, make_policy_loss
from compeer_jax.training.supervised import count_trained, make_supervised_loss
from compeer_jax.training.update import TrainState, make_update

VOCABULARY, ROWS, PROMPT, LENGTH, CHUNK = 151_936, 2, 32, 256, 64
HIDDEN, LAYERS = 256, 8


def size(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def update():
    """The weights, and the compiled update of a batch with full rematerialisation."""
    config = DecoderConfig(VOCABULARY, HIDDEN, 4 * HIDDEN, LAYERS, 4, 2, tie_word_embeddings=True)
    graphdef, params = abstract(config, scan_layers=True, remat="full")
    optimizer = make_optimizer(OptimizerConfig(), 10)
    state = TrainState(params, jax.eval_shape(optimizer.init, params), jax.ShapeDtypeStruct((), jnp.int32))

    real = np.ones((ROWS, LENGTH), bool)
    batch = PolicyBatch(
        prompts=np.zeros((ROWS, PROMPT), np.int32),
        prompt_mask=np.ones((ROWS, PROMPT), bool),
        completions=np.zeros((ROWS, LENGTH), np.int32),
        mask=real,
        trained=real,
        advantages=np.zeros(ROWS, np.float32),
        sampler_logps=np.zeros((ROWS, LENGTH), np.float32),
    )
    batch = jax.eval_shape(lambda: one_a_row(batch)[0])
    loss = make_policy_loss(graphdef, LossConfig(), SamplingConfig(LENGTH))
    return params, make_update(loss, optimizer, whole=count_whole).lower(state, batch).compile()


def test_no_array_has_a_logit_for_every_token(update):
    _, compiled = update
    shapes = {tuple(map(int, found.split(","))) for found in re.findall(r"\[(\d+(?:,\d+)+)\]", compiled.as_text())}
    of_logits = [shape for shape in shapes if VOCABULARY in shape and HIDDEN not in shape]
    assert of_logits, "the head's products are not to be seen: the test looks at the wrong text"
    assert max(int(np.prod(shape)) for shape in of_logits) <= ROWS * CHUNK * VOCABULARY


def memory_at_depth(layers: int, length: int):
    """What the compiled update of SFT takes, one row of so many tokens through a deep and narrow model."""
    config = DecoderConfig(512, 64, 128, layers, 8, 2, tie_word_embeddings=True)
    graphdef, params = abstract(config)
    optimizer = make_optimizer(OptimizerConfig(), 10)
    state = TrainState(params, jax.eval_shape(optimizer.init, params), jax.ShapeDtypeStruct((), jnp.int32))
    tokens = jax.ShapeDtypeStruct((1, length), jnp.int32)
    batch = TokenBatch(tokens, tokens, jax.ShapeDtypeStruct((1, 64), jnp.int32))
    update = make_update(make_supervised_loss(graphdef), optimizer, whole=count_trained)
    return config, size(params), update.lower(state, batch).compile()


def test_a_layer_more_takes_what_its_products_give_and_no_scores():
    """By default, at depth: per token of a layer its input, what its products gave, and what attention found."""
    length, numbers = 1024, []
    for layers in (16, 24):
        config, weights, compiled = memory_at_depth(layers, length)
        numbers.append((weights, compiled.memory_analysis().temp_size_in_bytes))
    (few, shallow), (many, deep) = numbers
    heads = config.num_attention_heads + 2 * config.num_key_value_heads
    a_token = (
        4 * config.hidden_size + heads * config.head_dim + config.num_attention_heads + 3 * config.intermediate_size
    )
    kept = (24 - 16) * length * a_token * 4
    assert deep - shallow <= 1.1 * (kept + many - few)  # with their gradients
    assert kept < 0.5 * (24 - 16) * config.num_attention_heads * length**2 * 4  # or no scores could hide in it


def test_the_moments_are_not_copied():
    _, weights, compiled = memory_at_depth(16, 64)
    memory = compiled.memory_analysis()
    assert memory.alias_size_in_bytes >= 3 * weights
    embedding = re.escape("f32[512,64]")
    assert not re.findall(rf"= {embedding}\S* copy\(%state", compiled.as_text())


def test_memory_is_that_of_the_training_state_its_gradients_and_one_chunk_of_logits(update):
    """Weights, two moments, gradients; a chunk's logits with their softmax and gradient; each layer's input; and one
    layer's own arrays, which the backward pass makes again: about 4 of the MLP's width, and the scores.

    A tied embedding's gradient comes in two parts, of the head and of the tokens read, before they are added.
    """
    params, compiled = update
    memory = compiled.memory_analysis()
    tokens = ROWS * (PROMPT + LENGTH)
    embedding = VOCABULARY * HIDDEN * 4
    logits = 3 * ROWS * CHUNK * VOCABULARY * 4
    activations = (LAYERS * HIDDEN + 4 * 4 * HIDDEN + 2 * 4 * (PROMPT + LENGTH)) * tokens * 4
    expected = 4 * size(params) + embedding + logits + activations
    assert memory.alias_size_in_bytes >= 3 * size(params)  # the state is updated where it lies
    assert memory.argument_size_in_bytes + memory.temp_size_in_bytes <= 1.15 * expected
