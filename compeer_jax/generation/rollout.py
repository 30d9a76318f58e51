"""Prompts in, sampled completions out: prefill once a prompt, then one compiled loop that decodes all rows together."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.sampling import SamplingConfig, choose_with_logps, draw_uniforms, row_keys, tokens_seen
from compeer_jax.models.qwen2 import KVCache, Qwen2, repeat_rows


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


class _Progress(NamedTuple):
    """What the decode loop carries; `latest` is the token that the model has yet to read.

    `seen` says which tokens of the vocabulary stand in each row; None where no setting asks for it.
    """

    step: Int[Array, ""]
    latest: Int[Array, " N"]
    rollout: Rollout
    cache: KVCache
    seen: Bool[Array, "N V"] | None


def rollout(
    model: Qwen2,
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
    model = cast_once(model)
    keys = key if key.ndim else row_keys(key, len(prompts) * group_size)

    def still(step: Int[Array, ""], so_far: Rollout) -> Bool[Array, " N"]:
        """The rows that go on."""
        return ~so_far.finished if limits is None else ~so_far.finished & (step < limits)

    def draw(
        logits: Float[Array, "N V"], step: Int[Array, ""], so_far: Rollout, seen: Bool[Array, "N V"] | None
    ) -> tuple[Int[Array, " N"], Rollout]:
        """Every row's next token, noted for the rows that go on."""
        going = still(step, so_far)
        tokens, logps = choose_with_logps(logits, draw_uniforms(keys, step), sampling, seen)
        tokens = jnp.where(going, tokens, pad_id)
        return tokens, Rollout(
            tokens=so_far.tokens.at[:, step].set(tokens),
            mask=so_far.mask.at[:, step].set(going),
            logps=so_far.logps.at[:, step].set(jnp.where(going, logps, 0)),
            finished=so_far.finished | jnp.isin(tokens, jnp.array(stop_ids, jnp.int32)),
        )

    def unfinished(progress: _Progress) -> Bool[Array, ""]:
        return (progress.step < sampling.max_new_tokens) & still(progress.step, progress.rollout).any()

    def decode(progress: _Progress) -> _Progress:
        with jax.named_scope("decode"):
            going = still(progress.step, progress.rollout)
            hidden, cache = model.extend(progress.latest[:, None], progress.cache, valid=going[:, None])
            seen = progress.seen
            if seen is not None:
                seen = seen.at[jnp.arange(len(keys)), progress.latest].set(True)
            latest, drawn = draw(model.logits(hidden[:, 0]), progress.step, progress.rollout, seen)
            return _Progress(progress.step + 1, latest, drawn, cache, seen)

    with jax.named_scope("prefill"):
        rows, length = prompts.shape
        cache = model.init_cache(rows, length + sampling.max_new_tokens - 1)  # the last token is never read
        hidden, cache = model.extend(prompts, cache, valid=prompt_mask)
        logits = jnp.repeat(model.logits(hidden[:, -1]), group_size, axis=0)
        cache = repeat_rows(cache, group_size)

    seen = None
    if sampling.needs_seen:
        seen = jnp.repeat(tokens_seen(prompts, prompt_mask, model.config.vocab_size), group_size, axis=0)
    latest, drawn = draw(logits, jnp.int32(0), _empty(len(keys), sampling.max_new_tokens, pad_id), seen)
    return jax.lax.while_loop(unfinished, decode, _Progress(jnp.int32(1), latest, drawn, cache, seen)).rollout


def _empty(rows: int, length: int, pad_id: int) -> Rollout:
    shape = (rows, length)
    return Rollout(
        tokens=jnp.full(shape, pad_id, jnp.int32),
        mask=jnp.zeros(shape, bool),
        logps=jnp.zeros(shape, jnp.float32),
        finished=jnp.zeros(rows, bool),
    )


def cast_once(model: Qwen2) -> Qwen2:
    """The model with its matrices and biases in the dtype it computes in.

    Norms, used in float32, stay as they are, and so does what is kept in few bits.
    """

    def cast(param: nnx.Param) -> nnx.Param:
        is_norm = sum(axis != "layers" for axis in param.axes) == 1
        is_code = not jnp.issubdtype(param.dtype, jnp.floating)
        return param if is_norm or is_code else param.replace(param[...].astype(model.dtype))

    graphdef, params = nnx.split(model)
    return nnx.merge(graphdef, jax.tree.map(cast, params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)))
