"""Sampling of tokens: temperature, truncation, and one uniform number a row through the inverse CDF.

Drawing Gumbel noise for a whole vocabulary costs about a third of a decode step on CPU. One uniform number a row is
enough: weights are summed in blocks, the block that holds the number's quantile is found among the block sums, then
the token within that block. Nothing is sorted: the cut of top-k and of top-p is found by bisection over the bits of
the weights, and tokens that tie at the cut are all kept, so a choice never depends on the order of the vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.errors import UserError

BLOCK = 128  # tokens summed together: one vector register row on TPU, and it divides Qwen2.5's vocabularies


@dataclass(frozen=True)
class SamplingConfig:
    """Settings of the sampling: how tokens are drawn, and how many at most.

    Args:
        max_new_tokens: the longest completion, stop token included.
        temperature: divides the logits; 0 takes the most probable token.
        top_k: keep the k most probable tokens; 0 keeps all.
        top_p: keep the smallest set of most probable tokens that holds this share of the probability left by top-k.
        min_p: keep the tokens that have at least this share of the most probable one's probability; 0 keeps all.
        repetition_penalty: divides positive and multiplies negative logits of tokens that stand in the prompt or the
            completion so far (arXiv:1909.05858, as transformers has it); 1 changes nothing. Not for training: tokens
            are then drawn from another distribution than the model's.

    Raises:
        UserError: a value out of its range.
    """

    max_new_tokens: int = 512
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self):
        if self.max_new_tokens < 1:
            raise UserError(f"sampling: max_new_tokens is {self.max_new_tokens}; it must be at least 1.")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UserError(
                f"sampling: temperature is {self.temperature}; it must be 0 (the most probable token) or above."
            )
        if self.top_k < 0:
            raise UserError(f"sampling: top_k is {self.top_k}; it must be 0 (off) or above.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"sampling: top_p is {self.top_p}; it must be above 0 and at most 1 (off).")
        if not 0 <= self.min_p <= 1:
            raise UserError(f"sampling: min_p is {self.min_p}; it must be from 0 (off) to 1.")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise UserError(
                f"sampling: repetition_penalty is {self.repetition_penalty}; it must be above 0, and 1 is off."
            )

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @property
    def needs_seen(self) -> bool:
        """Whether a choice depends on which tokens stand before it."""
        return self.repetition_penalty != 1


def row_keys(key: Key[Array, ""], rows: int) -> Key[Array, " rows"]:
    """A key for each of `rows` sequences, so that a sequence's noise depends on its own number alone."""
    return jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.arange(rows))


def draw_uniforms(keys: Key[Array, " N"], step: Int[Array, ""] | Int[Array, " N"]) -> Float[Array, " N"]:
    """One number in [0, 1) for every row's key at decode step `step`, of all rows or of each."""
    steps = jnp.broadcast_to(step, keys.shape)
    return jax.vmap(lambda key, step: jax.random.uniform(jax.random.fold_in(key, step)))(keys, steps)


def tokens_seen(tokens: Int[Array, "N T"], mask: Bool[Array, "N T"], vocabulary: int) -> Bool[Array, "N {vocabulary}"]:
    """Mask of the vocabulary's tokens that stand in each row where `mask` is True."""
    rows = jnp.arange(len(tokens))[:, None]
    return (
        jnp.zeros((len(tokens), vocabulary), bool).at[rows, jnp.where(mask, tokens, vocabulary)].set(True, mode="drop")
    )


def choose_tokens(
    logits: Float[Array, "N V"],
    uniforms: Float[Array, " N"],
    config: SamplingConfig,
    seen: Bool[Array, "N V"] | None = None,
) -> Int[Array, " N"]:
    """The token of each row at the quantile `uniforms` (in [0, 1)) of its truncated distribution."""
    return choose_with_logps(logits, uniforms, config, seen)[0]


def choose_with_logps(
    logits: Float[Array, "N V"],
    uniforms: Float[Array, " N"],
    config: SamplingConfig,
    seen: Bool[Array, "N V"] | None = None,
) -> tuple[Int[Array, " N"], Float[Array, " N"]]:
    """As `choose_tokens`, with each token's log-probability before penalty and truncation: what the learner computes.

    The distribution is softmax(logits / temperature); for a greedy choice it is softmax(logits).

    Args:
        logits: scores over the vocabulary.
        uniforms: a number in [0, 1) a row.
        config: how tokens are drawn.
        seen: which tokens stand in each row so far, for `repetition_penalty`.
    """
    with jax.named_scope("choose"):
        scale = 1.0 if config.greedy else 1.0 / config.temperature
        scaled = (logits - logits.max(-1, keepdims=True)) * scale
        weights = jnp.exp(scaled)
        kept, liked = weights, logits
        if config.needs_seen:
            liked = penalise(logits, seen, config.repetition_penalty)
            kept = jnp.exp((liked - liked.max(-1, keepdims=True)) * scale)
        tokens = _largest(liked) if config.greedy else _invert_cdf(_truncate(kept, config), uniforms)
        return tokens, _pick(scaled, tokens) - jnp.log(weights.sum(-1))


