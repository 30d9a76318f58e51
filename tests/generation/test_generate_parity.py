"""Each family, repetition penalty and stop strings against transformers' generate, in one loop and in slots."""

import jax
import numpy as np
import pytest
import torch
from flax import nnx
from tiny_decoder import VARIANTS, same_model, torch_model

from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sampling import SamplingConfig

PROMPTS = [[5, 17, 33, 8], [90, 3, 4, 12], [7, 7, 200, 150]]  # of one length: transformers penalises padding too
NEW = 24
TEXTS = ["I can't sleep, and I don't know who to talk to.", "What worries you most?", "我最近总是睡不着。"] * 4


@pytest.fixture(scope="module")
def tokenizer():
    """Byte-level BPE of 300 tokens, some of which are parts of characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=pieces)


@pytest.fixture(scope="module")
def models(tmp_path_factory, tokenizer):
    reference = torch_model(vocab_size=len(tokenizer), initializer_range=0.3)
    return reference, nnx.split(same_model(reference, tmp_path_factory.mktemp("model")))


def ours(models, sampling, **options):
    graphdef, params = models[1]
    engine = Engine(graphdef, sampling=sampling, stop_ids=(), pad_id=0, **options)
    rollout = engine.generate(params, PROMPTS, jax.random.key(0))
    return [
        np.asarray(tokens)[np.asarray(mask)].tolist() for tokens, mask in zip(rollout.tokens, rollout.mask, strict=True)
    ]


def theirs(models, prompt, **options):
    with torch.no_grad():
        tokens = models[0].generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=NEW, eos_token_id=None, pad_token_id=0, **options
        )
    return tokens[0, len(prompt) :].tolist()


@pytest.mark.parametrize("slots", [0, 2])
@pytest.mark.parametrize("variant", ["qwen3_tied", "llama_tied_scaled", "llama"])
def test_greedy_tokens_of_each_family_equal_transformers(variant, slots, tmp_path):
    reference = torch_model(vocab_size=256, **VARIANTS[variant])
    models = reference, nnx.split(same_model(reference, tmp_path))
    expected = [theirs(models, prompt) for prompt in PROMPTS]
    assert ours(models, SamplingConfig(max_new_tokens=NEW, temperature=0.0), slots=slots) == expected


@pytest.mark.parametrize("slots", [0, 2])
@pytest.mark.parametrize("penalty", [0.8, 1.4])
def test_greedy_tokens_under_a_repetition_penalty_equal_transformers(models, penalty, slots):
    expected = [theirs(models, prompt, repetition_penalty=penalty) for prompt in PROMPTS]
    sampling = SamplingConfig(max_new_tokens=NEW, temperature=0.0, repetition_penalty=penalty)
    assert ours(models, sampling, slots=slots) == expected
    assert expected != [theirs(models, prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("slots", [0, 2])
def test_stop_strings_end_completions_where_transformers_ends_them(models, tokenizer, slots):
    def decode(tokens):
        return tokenizer.decode(tokens, clean_up_tokenization_spaces=False)

    free = [theirs(models, prompt) for prompt in PROMPTS]
    readable = [decode(tokens[index : index + 3]) for tokens, index in zip(free, (6, 12, 17), strict=True)]
    strings = [text for text in (one.strip("\ufffd")[:4] for one in readable) if text]
    assert strings
    expected = [theirs(models, prompt, stop_strings=strings, tokenizer=tokenizer) for prompt in PROMPTS]
    assert min(map(len, expected)) < NEW
    sampling = SamplingConfig(max_new_tokens=NEW, temperature=0.0)
    assert ours(models, sampling, slots=slots, stop=strings, decode=decode) == expected
