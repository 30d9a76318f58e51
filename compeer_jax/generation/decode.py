"""Prefill and decode, compiled: the one loop that draws tokens for rows, whoever they are and whenever they began.

`rollout.py` begins all rows at once and decodes until the last has ended. For continuous batching there are four more
programs: prompts are read, once for all rows that begin with them; rows are admitted to free slots; and when no more
rows come, those that are left go on in fewer slots. Nothing in a row depends on the others, nor on when it began.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.generation.sampling import SamplingConfig, choose_with_logps, draw_uniforms, tokens_seen
from compeer_jax.models.decoder import Decoder
from compeer_jax.models.kv_cache import KVCache, RaggedKVCache
from compeer_jax.models.quantized import in_few_bits
from compeer_jax.models.vision import Sight
from compeer_jax.parallel.mesh import platform
from compeer_jax.parallel.sharding import GATHERED, constrain, fill_row_shards

OWN_HEAD_FROM = 64  # new tokens; the copy takes as long as it saves in some dozens of steps


class DecodeState(NamedTuple):
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

    cache: KVCache | RaggedKVCache
    latest: Int[Array, " N"]
    keys: Key[Array, " N"]
    limits: Int[Array, " N"]
    live: Bool[Array, " N"]
    written: Int[Array, " N"]
    finished: Bool[Array, " N"]
    tokens: Int[Array, "N T"]
    logps: Float[Array, "N T"]
    seen: Bool[Array, "N V"] | None


def decode(
    model: Decoder,
    state: DecodeState,
    *,
    steps: int,
    sampling: SamplingConfig,
    stop_ids: tuple[int, ...],
    enough: Int[Array, ""] | None = None,
) -> DecodeState:
    """Draws up to `steps` tokens for every row that goes on; pure, and meant to be compiled and donated `state`.

    Args:
        model: as `ready_to_decode` gives it.
        state: where all rows stand.
        steps: how many tokens a row at most.
        sampling: how tokens are drawn.
        stop_ids: tokens that end a completion.
        enough: how many free slots end it before `steps`; None: it goes on while any row does.
    """
    every, longest = jnp.arange(len(state.live)), sampling.max_new_tokens
    stops = jnp.array(stop_ids, jnp.int32)
    # Those of all steps at once take little longer than those of one. (A greedy choice leaves them to dead code.)
    uniforms = jax.vmap(lambda step: draw_uniforms(state.keys, state.written + step))(jnp.arange(steps))

    def more(progress: tuple[Int[Array, ""], DecodeState]) -> Bool[Array, ""]:
        step, state = progress
        going = (step < steps) & state.live.any()
        return going if enough is None else going & ((~state.live).sum() < enough)

    def draw(progress: tuple[Int[Array, ""], DecodeState]) -> tuple[Int[Array, ""], DecodeState]:
        step, state = progress
        live = state.live
        with jax.named_scope("decode"):
            hidden, cache = model.extend(state.latest[:, None], state.cache, valid=live[:, None])
            tokens, logps = choose_with_logps(model.logits(hidden[:, 0]), uniforms[step], sampling, state.seen)
            place = jnp.where(live, state.written, longest)  # beyond the end nothing is written
            written = state.written + live
            stopped = live & jnp.isin(tokens, stops)
            now = state._replace(
                cache=cache,
                latest=tokens,
                live=live & ~stopped & (written < state.limits),
                written=written,
                finished=state.finished | stopped,
                tokens=state.tokens.at[every, place].set(tokens, mode="drop"),
                logps=state.logps.at[every, place].set(logps, mode="drop"),
                seen=None if state.seen is None else state.seen.at[every, tokens].set(True),
            )
        return step + 1, now

    return jax.lax.while_loop(more, draw, (jnp.int32(0), state))[1]


class Prompts(NamedTuple):
    """Cache of W prompts, of all but the last token of each.

    Attributes:
        cache: their keys and values.
        latest: their last tokens.
        seen: which tokens each has; None where no setting asks for it.
    """

    cache: RaggedKVCache
    latest: Int[Array, " W"]
    seen: Bool[Array, "W V"] | None


class Arrivals(NamedTuple):
    """New rows of slots: the first `count` entries; the others hold N as their slot.

    Attributes:
        sources: the row of `Prompts` that each begins with.
        slots: the slot that it gets.
        keys, limits: see `DecodeState`.
    """

    sources: Int[Array, " N"]
    slots: Int[Array, " N"]
    keys: Key[Array, " N"]
    limits: Int[Array, " N"]
    count: Int[Array, ""]


def free_slots(
    model: Decoder, slots: int, longest_prompt: int, sampling: SamplingConfig, *, sees: bool = False
) -> DecodeState:
    """Free slots for prompts of up to `longest_prompt` tokens; `sees`: some of them may have pictures."""
    none, shape = jnp.zeros(slots, jnp.int32), (slots, sampling.max_new_tokens)
    return DecodeState(
        # The last token is never read.
        cache=_empty_cache(model, slots, longest_prompt + sampling.max_new_tokens - 1, sees=sees),
        latest=none,
        keys=jax.random.split(jax.random.key(0), slots),
        limits=none,
        live=none > 0,
        written=none,
        finished=none > 0,
        tokens=jnp.zeros(shape, jnp.int32),
        logps=jnp.zeros(shape, jnp.float32),
        seen=jnp.zeros((slots, model.config.vocab_size), bool) if sampling.needs_seen else None,
    )


def prefill(
    model: Decoder,
    tokens: Int[Array, "W P"],
    lengths: Int[Array, " W"],
    sight: Sight | None = None,
    *,
    sampling: SamplingConfig,
) -> Prompts:
    """Reads prompts, padded on the right, up to their last token: that is read, as all that follow, by `decode`."""
    with jax.named_scope("prefill"):
        tokens, lengths, sight = jax.tree.map(fill_row_shards, (tokens, lengths, sight))
        rows, width = tokens.shape
        real = jnp.arange(width) < lengths[:, None]
        before = None if sight is None else sight.without_last()
        _, cache = model.extend(tokens[:, :-1], _empty_cache(model, rows, width - 1), valid=real[:, 1:], sight=before)
    return Prompts(
        cache=cache,
        latest=jnp.take_along_axis(tokens, lengths[:, None] - 1, axis=1)[:, 0],
        seen=tokens_seen(tokens, real, model.config.vocab_size) if sampling.needs_seen else None,
    )


def admit(state: DecodeState, prompts: Prompts, arrivals: Arrivals) -> DecodeState:
    """The same with rows that begin in free slots; to be donated `state`, whose other rows stay where they are."""
    sources, slots, keys, limits, count = arrivals

    def put(store: Array, new: Array | bool | int) -> Array:
        return store.at[slots].set(new, mode="drop")

    with jax.named_scope("admit"):
        return state._replace(
            cache=state.cache.admit(prompts.cache, sources, slots, count),
            latest=put(state.latest, prompts.latest[sources]),
            keys=put(state.keys, keys),
            limits=put(state.limits, limits),
            live=put(state.live, True),
            written=put(state.written, 0),
            finished=put(state.finished, False),
            seen=None if state.seen is None else put(state.seen, prompts.seen[sources]),
        )


def narrow(state: DecodeState, slots: Int[Array, " M"]) -> DecodeState:
    """These slots alone, in this order."""
    others = jax.tree.map(lambda x: x[slots], state._replace(cache=None))
    return others._replace(cache=state.cache.take(slots))


def _empty_cache(model: Decoder, rows: int, length: int, *, sees: bool = False) -> RaggedKVCache:
    layout = {"dtype": model.cache_dtype, "stacked": model.scan_layers, "sees": sees}
    return RaggedKVCache.empty(model.config, rows, length, **layout)


def ready_to_decode(model: Decoder, tokens: int) -> Decoder:
    """The model as it decodes `tokens` tokens fastest: its weights cast once, and where it pays with its own head."""
    model = cast_once(model)
    return with_own_head(model) if platform() == "cpu" and tokens >= OWN_HEAD_FROM else model


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


def with_own_head(model: Decoder) -> Decoder:
    """The model with a head that lies as it is multiplied, [D, V], where its embedding [V, D] served as one.

    CPUs transpose the embedding at every product with it, a fifth of the product's time for a few rows; GPUs and TPUs
    read it either way.
    """
    if model.output is None:
        model.output = nnx.Param(model.embedding[...].T, axes=("embed", "vocab"))
    return model
