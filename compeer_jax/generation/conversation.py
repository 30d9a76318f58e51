"""Conversations of many rounds, all in one compiled program: read what is asked, write a reply, read on.

A judge of B prompts with G outputs each holds N = B·G conversations. What the conversations of a prompt share is read
once; everything after it is read once too, since the cache is carried from round to round. The last rounds may be
alternatives: each begins where the first of them began, for which its row's cache goes back. Conversations go through
their rounds at their own pace: replies end at different lengths, and those that write share one batch whatever round
they are in, so that four short rounds are not four batches that each wait for their longest reply.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.decode import cast_once
from compeer_jax.generation.sampling import SamplingConfig, choose_tokens, row_keys
from compeer_jax.models.decoder import Decoder
from compeer_jax.models.kv_cache import RaggedKVCache
from compeer_jax.models.vision import Sight
from compeer_jax.parallel.mesh import platform

WAITING_SHARE = 0.15  # of the rows that are left; by simulation of replies of 10 to 40 tokens flat from 0.1 to 0.25


class Schedule(NamedTuple):
    """Schedule of rows: how they share the work.

    Attributes:
        read_rows: how many rows read at a time. Each goes through its rounds at its own pace: as soon as so many wait
            to read, or `WAITING_SHARE` of those that are left, the others pause their writing. None: all rows read,
            then all write, so that they go through their rounds together.
        read_chunk: how many tokens of an ask these read at a time.
        stages: in how many steps the cache grows to its full length. Attention takes as long as the cache is long,
            filled or not; a stage more compiles the loop once more.
    """

    read_rows: int | None
    read_chunk: int
    stages: int = 2


def default_schedule(rows: int) -> Schedule:
    """On one CPU device rows go at their own pace, elsewhere together.

    A CPU takes as long as there are tokens, so it reads few rows at a time and wastes little (measured). A GPU or TPU
    takes about as long to read a little, or to write a token for every row, as to stream its weights, so it reads much
    at once (by that model, not measured); and on a mesh a choice among all rows would move caches between devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if platform() == "cpu" and (mesh.empty or mesh.size == 1):
        return Schedule(read_rows=max(4, rows // 16), read_chunk=16)
    return Schedule(read_rows=None, read_chunk=64)


class Replies(NamedTuple):
    """Replies of N rows in R rounds, row b·G + g being the g-th of prompt b; T = `max_new_tokens`.

    Attributes:
        tokens: the replies, each up to and including its stop token, then padding.
        lengths: how many tokens each has, stop token included; 0 where a row has no such round.
        finished: whether the stop token was drawn; else the reply was cut off, its last token replaced by a stop token.
    """

    tokens: Int[Array, "N R T"]
    lengths: Int[Array, "N R"]
    finished: Bool[Array, "N R"]


class _Progress(NamedTuple):
    """Where every row stands. A row with `written` = 0 reads, or has ended; another writes.

    Attributes:
        turn: the round; R after the last.
        read: how many tokens of its asks it has read, of all rounds.
        written: how many tokens of this round's reply stand.
        latest: the last of them, which the model has yet to read.
        fork: how many slots of its cache it had filled where its alternatives begin.
    """

    turn: Int[Array, " N"]
    read: Int[Array, " N"]
    written: Int[Array, " N"]
    latest: Int[Array, " N"]
    fork: Int[Array, " N"]
    replies: Replies
    cache: RaggedKVCache


def converse(
    model: Decoder,
    prefixes: Int[Array, "B P"],
    prefix_lengths: Int[Array, " B"],
    asks: Int[Array, "N A"],
    ask_ends: Int[Array, "N R"],
    key: Key[Array, ""],
    sight: Sight | None = None,
    *,
    sampling: SamplingConfig,
    stop_ids: tuple[int, ...],
    pad_id: int,
    alternatives: int = 1,
    longest_path: int | None = None,
    schedule: Schedule | None = None,
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
        sight: the pictures of the prefixes, where they have some.
        sampling: how tokens are drawn, and how many at most a round.
        stop_ids: tokens that end a reply; the first replaces the last token of a reply that is cut off.
        pad_id: what fills a reply after its stop token.
        alternatives: so many of each row's last rounds are alternatives: none of them sees another, all see the rounds
            before.
        longest_path: the most tokens of asks that a row reads one after another, alternatives apart; None for all.
        schedule: when rows read and when they write; None for the `default_schedule`.
    """
    model = cast_once(model)
    rows, rounds = ask_ends.shape
    longest = sampling.max_new_tokens
    read_rows, read_chunk, stages = schedule or default_schedule(rows)
    together = read_rows is None
    read_rows = rows if together else min(read_rows, rows)
    keys = row_keys(key, rows)
    stops = jnp.array(stop_ids, jnp.int32)

    starts = jnp.pad(ask_ends, ((0, 0), (1, 0)))[:, :-1]
    turns = jnp.cumprod(ask_ends > starts, axis=1).sum(axis=1)  # how many rounds a row has
    forks = turns - alternatives  # the first round of those that begin alike
    ends = jnp.pad(ask_ends, ((0, 0), (0, 1)))  # also for a row that has none left

    def reading(now: _Progress) -> Bool[Array, " N"]:
        return (now.turn < turns) & (now.written == 0)

    def writing(now: _Progress) -> Bool[Array, " N"]:
        return now.written > 0

    def draw(now: _Progress, logits: Float[Array, "M V"], at: Int[Array, " M"] | slice) -> Int[Array, " M"]:
        """A token for the rows `at`."""
        places = (now.turn * longest + now.written)[at]
        noise = jax.vmap(lambda key, place: jax.random.uniform(jax.random.fold_in(key, place)))(keys[at], places)
        return choose_tokens(logits, noise, sampling)

    def note(now: _Progress, tokens: Int[Array, " N"], active: Bool[Array, " N"]) -> _Progress:
        """Adds a token to every active row's reply; one that it ends sends its row to the next round."""
        stopped = jnp.isin(tokens, stops)
        ended = active & (stopped | (now.written == longest - 1))
        tokens = jnp.where(ended & ~stopped, stops[0], tokens)
        turn, filled = now.turn + ended, now.cache.lengths
        fork = jnp.where(ended & (turn == forks), filled, now.fork)
        here = active[:, None] & (jnp.arange(rounds) == now.turn[:, None])
        there = here[:, :, None] & (jnp.arange(longest) == now.written[:, None, None])
        return now._replace(
            turn=turn,
            written=jnp.where(ended, 0, now.written + active),
            latest=jnp.where(active, tokens, now.latest),
            fork=fork,
            cache=now.cache._replace(lengths=jnp.where(ended & (turn > forks), fork, filled)),
            replies=Replies(
                tokens=jnp.where(there, tokens[:, None, None], now.replies.tokens),
                lengths=now.replies.lengths + here,
                finished=now.replies.finished | (here & stopped[:, None]),
            ),
        )

    def read(now: _Progress) -> _Progress:
        """The next piece of an ask for `read_rows` rows, those in the earliest rounds first; an ask that ends with it
        draws its reply's first token."""
        with jax.named_scope("read"):
            at = slice(None) if together else jnp.argsort(jnp.where(reading(now), now.turn, rounds))[:read_rows]
            end = jnp.take_along_axis(ends, now.turn[:, None], axis=1)[at]
            places = now.read[at][:, None] + jnp.arange(read_chunk)
            valid = reading(now)[at][:, None] & (places < end)
            tokens = jnp.take_along_axis(asks[at], jnp.minimum(places, asks.shape[1] - 1), axis=1)
            hidden, cache = model.extend(tokens, now.cache._replace(rows=None if together else at), valid=valid)
            count = valid.sum(axis=1, dtype=jnp.int32)
            last = jnp.take_along_axis(hidden, jnp.maximum(count - 1, 0)[:, None, None], axis=1)[:, 0]
            drawn = draw(now, model.logits(last), at)
            complete = (count > 0) & (places[:, 0] + count == end[:, 0])
            now = now._replace(read=now.read.at[at].add(count), cache=cache._replace(rows=None))
            return note(now, now.latest.at[at].set(drawn), jnp.zeros(rows, bool).at[at].set(complete))

    def write(now: _Progress) -> _Progress:
        """One token more for every row that writes."""
        with jax.named_scope("write"):
            active = writing(now)
            hidden, cache = model.extend(now.latest[:, None], now.cache, valid=active[:, None])
            drawn = draw(now, model.logits(hidden[:, 0]), slice(None))
            return note(now._replace(cache=cache), drawn, active)

    def due(now: _Progress) -> Bool[Array, ""]:
        """Whether rows that wait to read come before those that write."""
        waiting, live = reading(now), now.turn < turns
        enough = waiting.sum() >= jnp.minimum(read_rows, jnp.ceil(WAITING_SHARE * live.sum()))
        return (waiting & (now.turn == 0)).any() | (waiting.any() & (enough | ~writing(now).any()))

    def fits(now: _Progress) -> Bool[Array, ""]:
        return jnp.where(now.turn < turns, now.cache.lengths, 0).max() + read_chunk <= now.cache.slots

    def unfinished(now: _Progress) -> Bool[Array, ""]:
        return fits(now) & (now.turn < turns).any()

    def go_on(now: _Progress) -> _Progress:
        now = jax.lax.while_loop(lambda now: fits(now) & (reading(now).any() if together else due(now)), read, now)
        return jax.lax.while_loop(lambda now: fits(now) & writing(now).any() & (together | ~due(now)), write, now)

    with jax.named_scope("prefill"):
        cache = RaggedKVCache.empty(model.config, *prefixes.shape, dtype=model.cache_dtype, stacked=model.scan_layers)
        real = jnp.arange(prefixes.shape[1]) < prefix_lengths[:, None]
        _, cache = model.extend(prefixes, cache, valid=real, sight=sight)

    none = jnp.zeros(rows, jnp.int32)
    now = _Progress(
        turn=none,
        read=none,
        written=none,
        latest=none,
        fork=none,
        replies=Replies(
            tokens=jnp.full((rows, rounds, longest), pad_id, jnp.int32),
            lengths=jnp.zeros((rows, rounds), jnp.int32),
            finished=jnp.zeros((rows, rounds), bool),
        ),
        cache=cache.share(rows // len(prefixes)),
    )
    # A reply's stop token is never read; the last piece of an ask may reach beyond its end.
    path = asks.shape[1] if longest_path is None else longest_path
    slots = path + (rounds - alternatives + 1) * (longest - 1) + read_chunk
    for stage in range(1, stages + 1):
        now = now._replace(cache=now.cache.grow(-(-slots * stage // stages)))
        now = jax.lax.while_loop(unfinished, go_on, now)
    return now.replies
