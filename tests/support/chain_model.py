"""Models whose next token depends on the last one alone, for tests that need to know what a model says."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.tokenizer import load_tokenizer


def chain_model(directory: Path, base: Path, followers: Mapping[str, Sequence[str]], *, learns: bool = False) -> Path:
    """A model in `directory` that goes on from each token with one of its followers, as likely as the next.

    Args:
        base: where its tokenizer and shape come from.
        followers: of each token that it may have to go on from; every text is one token.
        learns: its layers have small random weights, which hardly show, but which have gradients.
    """
    shutil.copytree(base, directory, ignore=shutil.ignore_patterns("sentencepiece.model"))
    tokenizer = load_tokenizer(base)

    def token(text: str) -> int:
        (only,) = tokenizer.encode(text, add_special_tokens=False)
        return only

    config = replace(DecoderConfig.from_json(base), tie_word_embeddings=False)
    assert len(followers) <= config.hidden_size
    model = Qwen2(config, rngs=nnx.Rngs(0))
    if not learns:
        nnx.update(model, jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param)))
    embedding, output = np.zeros(model.embedding.shape), np.zeros(model.output.shape)
    for place, (last, following) in enumerate(followers.items()):
        embedding[token(last), place] = 1
        output[place, [token(text) for text in following]] = 9
    model.embedding[...] = jnp.asarray(embedding, model.embedding.dtype)
    model.output[...] = jnp.asarray(output, model.output.dtype)
    model.norm.scale[...] = jnp.ones(config.hidden_size)
    model.save_pretrained(directory, tokenizer)
    return directory