def penalise(logits: Float[Array, "N V"], seen: Bool[Array, "N V"], penalty: float) -> Float[Array, "N V"]:
    """Logits with those of the tokens that were seen made less likely (penalty > 1) or more (penalty < 1)."""
    return jnp.where(seen, jnp.where(logits < 0, logits * penalty, logits / penalty), logits)


def _truncate(weights: Float[Array, "N V"], config: SamplingConfig) -> Float[Array, "N V"]:
    """Weights, the largest of them 1, with those outside top-k, then outside top-p, then below min-p set to 0."""
    if 0 < config.top_k < weights.shape[-1]:
        weights = _smallest_set(weights, lambda kept: kept.sum(-1) >= config.top_k)
    if config.top_p < 1:
        wanted = config.top_p * weights.sum(-1)
        weights = _smallest_set(weights, lambda kept: (weights * kept).sum(-1) >= wanted)
    if config.min_p > 0:
        weights = jnp.where(weights >= config.min_p, weights, 0)
    return weights


def _smallest_set(
    weights: Float[Array, "N V"], suffices: Callable[[Bool[Array, "N V"]], Bool[Array, " N"]]
) -> Float[Array, "N V"]:
    """Weights (in [0, 1]) of the fewest heaviest tokens that suffice, ties included, and 0 elsewhere; all if none do.

    The bit patterns of non-negative floats are ordered as the floats are, so 30 halvings of the interval of patterns
    between 0 and 1 give the lightest kept weight exactly, at a fraction of the cost of a sort.
    """

    def as_float(bits):
        return jax.lax.bitcast_convert_type(bits, jnp.float32)[:, None]

    def halve(_, interval):
        low, high = interval  # the tokens from `low` up suffice, those from `high` up do not
        middle = (low + high) // 2
        enough = suffices(weights >= as_float(middle))
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    one = jax.lax.bitcast_convert_type(jnp.float32(1), jnp.int32)
    rows = weights.shape[0]
    interval = (jnp.zeros(rows, jnp.int32), jnp.full(rows, one + 1))
    low, _ = jax.lax.fori_loop(0, 30, halve, interval)
    return jnp.where(weights >= as_float(low), weights, 0)


def _blocks(values: Float[Array, "N V"], fill: float) -> Float[Array, "N K block"]:
    rows, size = values.shape
    padded = jnp.pad(values, ((0, 0), (0, -size % BLOCK)), constant_values=fill)
    return padded.reshape(rows, -1, BLOCK)


def _pick(values: Float[Array, "N K *rest"], index: Int[Array, " N"]) -> Float[Array, "N *rest"]:
    """values[n, index[n]] of every row n."""
    return jax.vmap(lambda row, at: row[at])(values, index)


def _largest(logits: Float[Array, "N V"]) -> Int[Array, " N"]:
    """The first of the largest logits; by blocks, since XLA's argmax over a vocabulary is not vectorised on CPU."""
    blocks = _blocks(logits, -jnp.inf)
    block = blocks.max(-1).argmax(-1)
    return block * BLOCK + _pick(blocks, block).argmax(-1)


def _invert_cdf(weights: Float[Array, "N V"], uniforms: Float[Array, " N"]) -> Int[Array, " N"]:
    """Two-level inverse CDF: the block first, then the token within it; never a token of weight 0."""
    blocks = _blocks(weights, 0.0)
    sums = blocks.sum(-1)
    block, rest = _locate(sums, uniforms * sums.sum(-1))
    token, _ = _locate(_pick(blocks, block), rest)
    return jnp.minimum(block * BLOCK + token, weights.shape[-1] - 1)  # only a row of NaN reaches beyond


def _locate(weights: Float[Array, "N K"], target: Float[Array, " N"]) -> tuple[Int[Array, " N"], Float[Array, " N"]]:
    """The first entry at which the running sum exceeds `target`, and the part of `target` that lies within it.

    Where rounding leaves the total at or below the target, it is the last entry with weight.
    """
    running = jnp.cumsum(weights, axis=-1)
    positive = weights > 0
    over = positive & (running > target[:, None])
    last = weights.shape[-1] - 1 - positive[:, ::-1].argmax(-1)
    index = jnp.where(over.any(-1), over.argmax(-1), last)
    return index, jnp.maximum(target - _pick(running - weights, index), 0)
