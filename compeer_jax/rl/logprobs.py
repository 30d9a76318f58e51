"""Log-probability and entropy of given tokens, without ever holding the logits of a whole batch.

At [32, 1024] tokens Qwen2.5's 152k logits a position are 19 GiB in float32, and as much again for their gradient: the
usual way to run out of memory. Here the LM head runs over a few columns at a time, and the backward pass runs it again
instead of remembering.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, ScalarLike

from compeer_jax.errors import UserError


def token_logprobs(
    hidden: Float[Array, "N T D"],
    head: Float[Array, "D V"] | Float[Array, "V D"],
    targets: Int[Array, "N T"],
    *,
    temperature: ScalarLike = 1.0,
    chunk: int = 64,
    tied: bool = False,
) -> tuple[Float[Array, "N T"], Float[Array, "N T"]]:
    """log p(target) and entropy, in nats, of softmax(hidden · head / temperature) at every position.

    Neither pass holds more than [N chunk V] logits, and never those of all T columns. The products are taken in the
    dtype of `hidden`; their sums, the softmax and the gradient summed over chunks are float32. Both results carry
    gradients to `hidden`, `head` and `temperature`.

    Args:
        hidden: states that predict the targets: position t predicts `targets[:, t]`.
        head: the LM head, [D V].
        targets: token ids. Padding may hold any id: the result there is finite, to be masked by the caller.
        temperature: above 0; what the tokens were sampled at, for the ratio of Eq. 2 to mean anything.
        chunk: the most columns at a time.
        tied: the head is given as the embedding, [V D]. Multiplied as it lies, it needs no transposed copy, nor does
            its gradient, and forward and backward take three quarters of the time on CPU.

    Raises:
        UserError: a temperature that is not above 0, a chunk below 1.
    """
    if isinstance(temperature, int | float) and temperature <= 0:
        raise UserError(f"token_logprobs: temperature is {temperature}; it must be above 0 to divide the logits.")
    if chunk < 1:
        raise UserError(f"token_logprobs: chunk is {chunk}; it must be at least 1 column.")
    rows, length, _ = hidden.shape
    chunks = max(-(-length // chunk), min(length, 2), 1)
    columns = -(-length // chunks)

    def split(x: Array) -> Array:
        """[N T ...] -> [chunks N columns ...], T padded with zeros."""
        x = jnp.pad(x, ((0, 0), (0, chunks * columns - length), *((0, 0),) * (x.ndim - 2)))
        return x.reshape(rows, chunks, columns, *x.shape[2:]).swapaxes(0, 1)

    def join(x: Float[Array, "chunks N columns"]) -> Float[Array, "N T"]:
        return x.swapaxes(0, 1).reshape(rows, chunks * columns)[:, :length]

    # The head is cast within a chunk, so that the gradient it receives from all of them adds up in float32.
    head = head.astype(jnp.promote_types(head.dtype, jnp.float32))

    @partial(jax.checkpoint, prevent_cse=False)  # a loop needs no protection from common subexpressions
    def score(head, hidden, targets):
        return _score(hidden, head.astype(hidden.dtype), targets, temperature, tied)

    with jax.named_scope("token_logprobs"):
        logps, entropy = jax.lax.map(lambda part: score(head, *part), (split(hidden), split(targets)))
        return join(logps), join(entropy)


def _score(
    hidden: Float[Array, "N C D"],
    head: Float[Array, "D V"] | Float[Array, "V D"],
    targets: Int[Array, "N C"],
    temperature: ScalarLike,
    tied: bool,
) -> tuple[Float[Array, "N C"], Float[Array, "N C"]]:
    """The same on one chunk: plain, with all its logits."""
    precise = jnp.promote_types(hidden.dtype, jnp.float32)
    product = "ncd,vd->ncv" if tied else "ncd,dv->ncv"
    logits = jnp.einsum(product, hidden, head, preferred_element_type=precise) / temperature
    shifted = logits - jax.lax.stop_gradient(logits.max(axis=-1, keepdims=True))
    weights = jnp.exp(shifted)
    total = weights.sum(axis=-1)
    # Compared rather than gathered: a gather from a vocabulary sharded over devices, and its scatter back, are slow.
    chosen = jnp.where(targets[..., None] == jnp.arange(logits.shape[-1]), shifted, 0).sum(axis=-1)
    return chosen - jnp.log(total), jnp.log(total) - (weights * shifted).sum(axis=-1) / total
