"""SmolLM2-135M-Instruct, from its GGUF file, computes and says what transformers does with the same file."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from transformers import AutoModelForCausalLM

from compeer_jax.generation import Engine, SamplingConfig
from compeer_jax.models import from_pretrained
from compeer_jax.models.chat_template import message_tokens
from compeer_jax.models.packaged import packaged_file
from compeer_jax.models.tokenizer import chat_ids, load_tokenizer

TALK = [{"role": "user", "content": "I failed my exam and I don't know how to tell my parents."}]
NEW = 24


@pytest.fixture(scope="module")
def path():
    return packaged_file("smollm2")


@pytest.mark.long
def test_logits_and_greedy_words_equal_transformers(path):
    tokenizer = load_tokenizer(path)
    prompt = [token for message in message_tokens(tokenizer, TALK, answer_next=True) for token in message]
    whole = tokenizer.apply_chat_template(TALK, add_generation_prompt=True, return_dict=False)
    assert prompt == whole
    reference = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = reference(torch.tensor([prompt])).logits[0].numpy()
        said = reference.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=NEW, eos_token_id=list(chat_ids(tokenizer)[0])
        )[0, len(prompt) :].tolist()
    del reference

    model = from_pretrained(path, scan_layers=True)
    logits = nnx.jit(lambda model, tokens: model.logits(model(tokens)))(model, jnp.asarray([prompt]))[0]
    assert np.linalg.norm(logits - expected) <= 1e-4 * np.linalg.norm(expected)
    graphdef, params = nnx.split(model)
    stop, pad = chat_ids(tokenizer)
    engine = Engine(graphdef, sampling=SamplingConfig(max_new_tokens=NEW, temperature=0.0), stop_ids=stop, pad_id=pad)
    rollout = engine.generate(params, [prompt], jax.random.key(0))
    ours = np.asarray(rollout.tokens)[np.asarray(rollout.mask)].tolist()
    assert tokenizer.decode(ours) == tokenizer.decode(said)
    assert " " in tokenizer.decode(ours).strip()
