"""Qwen3 and Llama train like Qwen2.5: SFT, then GRPO from it, in files that transformers reads."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from transformers import AutoModelForCausalLM

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import MODELS, from_pretrained
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.sft import train_sft

SMALL = ("--data.limit", "8", "--steps", "3")


@pytest.fixture(params=["qwen3", "llama"])
def other(request, start, tmp_path):
    """A tiny random model of the family, with the tokenizer of the others."""
    shape = dataclasses.replace(DecoderConfig.from_json(start), model_type=request.param)
    MODELS[request.param](shape, rngs=nnx.Rngs(0)).save_pretrained(tmp_path / "start", load_tokenizer(start))
    return tmp_path / "start"


@pytest.mark.long
def test_sft_and_grpo_train_a_model_that_transformers_reads(other, configure):
    sft = train_sft(configure(SFTConfig, "--model.path", str(other), *SMALL, output="sft"))
    losses = [row["loss"] for row in read_metrics(sft / "metrics.jsonl")]
    assert losses[-1] < losses[0]
    of_grpo = ("--model.path", str(sft / "model"), "--reward.judge", "user_rewards.brevity", *SMALL)
    grpo = train_grpo(configure(GRPOConfig, *of_grpo, output="grpo"))
    rows = read_metrics(grpo / "metrics.jsonl")
    assert all(row["sampling/logp_difference"] < 1e-4 for row in rows)
    assert max(row["grad_norm"] for row in rows) > 0
    tokens = np.asarray(jax.random.randint(jax.random.key(0), (2, 12), 0, 500))
    ours = from_pretrained(grpo / "model")
    theirs = AutoModelForCausalLM.from_pretrained(grpo / "model").eval()
    assert theirs.config.model_type == ours.config.model_type
    with torch.no_grad():
        wanted = theirs(torch.tensor(tokens)).logits.numpy()
    np.testing.assert_allclose(ours.logits(ours(jnp.asarray(tokens))), wanted, atol=2e-4)
