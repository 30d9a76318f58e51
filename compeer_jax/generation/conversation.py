"""Conversations of many rounds, all in one compiled program: read what is asked, write a reply, read on.

A judge of B prompts with G outputs each holds N = B·G conversations. What the conversations of a prompt share is read
once; everything after it is read once too, since the cache is carried from round to round. Conversations go through
their rounds at their own pace: replies end at different lengths, and those that write share one batch whatever round
they are in, so that four short rounds are not four batches that each wait for their longest reply.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.rollout import cast_once
from compeer_jax.generation.sampling import SamplingConfig, choose_tokens, row_keys
from compeer_jax.models.qwen2 import Qwen2, repeat_rows
from compeer_jax.models.ragged_cache import RaggedKVCache, empty_ragged_cache


class Replies(NamedTuple):
    """What was written in R rounds by N rows, row b·G + g being the g-th of prompt b; T = `max_new_tokens`.

    Attributes:
        tokens: the replies, each up to and including its stop token, then padding.
        lengths: how many tokens each has, stop token included; 0 where a row has no such round.
        finished: whether the stop token was drawn; else the reply was cut off, its last token replaced by a stop token.
    """

    tokens: Int[Array, "N R T"]
    lengths: Int[Array, "N R"]
    finished: Bool[Array, "N R"]


class _Progress(NamedTuple):
    """Where every row stands. A row with `written` = 0 waits to read, one with more writes, until `turn` is its last.

    Attributes:
        turn: the round.
        read: how many tokens of its asks it has read, of all rounds.
        written: how many tokens of this round's reply stand.
        latest: the last of them, which the model has yet to read.
        hidden: after the last token of an ask, what the reply's first token is drawn from.
    """

    turn: Int[Array, " N"]
    read: Int[Array, " N"]
    written: Int[Array, " N"]
    latest: Int[Array, " N"]
    hidden: Float[Array, "N D"]
    replies: Replies
    cache: RaggedKVCache


def converse(
    model: Qwen2,
    prefixes: Int[Array, "B P"],
    prefix_lengths: Int[Array, " B"],
    asks: Int[Array, "N A"],
    ask_ends: Int[Array, "N R"],
    key: Key[Array, ""],
    *,
    sampling: SamplingConfig,
    stop_ids: tuple[int, ...],
    pad_id: int,
    read_chunk: int = 32,
    patience: float = 0.25,
) -> Replies:
    """Holds N conversations of up to R rounds; pure, and meant to be compiled.

    A row's noise depends on `key`, its number, the round and the place in the reply alone, and nothing in a row depends
    on the other rows, so that a schedule changes no reply.

    Args:
        model: weights kept in a wider dtype than it computes in are cast once, before the loop.
        prefixes: what all conversations of a prompt begin with, padded on the right.
        prefix_lengths: how many tokens each has.
        asks: what a row reads after its prefix, the asks of all rounds one after another, padded on the right. From the
            second on they begin with the token that closes the reply before, since a drawn stop token is not read.
        ask_ends: where in `asks` each round's ask ends; an ask that is empty ends the row's conversation before it.
        key: a fresh one for every call: the same key draws the same replies.
        sampling: how tokens are drawn, and how many at most a round.
        stop_ids: tokens that end a reply; the first replaces the last token of a reply that is cut off.
        pad_id: what fills a reply after its stop token.
        read_chunk: how many tokens of an ask are read at a time.
        patience: which share of the rows must wait to read before the others' writing is interrupted: near 0, a row
            that waits is served at once; at 1, all rows go through their rounds together.
    """
    model = cast_once(model)
    rows, rounds = ask_ends.shape
    longest = sampling.max_new_tokens
    keys = row_keys(key, rows)
    stops = jnp.array(stop_ids, jnp.int32)
    patient = max(1, round(patience * rows))

    starts = jnp.pad(ask_ends, ((0, 0), (1, 0)))[:, :-1]
    turns = jnp.cumprod(ask_ends > starts, axis=1).sum(axis=1)  # rounds a row has
    ends = jnp.pad(ask_ends, ((0, 0), (0, 1)))  # also for a row that has none left

    def waiting(now: _Progress) -> Bool[Array, " N"]:
        return (now.turn < turns) & (now.written == 0)

    def writing(now: _Progress) -> Bool[Array, " N"]:
        return now.written > 0

    def draw(now: _Progress, logits: Float[Array, "N V"], active: Bool[Array, " N"]) -> _Progress:
        """The next token of every active row's reply, noted; a reply that it ends sends its row to the next round."""
        place = now.turn * longest + now.written
        uniforms = jax.vmap(lambda key, place: jax.random.uniform(jax.random.fold_in(key, place)))(keys, place)
        tokens = choose_tokens(logits, uniforms, sampling)
        stopped = jnp.isin(tokens, stops)
        ended = active & (stopped | (now.written == longest - 1))
        tokens = jnp.where(ended & ~stopped, stops[0], tokens)
        here = active[:, None] & (jnp.arange(rounds) == now.turn[:, None])
        there = here[:, :, None] & (jnp.arange(longest) == now.written[:, None, None])
        return now._replace(
            turn=now.turn + ended,
            written=jnp.where(ended, 0, now.written + active),
            latest=jnp.where(active, tokens, now.latest),
            replies=Replies(
                tokens=jnp.where(there, tokens[:, None, None], now.replies.tokens),
                lengths=now.replies.lengths + here,
                finished=now.replies.finished | (here & (stopped & active)[:, None]),
            ),
        )

    def read(now: _Progress) -> _Progress:
        """The next piece of every waiting row's ask."""
        with jax.named_scope("read"):
            end = jnp.take_along_axis(ends, now.turn[:, None], axis=1)
            places = now.read[:, None] + jnp.arange(read_chunk)
            valid = (now.turn < turns)[:, None] & (places < end) & (now.written == 0)[:, None]
            tokens = jnp.take_along_axis(asks, jnp.minimum(places, asks.shape[1] - 1), axis=1)
            hidden, cache = model.extend(tokens, now.cache, valid=valid)
            count = valid.sum(axis=1, dtype=jnp.int32)
            last = jax.vmap(lambda row, count: row[jnp.maximum(count - 1, 0)])(hidden, count)
            return now._replace(
                read=now.read + count, hidden=jnp.where(count[:, None] > 0, last, now.hidden), cache=cache
            )

    def unread(now: _Progress) -> Bool[Array, ""]:
        end = jnp.take_along_axis(ends, now.turn[:, None], axis=1)[:, 0]
        return ((now.turn < turns) & (now.written == 0) & (now.read < end)).any()

    def write(now: _Progress) -> _Progress:
        with jax.named_scope("write"):
            active = writing(now)
            hidden, cache = model.extend(now.latest[:, None], now.cache, valid=active[:, None])
            return draw(now._replace(cache=cache), model.logits(hidden[:, 0]), active)

    def undisturbed(now: _Progress) -> Bool[Array, ""]:
        return writing(now).any() & (waiting(now).sum() < patient)

    def serve(now: _Progress) -> _Progress:
        now = jax.lax.while_loop(unread, read, now)
        now = draw(now, model.logits(now.hidden), waiting(now))
        return jax.lax.while_loop(undisturbed, write, now)

    with jax.named_scope("prefill"):
        cache = empty_ragged_cache(model.config, *prefixes.shape, dtype=model.dtype, stacked=model.scan_layers)
        valid = jnp.arange(prefixes.shape[1]) < prefix_lengths[:, None]
        _, cache = model.extend(prefixes, cache, valid=valid)
        own = asks.shape[1] + rounds * longest + read_chunk
        cache = repeat_rows(cache, rows // len(prefixes)).grow(prefixes.shape[1] + own)

    none = jnp.zeros(rows, jnp.int32)
    start = _Progress(
        turn=none,
        read=none,
        written=none,
        latest=none,
        hidden=jnp.zeros((rows, model.config.hidden_size), model.dtype),
        replies=Replies(
            tokens=jnp.full((rows, rounds, longest), pad_id, jnp.int32),
            lengths=jnp.zeros((rows, rounds), jnp.int32),
            finished=jnp.zeros((rows, rounds), bool),
        ),
        cache=cache,
    )
    return jax.lax.while_loop(lambda now: (now.turn < turns).any(), serve, start).replies
