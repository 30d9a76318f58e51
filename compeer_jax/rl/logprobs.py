"""Log-probability and entropy of given tokens, without ever holding the logits of a whole batch.

At [32, 1024] tokens Qwen2.5's 152k logits a position are 19 GiB in float32, and as much again for their gradient: the
usual way to run out of memory. Here the LM head runs over a few columns at a time, and the backward pass runs it again
instead of remembering.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, ScalarLike

from compeer_jax.errors import UserError

FEW_LOGITS = 1 << 24
"""So many logits at a time, 64 MiB in float32, are held without asking: fewer, larger products are faster."""
CHUNK = 64
"""The columns at a time where logits are more than few."""


def token_logprobs(
    hidden: Float[Array, "N T D"],
    head: Float[Array, "D V"] | Float[Array, "V D"],
    targets: Int[Array, "N T"],
    *,
    temperature: ScalarLike = 1.0,
    chunk: int | None = None,
    tied: bool = False,
) -> tuple[Float[Array, "N T"], Float[Array, "N T"]]:
    """log p(target) and entropy, in nats, of softmax(hidden · head / temperature) at every position.

    Neither pass holds more than [N chunk V] logits. The products are taken in the dtype of `hidden`; their sums, the
    softmax and the gradient summed over chunks are float32. Both results carry gradients to `hidden`, `head` and
    `temperature`.

    Args:
        hidden: states that predict the targets: position t predicts `targets[:, t]`.
        head: the LM head, [D V].
        targets: token ids. Padding may hold any id: the result there is finite, to be masked by the caller.
        temperature: above 0; what the tokens were sampled at, for the ratio of Eq. 2 to mean anything.
        chunk: the most columns at a time. Default: 64, or more while their logits are no more than 64 MiB.
        tied: the head is given as the embedding, [V D]. Multiplied as it lies, it needs no transposed copy, nor does
            its gradient, and forward and backward take three quarters of the time on CPU.

    Raises:
        UserError: a temperature that is not above 0, a chunk below 1.
    """
    if isinstance(temperature, int | float) and temperature <= 0:
        raise UserError(f"token_logprobs: temperature is {temperature}; it must be above 0 to divide the logits.")
    rows, length, _ = hidden.shape
    if chunk is None:
        chunk = max(CHUNK, FEW_LOGITS // (rows * head.shape[0 if tied else 1]))
    if chunk < 1:
        raise UserError(f"token_logprobs: chunk is {chunk}; it must be at least 1 column.")
    chunks = max(-(-length // chunk), 1)
    columns = -(-length // chunks)

    def split(x: Array) -> Array:
        """[N T ...] -> [chunks, N * columns, ...], T padded with zeros."""
        x = jnp.pad(x, ((0, 0), (0, chunks * columns - length), *((0, 0),) * (x.ndim - 2)))
        x = x.reshape(rows, chunks, columns, *x.shape[2:]).swapaxes(0, 1)
        return x.reshape(chunks, rows * columns, *x.shape[3:])

    def join(x: Float[Array, "chunks M"]) -> Float[Array, "N T"]:
        return x.reshape(chunks, rows, columns).swapaxes(0, 1).reshape(rows, chunks * columns)[:, :length]

    with jax.named_scope("token_logprobs"):
        precise = jnp.promote_types(hidden.dtype, jnp.float32)
        scores = _score_chunks(tied, split(hidden), head, split(targets), jnp.asarray(temperature, precise))
        return join(scores.logps), join(scores.entropy)


class _Scores(NamedTuple):
    """Of some positions: what is asked for; the largest logit, and log Σ exp(logit - largest), for the way back."""

    logps: Float[Array, "..."]
    entropy: Float[Array, "..."]
    largest: Float[Array, "..."]
    log_total: Float[Array, "..."]


def _score(
    tied: bool,
    hidden: Float[Array, "chunks M D"],
    head: Float[Array, "D V"] | Float[Array, "V D"],
    targets: Int[Array, "chunks M"],
    temperature: ScalarLike,
) -> _Scores:
    """The scores of all positions, M at a time. Of their gradients, those of `logps` and `entropy` count."""
    head = head.astype(hidden.dtype)

    def score_chunk(part: tuple[Array, Array]) -> _Scores:
        states, chosen = part
        logits = _logits(tied, states, head, temperature)
        largest = logits.max(axis=-1)
        shifted = logits - largest[..., None]
        weights = jnp.exp(shifted)
        total = weights.sum(axis=-1)
        entropy = jnp.log(total) - (weights * shifted).sum(axis=-1) / total
        # Compared rather than gathered: a gather from a vocabulary sharded over devices is slow.
        shifted = jnp.where(_is(chosen, logits), shifted, 0).sum(axis=-1)
        return _Scores(shifted - jnp.log(total), entropy, largest, jnp.log(total))

    return jax.lax.map(score_chunk, (hidden, targets))


def _forward(tied: bool, hidden: Array, head: Array, targets: Array, temperature: ScalarLike) -> tuple[_Scores, tuple]:
    scores = _score(tied, hidden, head, targets, temperature)
    return scores, (hidden, head, targets, temperature, scores)


def _backward(tied: bool, kept: tuple, gradient: _Scores) -> tuple:
    """With log p of all tokens, the logits' gradient is g · (1[v is the target] - p) - e · p · (log p + entropy)."""
    hidden, head, targets, temperature, scores = kept
    near = head.astype(hidden.dtype)
    precise = temperature.dtype
    to_states, to_head = ("mv,vd->md", "mv,md->vd") if tied else ("mv,dv->md", "md,mv->dv")

    def pull_back(head_gradient: Array, part: tuple[Array, Array, _Scores, _Scores]) -> tuple[Array, Array]:
        states, chosen, scores, gradient = part
        logits = _logits(tied, states, near, temperature)
        logps = logits - scores.largest[..., None] - scores.log_total[..., None]
        g, e, entropy = (x[..., None] for x in (gradient.logps, gradient.entropy, scores.entropy))
        to_logits = jnp.where(_is(chosen, logits), g, 0) - jnp.exp(logps) * (g + e * (logps + entropy))
        to_logits = (to_logits / temperature).astype(states.dtype)
        more = (to_logits, states) if tied else (states, to_logits)
        head_gradient += jnp.einsum(to_head, *more, preferred_element_type=precise)
        return head_gradient, jnp.einsum(to_states, to_logits, near, preferred_element_type=precise)

    start = jnp.zeros(head.shape, jnp.promote_types(head.dtype, precise))
    to_head, to_hidden = jax.lax.scan(pull_back, start, (hidden, targets, scores, gradient))
    # Logits are hidden · head / temperature, so this product of the one and its gradient is that of the other.
    to_temperature = -(hidden * to_hidden).sum() / temperature
    return to_hidden.astype(hidden.dtype), to_head.astype(head.dtype), None, to_temperature


_score_chunks = jax.custom_vjp(_score, nondiff_argnums=(0,))
_score_chunks.defvjp(_forward, _backward)


def _logits(tied: bool, hidden: Float[Array, "M D"], head: Array, temperature: ScalarLike) -> Float[Array, "M V"]:
    product = "md,vd->mv" if tied else "md,dv->mv"
    return jnp.einsum(product, hidden, head, preferred_element_type=temperature.dtype) / temperature


def _is(targets: Int[Array, " M"], logits: Float[Array, "M V"]) -> Bool[Array, "M V"]:
    """True where v is the target."""
    return targets[..., None] == jnp.arange(logits.shape[-1])
