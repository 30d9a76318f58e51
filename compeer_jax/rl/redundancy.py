"""Outputs that repeat each other, or the conversation, earn less (Eq. 5-7).

Group for group: nothing here lets one prompt's outputs touch another's.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Real, ScalarLike

from compeer_jax.errors import unknown

Sign = Literal["paper", "aware"]


def cosine_redundancy(
    outputs: Float[Array, "B G D"], history: Float[Array, "B U D"], history_mask: Bool[Array, "B U"]
) -> tuple[Float[Array, "B G"], Float[Array, "B G"]]:
    """How much each output repeats its siblings, and its history (Eq. 6, as we read it):

        s_in,i = mean over j ≠ i of max(cos(o_i, o_j), 0)
        s_hi,i = mean over utterances u of max(cos(o_i, h_u), 0)

    Each lies in 0 … 1. A group of one has s_in = 0, an empty history s_hi = 0. A zero vector (an empty response) has
    cosine 0 with everything, and gradient 0.

    Args:
        outputs: one vector an output: token counts, or embeddings of any scale.
        history: one vector an utterance that came before.
        history_mask: True where an utterance is real; what stands elsewhere, NaN included, has no effect.

    Returns:
        s_in and s_hi.
    """
    group = outputs.shape[1]
    outputs = _unit(outputs)
    history = _unit(jnp.where(history_mask[:, :, None], history, 0))
    siblings = jnp.where(jnp.eye(group, dtype=bool), 0, _positive_cosines(outputs, outputs))
    s_in = siblings.sum(axis=2) / max(group - 1, 1)
    utterances = jnp.maximum(history_mask.sum(axis=1, keepdims=True), 1)
    s_hi = _positive_cosines(outputs, history).sum(axis=2) / utterances
    return s_in, s_hi


def length_coefficient(
    lengths: Real[Array, "B G"], *, alpha: ScalarLike = 0.5, beta: ScalarLike = 5.0
) -> Float[Array, " B"]:
    """The weight τ of redundancy: long answers have room to repeat, short ones can't help it (Eq. 7, as we read it):

        τ = α · L̄ / (L̄ + β)        L̄ = the group's mean length

    τ is 0 for empty outputs, α / 2 at L̄ = β, and nears α as outputs grow.

    Args:
        lengths: of each output, in the unit that β is in (tokens, words or characters).
        alpha: the largest weight; the paper's 0.5.
        beta: the length at which half of it is reached, ≥ 0; the paper's 5.
    """
    mean = jnp.mean(lengths, axis=1)
    total = mean + beta
    return alpha * jnp.where(total > 0, mean / jnp.where(total > 0, total, 1), 0)


def reweight(
    rewards: Float[Array, "B G"],
    s_in: Float[Array, "B G"],
    s_hi: Float[Array, "B G"],
    tau: Float[Array, " B"],
    *,
    sign: Sign = "paper",
) -> Float[Array, "B G"]:
    """Rewards made smaller by redundancy (Eq. 5, as we read it):

        r̃_i = r_i / (1 + τ · (s_in,i + s_hi,i))

    A negative reward so divided comes *nearer* to 0: among bad outputs the equation pays for redundancy. Within a group
    only differences count (Eq. 3): a divisor that all outputs share changes their scale, never their order.

    Args:
        rewards: of any sign.
        s_in, s_hi: redundancy of Eq. 6.
        tau: its weight, of Eq. 7, one a group.
        sign: "paper" is the equation; "aware" multiplies where r < 0, so that redundancy always costs.

    Raises:
        UserError: `sign` is neither.
    """
    if sign not in get_args(Sign):
        raise unknown("sign of reweighting", sign, get_args(Sign))
    penalty = 1 + tau[:, None] * (s_in + s_hi)
    if sign == "paper":
        return rewards / penalty
    return jnp.where(rewards < 0, rewards * penalty, rewards / penalty)


def _unit(vectors: Float[Array, "B K D"]) -> Float[Array, "B K D"]:
    """Vectors of length 1 in at least float32; zero vectors stay zero, with gradient 0.

    Dividing by the largest entry first keeps the squares in range, whatever scale the encoder has.
    """
    vectors = vectors.astype(jnp.promote_types(vectors.dtype, jnp.float32))
    peak = jax.lax.stop_gradient(jnp.abs(vectors).max(axis=2, keepdims=True, initial=0))
    vectors = vectors / jnp.where(peak > 0, peak, 1)
    square = (vectors**2).sum(axis=2, keepdims=True)
    return vectors * jnp.where(peak > 0, jax.lax.rsqrt(jnp.where(peak > 0, square, 1)), 0)


def _positive_cosines(left: Float[Array, "B L D"], right: Float[Array, "B R D"]) -> Float[Array, "B L R"]:
    """max(cos, 0) of every pair of unit vectors of a group; full precision, where a TPU would round to bfloat16."""
    return jax.nn.relu(jnp.einsum("bld,brd->blr", left, right, precision=jax.lax.Precision.HIGHEST))
