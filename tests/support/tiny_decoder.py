"""Tiny random decoders of transformers, and ours with the same weights: the ground of the parity tests."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from compeer_jax.models.decoder import Decoder, from_pretrained

YARN = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "beta_fast": 4.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
VARIANTS = {
    "tied": {"tie_word_embeddings": True},
    "untied": {"tie_word_embeddings": False},
    "wide_heads": {"head_dim": 12, "num_attention_heads": 3, "num_key_value_heads": 1},
    "yarn": {"rope_parameters": YARN, "max_position_embeddings": 64},
    "qwen3": {"family": "qwen3", "head_dim": 12},
    "qwen3_tied": {"family": "qwen3", "head_dim": 8, "tie_word_embeddings": True},
    "llama": {"family": "llama"},
    "llama_tied_scaled": {"family": "llama", "tie_word_embeddings": True, "rope_parameters": LLAMA3},
}


def torch_model(seed: int = 0, family: str = "qwen2", **changes) -> PreTrainedModel:
    """A float32 model whose every weight, bias and norm is random, so that no mistake hides behind a 0 or a 1."""
    settings = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    }
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **(settings | changes))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start = 1.0 if "norm" in name else 0.0
            parameter.copy_(start + 0.2 * torch.randn_like(parameter))
    return model


def same_model(model: PreTrainedModel, directory, **options) -> Decoder:
    """Ours, read from the directory that transformers writes."""
    model.save_pretrained(directory)
    return from_pretrained(directory, **options)
