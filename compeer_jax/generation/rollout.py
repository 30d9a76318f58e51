"""Prompts in, sampled completions out: prefill once a prompt, then one compiled loop that decodes all rows together."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.sampling import SamplingConfig, choose_with_logps, draw_uniforms, row_keys, tokens_seen
from compeer_jax.models.decoder import Decoder
from compeer_jax.models.kv_cache import KVCache
from compeer_jax.models.quantized import in_few_bits
from compeer_jax.parallel.platform import platform
from compeer_jax.parallel.sharding import GATHERED, constrain, fill_row_shards

OWN_HEAD_FROM = 64  # new tokens; the copy takes as long as it saves in some dozens of steps


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


class _Progress(NamedTuple):
    """What the decode loop carries; `latest` is the token that the model has yet to read: first each prompt's last one.

    `seen` says which tokens of the vocabulary stand in each row; None where no setting asks for it.
    """

    step: Int[Array, ""]
    latest: Int[Array, " N"]
    rollout: Rollout
    cache: KVCache
    seen: Bool[Array, "N V"] | None


def rollout(
    model: Decoder,
    prompts: Int[Array, "B P"],
    prompt_mask: Bool[Array, "B P"],
    key: Key[Array, ""] | Key[Array, " N"],
    limits: Int[Array, " N"] | None = None,
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
        prompts: token ids, padded on the left.
        prompt_mask: True for the real tokens.
        key: a fresh one for every call: the same key draws the same completions. Or one a row.
        limits: after how many tokens each row is cut off, where that is before `max_new_tokens`.
        group_size: completions a prompt (G).
        sampling: how tokens are drawn, and how many at most.
        stop_ids: tokens that end a completion.
        pad_id: what fills a completion after its stop token.
    """
    model = ready_to_decode(model, sampling.max_new_tokens)
    rows, length = prompts.shape
    keys = key if key.ndim else row_keys(key, rows * group_size)
    # Those of all steps at once take little longer than those of one. (A greedy choice leaves them to dead code.)
    uniforms = jax.vmap(partial(draw_uniforms, keys))(jnp.arange(sampling.max_new_tokens))

    def still(progress: _Progress) -> Bool[Array, " N"]:
        """The rows that go on."""
        going = ~progress.rollout.finished
        return going if limits is None else going & (progress.step < limits)

    def unfinished(progress: _Progress) -> Bool[Array, ""]:
        return (progress.step < sampling.max_new_tokens) & still(progress).any()

    def decode(progress: _Progress) -> _Progress:
        """Reads a token of every row that goes on, and draws and notes the next."""
        step, latest, so_far, cache, seen = progress
        going = still(progress)
        with jax.named_scope("decode"):
            hidden, cache = model.extend(latest[:, None], cache, valid=going[:, None])
            if seen is not None:
                seen = seen.at[jnp.arange(len(keys)), latest].set(True)
            tokens, logps = choose_with_logps(model.logits(hidden[:, 0]), uniforms[step], sampling, seen)
            tokens = jnp.where(going, tokens, pad_id)
            drawn = Rollout(
                tokens=so_far.tokens.at[:, step].set(tokens),
                mask=so_far.mask.at[:, step].set(going),
                logps=so_far.logps.at[:, step].set(jnp.where(going, logps, 0)),
                finished=so_far.finished | jnp.isin(tokens, jnp.array(stop_ids, jnp.int32)),
            )
            return _Progress(step + 1, tokens, drawn, cache, seen)

    # Of a prompt, all but the last token is read here, so that the last layer gives its keys and values and no more,
    # and no row is decoded by other code than the loop's.
    with jax.named_scope("prefill"):
        read, real = fill_row_shards(prompts[:, :-1]), fill_row_shards(prompt_mask[:, :-1])
        cache = model.init_cache(len(read), length - 1)
        if length > 1:
            _, cache = model.extend(read, cache, valid=real)
        # Of the last token nothing is kept: it is never read.
        cache = cache.repeat(rows, group_size).grow(length + sampling.max_new_tokens - 1)
        seen = tokens_seen(prompts, prompt_mask, model.config.vocab_size) if sampling.needs_seen else None

    first, seen = jax.tree.map(lambda x: jnp.repeat(x, group_size, axis=0), (prompts[:, -1], seen))
    empty = _empty(len(keys), sampling.max_new_tokens, pad_id)
    return jax.lax.while_loop(unfinished, decode, _Progress(jnp.int32(0), first, empty, cache, seen)).rollout


def _empty(rows: int, length: int, pad_id: int) -> Rollout:
    shape = (rows, length)
    return Rollout(
        tokens=jnp.full(shape, pad_id, jnp.int32),
        mask=jnp.zeros(shape, bool),
        logps=jnp.zeros(shape, jnp.float32),
        finished=jnp.zeros(rows, bool),
    )


def cast_once(model: Decoder) -> Decoder:
    """The model with its matrices and biases in the dtype it computes in, or projections in 8 bits (`decode_weights`).

    And gathered, where they are to be (`gather`). Norms, used in float32, keep their type, and so does what is kept in
    few bits.
    """

    def cast(param: nnx.Param) -> nnx.Param:
        is_norm = sum(axis != "layers" for axis in param.axes) == 1
        is_code = not jnp.issubdtype(param.dtype, jnp.floating)
        weight = param[...] if is_norm or is_code else param[...].astype(model.dtype)
        return param.replace(constrain(weight, *param.axes, rules=GATHERED) if model.gather else weight)

    graphdef, params = nnx.split(in_few_bits(model, "none" if model.decode_weights == "dtype" else "int8"))
    return nnx.merge(graphdef, jax.tree.map(cast, params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)))


def ready_to_decode(model: Decoder, tokens: int) -> Decoder:
    """The model as it decodes `tokens` tokens fastest: its weights cast once, and where it pays with its own head."""
    model = cast_once(model)
    return with_own_head(model) if platform() == "cpu" and tokens >= OWN_HEAD_FROM else model


def with_own_head(model: Decoder) -> Decoder:
    """The model with a head that lies as it is multiplied, [D, V], where its embedding [V, D] served as one.

    CPUs transpose the embedding at every product with it, a fifth of the product's time for a few rows; GPUs and TPUs
    read it either way.
    """
    if model.output is None:
        model.output = nnx.Param(model.embedding[...].T, axes=("embed", "vocab"))
    return model
