"""Prompts in, sampled completions out, in one program: each prompt is read once, then all rows decode together."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.decode import DecodeState, decode, ready_to_decode
from compeer_jax.generation.sampling import SamplingConfig, row_keys, tokens_seen
from compeer_jax.models.decoder import Decoder
from compeer_jax.models.vision import Sight
from compeer_jax.parallel.sharding import fill_row_shards


class Rollout(NamedTuple):
    """Completions of N = B·G rows, row b·G + g being the g-th of prompt b; T = `max_new_tokens`.

    Attributes:
        tokens: what was drawn, then padding.
        mask: True up to and including the stop token.
        logps: log-probability of each token under softmax(logits / temperature) before any penalty and before top-k,
            top-p and min-p, which is what the learner computes; 0 where masked.
        finished: whether the row drew a stop token; False means that it was cut off.
    """

    tokens: Int[Array, "N T"]
    mask: Bool[Array, "N T"]
    logps: Float[Array, "N T"]
    finished: Bool[Array, " N"]


def joined(groups: Mapping[int, Rollout]) -> Rollout:
    """The rollouts of prompts, by their numbers from 0 on, as one on the host."""
    return Rollout(*map(np.concatenate, zip(*(groups[index] for index in range(len(groups))), strict=True)))


def rollout(
    model: Decoder,
    prompts: Int[Array, "B P"],
    prompt_mask: Bool[Array, "B P"],
    key: Key[Array, ""] | Key[Array, " N"],
    limits: Int[Array, " N"] | None = None,
    sight: Sight | None = None,
    *,
    group_size: int,
    sampling: SamplingConfig,
    stop_ids: tuple[int, ...],
    pad_id: int,
) -> Rollout:
    """Draws `group_size` completions of every prompt; pure, and meant to be compiled.

    A row's noise depends on `key`, its number and the step alone (with a key a row: on that and the step), and nothing
    in a row depends on the other rows. The loop ends as soon as every row has stopped.

    Args:
        model: the policy; weights kept in a wider dtype than it computes in are cast once, before the loop.
        prompts: token ids, padded on the left, so that all rows fill the same slots of the cache.
        prompt_mask: True for the real tokens.
        key: a fresh one for every call: the same key draws the same completions. Or one a row.
        limits: after how many tokens each row is cut off, where that is before `max_new_tokens`.
        sight: the prompts' pictures, where they have some.
        group_size: completions a prompt (G).
        sampling: how tokens are drawn, and how many at most.
        stop_ids: tokens that end a completion.
        pad_id: what fills a completion after its stop token.
    """
    longest = sampling.max_new_tokens
    model = ready_to_decode(model, longest)
    prompt_rows, length = prompts.shape
    rows = prompt_rows * group_size
    # Of a prompt, all but the last token is read here, so that the last layer gives its keys and values and no more,
    # and no row is decoded by other code than the loop's.
    with jax.named_scope("prefill"):
        read, real = fill_row_shards(prompts[:, :-1]), fill_row_shards(prompt_mask[:, :-1])
        cache = model.init_cache(len(read), length - 1)
        if length > 1:
            before = None if sight is None else jax.tree.map(fill_row_shards, sight.without_last())
            _, cache = model.extend(read, cache, valid=real, sight=before)
        # Of the last token nothing is kept: it is never read.
        cache = cache.repeat(prompt_rows, group_size).grow(length + longest - 1)
        seen = tokens_seen(prompts, prompt_mask, model.config.vocab_size) if sampling.needs_seen else None

    latest, seen = jax.tree.map(lambda x: jnp.repeat(x, group_size, axis=0), (prompts[:, -1], seen))
    none = jnp.zeros(rows, jnp.int32)
    state = DecodeState(
        cache=cache,
        latest=latest,
        keys=key if key.ndim else row_keys(key, rows),
        limits=jnp.full(rows, longest, jnp.int32) if limits is None else limits,
        live=none == 0,
        written=none,
        finished=none > 0,
        tokens=jnp.full((rows, longest), pad_id, jnp.int32),
        logps=jnp.zeros((rows, longest), jnp.float32),
        seen=seen,
    )
    ended = decode(model, state, steps=longest, sampling=sampling, stop_ids=stop_ids)
    return Rollout(ended.tokens, jnp.arange(longest) < ended.written[:, None], ended.logps, ended.finished)
