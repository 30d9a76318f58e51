"""A fixed number of slots that rows come to and leave: what is compiled. `slot_engine.py` says who comes when.

Four programs: prompts are read, once for all rows that begin with them; rows are admitted to free slots; all slots
decode until enough of them are free; and when no more rows come, those that are left go on in fewer slots. Nothing in a
row depends on the others, nor on when it was admitted.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.sampling import SamplingConfig, choose_with_logps, draw_uniforms, tokens_seen
from compeer_jax.models.decoder import Decoder
from compeer_jax.models.kv_cache import RaggedKVCache
from compeer_jax.parallel.sharding import fill_row_shards


class Slots(NamedTuple):
    """N slots, each with a row or free; T = `max_new_tokens`.

    Attributes:
        cache: what each row has read.
        latest: the token that it has yet to read: of the prompt the last one, then what was drawn last.
        keys: its key; what is drawn depends on it and on the place in the completion alone.
        limits: after how many tokens it is cut off, at most T.
        live: whether there is a row that goes on.
        written: how many tokens it has drawn.
        finished: whether the last of them is a stop token.
        tokens, logps: what was drawn, up to `written`; log-probabilities as in `Rollout`.
        seen: which tokens of the vocabulary it has read or was given; None where no setting asks for it.
    """

    cache: RaggedKVCache
    latest: Int[Array, " N"]
    keys: Key[Array, " N"]
    limits: Int[Array, " N"]
    live: Bool[Array, " N"]
    written: Int[Array, " N"]
    finished: Bool[Array, " N"]
    tokens: Int[Array, "N T"]
    logps: Float[Array, "N T"]
    seen: Bool[Array, "N V"] | None


class Prompts(NamedTuple):
    """What the model keeps of W prompts, all but the last token of each.

    Attributes:
        cache: their keys and values.
        latest: their last tokens.
        seen: which tokens each has; None where no setting asks for it.
    """

    cache: RaggedKVCache
    latest: Int[Array, " W"]
    seen: Bool[Array, "W V"] | None


class Arrivals(NamedTuple):
    """Who comes to which slot: the first `count` entries; the others hold N as their row.

    Attributes:
        sources: the row of `Prompts` that each begins with.
        rows: the slot that it gets.
        keys, limits: see `Slots`.
    """

    sources: Int[Array, " N"]
    rows: Int[Array, " N"]
    keys: Key[Array, " N"]
    limits: Int[Array, " N"]
    count: Int[Array, ""]


def empty_slots(model: Decoder, rows: int, longest_prompt: int, sampling: SamplingConfig) -> Slots:
    """Free slots for prompts of up to `longest_prompt` tokens."""
    none, shape = jnp.zeros(rows, jnp.int32), (rows, sampling.max_new_tokens)
    return Slots(
        cache=_empty_cache(model, rows, longest_prompt + sampling.max_new_tokens - 1),  # the last token is never read
        latest=none,
        keys=jax.random.split(jax.random.key(0), rows),
        limits=none,
        live=none > 0,
        written=none,
        finished=none > 0,
        tokens=jnp.zeros(shape, jnp.int32),
        logps=jnp.zeros(shape, jnp.float32),
        seen=jnp.zeros((rows, model.config.vocab_size), bool) if sampling.needs_seen else None,
    )


def read_prompts(
    model: Decoder, tokens: Int[Array, "W P"], lengths: Int[Array, " W"], sampling: SamplingConfig
) -> Prompts:
    """Reads prompts, padded on the right, up to their last token: that is read, as all that follow, by `decode`."""
    with jax.named_scope("prefill"):
        tokens, lengths = fill_row_shards(tokens), fill_row_shards(lengths)
        rows, width = tokens.shape
        real = jnp.arange(width) < lengths[:, None]
        _, cache = model.extend(tokens[:, :-1], _empty_cache(model, rows, width - 1), valid=real[:, 1:])
    return Prompts(
        cache=cache,
        latest=jnp.take_along_axis(tokens, lengths[:, None] - 1, axis=1)[:, 0],
        seen=tokens_seen(tokens, real, model.config.vocab_size) if sampling.needs_seen else None,
    )


def admit(slots: Slots, prompts: Prompts, arrivals: Arrivals) -> Slots:
    """The same with rows that begin in free slots; to be donated `slots`, whose other rows stay where they are."""
    sources, rows, keys, limits, count = arrivals

    def put(store: Array, new: Array | bool | int) -> Array:
        return store.at[rows].set(new, mode="drop")

    with jax.named_scope("admit"):
        return slots._replace(
            cache=slots.cache.admit(prompts.cache, sources, rows, count),
            latest=put(slots.latest, prompts.latest[sources]),
            keys=put(slots.keys, keys),
            limits=put(slots.limits, limits),
            live=put(slots.live, True),
            written=put(slots.written, 0),
            finished=put(slots.finished, False),
            seen=None if slots.seen is None else put(slots.seen, prompts.seen[sources]),
        )


def narrow(slots: Slots, kept: Int[Array, " M"]) -> Slots:
    """The slots `kept` alone, in this order."""
    others = jax.tree.map(lambda x: x[kept], slots._replace(cache=None))
    return others._replace(cache=slots.cache.take(kept))


def decode(
    model: Decoder,
    slots: Slots,
    halted: Bool[Array, " N"],
    enough: Int[Array, ""],
    *,
    steps: int,
    sampling: SamplingConfig,
    stop_ids: tuple[int, ...],
) -> Slots:
    """Draws up to `steps` tokens for every row that goes on; pure, and meant to be compiled and donated `slots`.

    Args:
        model: as `ready_to_decode` gives it.
        slots: where all rows stand.
        halted: rows that leave at once.
        enough: how many free slots end it before `steps`.
        steps: how many tokens a row at most.
        sampling: how tokens are drawn.
        stop_ids: tokens that end a completion.
    """
    every, longest = jnp.arange(len(slots.live)), sampling.max_new_tokens
    stops = jnp.array(stop_ids, jnp.int32)
    # Those of all steps at once take little longer than those of one. (A greedy choice leaves them to dead code.)
    uniforms = jax.vmap(lambda step: draw_uniforms(slots.keys, slots.written + step))(jnp.arange(steps))

    def more(progress: tuple[Int[Array, ""], Slots]) -> Bool[Array, ""]:
        step, slots = progress
        return (step < steps) & slots.live.any() & ((~slots.live).sum() < enough)

    def draw(progress: tuple[Int[Array, ""], Slots]) -> tuple[Int[Array, ""], Slots]:
        step, slots = progress
        live = slots.live
        with jax.named_scope("decode"):
            hidden, cache = model.extend(slots.latest[:, None], slots.cache, valid=live[:, None])
            tokens, logps = choose_with_logps(model.logits(hidden[:, 0]), uniforms[step], sampling, slots.seen)
            place = jnp.where(live, slots.written, longest)  # beyond the end nothing is written
            written = slots.written + live
            stopped = live & jnp.isin(tokens, stops)
            now = slots._replace(
                cache=cache,
                latest=tokens,
                live=live & ~stopped & (written < slots.limits),
                written=written,
                finished=slots.finished | stopped,
                tokens=slots.tokens.at[every, place].set(tokens, mode="drop"),
                logps=slots.logps.at[every, place].set(logps, mode="drop"),
                seen=None if slots.seen is None else slots.seen.at[every, tokens].set(True),
            )
        return step + 1, now

    slots = slots._replace(live=slots.live & ~halted)
    return jax.lax.while_loop(more, draw, (jnp.int32(0), slots))[1]


def _empty_cache(model: Decoder, rows: int, length: int) -> RaggedKVCache:
    return RaggedKVCache.empty(model.config, rows, length, dtype=model.cache_dtype, stacked=model.scan_layers)
