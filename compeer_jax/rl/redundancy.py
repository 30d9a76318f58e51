"""Redundancy of outputs with their group and their history, and rewards reweighted by it (Eq. 5-7).

Group for group: nothing here lets one prompt's outputs touch another's.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Real, ScalarLike

from compeer_jax.errors import unknown

Sign = Literal["paper", "aware"]
Cosine = Literal["plain", "positive"]
LengthMean = Literal["group", "batch"]

LEAST_FACTOR = 1e-3
"""What a factor of Eq. 5 is kept above: 1 + τ·s is 0 at τ = 1 and s = -1, the very opposite of all else."""


def cosine_redundancy(
    outputs: Float[Array, "B G D"],
    history: Float[Array, "B U D"],
    history_mask: Bool[Array, "B U"],
    *,
    cosine: Cosine = "plain",
) -> tuple[Float[Array, "B G"], Float[Array, "B G"]]:
    """Redundancy of each output with its siblings, and with its history (Eq. 6):

        s_in,i = mean over j ≠ i of cos(o_i, o_j)
        s_hi,i = mean over utterances u of cos(o_i, h_u)

    A group of one has s_in = 0, an empty history s_hi = 0. A zero vector (an empty response) has cosine 0 with
    everything, and gradient 0.

    Args:
        outputs: one vector an output: token counts, or embeddings of any scale.
        history: one vector an utterance that came before.
        history_mask: True where an utterance is real; what stands elsewhere, NaN included, has no effect.
        cosine: "plain" is the paper's, -1 … 1; "positive" counts a cosine below 0 as 0, so that the opposite of what
            was said is worth no more than something else.

    Returns:
        s_in and s_hi.

    Raises:
        UserError: `cosine` is neither.
    """
    if cosine not in get_args(Cosine):
        raise unknown("cosine of redundancy", cosine, get_args(Cosine))
    group = outputs.shape[1]
    outputs = _unit(outputs)
    history = _unit(jnp.where(history_mask[:, :, None], history, 0))
    siblings = jnp.where(jnp.eye(group, dtype=bool), 0, _cosines(outputs, outputs, cosine))
    s_in = siblings.sum(axis=2) / max(group - 1, 1)
    utterances = jnp.maximum(history_mask.sum(axis=1, keepdims=True), 1)
    s_hi = _cosines(outputs, history, cosine).sum(axis=2) / utterances
    return s_in, s_hi


def length_coefficient(
    lengths: Real[Array, "B G"],
    *,
    alpha: ScalarLike = 0.5,
    beta: ScalarLike = 5.0,
    mean: LengthMean = "group",
) -> Float[Array, " B"]:
    """The weight τ of redundancy, which spares short outputs such as greetings (Eq. 7):

        τ = 1 / (1 + exp(-α·(L - β)))        L = the mean length

    τ is 1/2 at L = β and nears 1 as outputs grow. α = 0 gives 1/2 for any length; it does not switch Eq. 5 off.

    Args:
        lengths: of each output, in the unit that β is in (tokens, words or characters).
        alpha: steepness of the transition, > 0; the paper's 0.5.
        beta: the length in its middle; the paper's 5.
        mean: over the outputs of each prompt ("group"), or over all outputs there are ("batch").

    Raises:
        UserError: `mean` is neither.
    """
    if mean not in get_args(LengthMean):
        raise unknown("mean of lengths", mean, get_args(LengthMean))
    means = jnp.mean(lengths, axis=1)
    if mean == "batch":
        means = jnp.broadcast_to(means.mean(), means.shape)
    return jax.nn.sigmoid(alpha * (means - beta))


def reweight(
    rewards: Float[Array, "B G"],
    s_in: Float[Array, "B G"],
    s_hi: Float[Array, "B G"],
    tau: Float[Array, " B"],
    *,
    sign: Sign = "paper",
) -> Float[Array, "B G"]:
    """Rewards divided by redundancy (Eq. 5):

        r̃_i = r_i / ((1 + τ·s_in,i) · (1 + τ·s_hi,i))

    A negative reward so divided comes *nearer* to 0: among bad outputs the equation pays for redundancy. Within a group
    only differences count (Eq. 3): a divisor that all outputs share changes their scale, never their order. Each factor
    is kept above `LEAST_FACTOR`, which only plain cosines of almost -1 can come near.

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
    tau = tau[:, None]
    penalty = jnp.maximum(1 + tau * s_in, LEAST_FACTOR) * jnp.maximum(1 + tau * s_hi, LEAST_FACTOR)
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


def _cosines(left: Float[Array, "B L D"], right: Float[Array, "B R D"], cosine: Cosine) -> Float[Array, "B L R"]:
    """Cosines of every pair of unit vectors of a group; full precision, where a TPU would round to bfloat16."""
    cosines = jnp.einsum("bld,brd->blr", left, right, precision=jax.lax.Precision.HIGHEST)
    return jax.nn.relu(cosines) if cosine == "positive" else cosines
