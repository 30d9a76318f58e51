"""Conversations against a reference that reads everything anew for every token, and what the compiled program does."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from tiny_qwen2 import same_model, torch_model

from compeer_jax.generation.conversation import Schedule
from compeer_jax.generation.conversation_engine import ConversationEngine
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.qwen2 import Qwen2, Qwen2Config

CONFIG = Qwen2Config(
    vocab_size=160,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    tie_word_embeddings=True,
    initializer_range=0.3,
)
STOPS = tuple(range(40, 52))
LONGEST = 6
GREEDY = SamplingConfig(max_new_tokens=LONGEST, temperature=0.0)
SAMPLED = SamplingConfig(max_new_tokens=LONGEST)


def make_conversations(prompts: int, group_size: int, seed: int = 0, rounds: int = 3, vocabulary: int = 160):
    """Ragged ones: prompts of 1 to 30 shared tokens, then asks of 1 to 12."""
    rng = np.random.default_rng(seed)

    def tokens(low, high):
        return rng.integers(0, vocabulary, rng.integers(low, high + 1)).tolist()

    conversations = []
    for _ in range(prompts):
        shared = tokens(1, 30)
        for _ in range(group_size):
            asks = [tokens(1, 12) for _ in range(rounds)]
            conversations.append([shared + asks[0], *asks[1:]])
    return conversations


def reference_replies(next_token, conversation, stop_ids):
    """Greedy replies, everything read anew for every token: (reply without its stop token, whether it stopped)."""
    text, replies = [], []
    for ask in conversation:
        text = text + ask
        reply, finished = [], False
        while not finished and len(reply) < LONGEST:
            token = next_token(text + reply)
            finished = token in stop_ids
            reply.append(token)
        reply = reply[:-1]
        replies.append((reply, finished))
        text = text + reply
    return replies


@pytest.fixture(scope="module")
def model():
    return Qwen2(CONFIG, rngs=nnx.Rngs(0))


@functools.cache
def engine_of(graphdef, sampling=GREEDY, stop_ids=STOPS, **options):
    return ConversationEngine(graphdef, sampling=sampling, stop_ids=stop_ids, pad_id=0, multiple=16, **options)


def reply(model, conversations, key=0, group_size=1, **options):
    graphdef, params = nnx.split(model)
    return engine_of(graphdef, **options).reply(params, conversations, jax.random.key(key), group_size)


def test_greedy_replies_equal_transformers_reading_everything_anew_for_every_token(tmp_path):
    reference = torch_model(max_position_embeddings=256)

    def next_token(tokens):
        with torch.no_grad():
            return int(reference(torch.tensor([tokens])).logits[0, -1].argmax())

    conversations = make_conversations(3, 4, vocabulary=64)
    stop_ids = (5, 9, 11, 20, 33, 41)
    expected = [reference_replies(next_token, conversation, stop_ids) for conversation in conversations]
    model = same_model(reference, tmp_path)
    for schedule in (Schedule(1, 16), Schedule(5, 4), Schedule(None, 4)):
        got = reply(model, conversations, group_size=4, stop_ids=stop_ids, schedule=schedule)
        assert got == expected
    finished = [finished for row in expected for _, finished in row]
    assert 0 < sum(finished) < len(finished)
    assert len({len(tokens) for row in expected for tokens, _ in row}) > 3
