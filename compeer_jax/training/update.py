"""One optimiser step: gradients of a batch, part by part, then the update. Shared by SFT and GRPO."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree

from compeer_jax.models.lora import join
from compeer_jax.parallel.sharding import replicated

Batch = PyTree[Array]
Loss = Callable[[PyTree, Batch, Any], tuple[Float[Array, ""], dict[str, Float[Array, ""]]]]


class TrainState(NamedTuple):
    """All that an optimiser step changes: in a run with adapters, those are the `params`, and the weights are not."""

    params: PyTree
    opt_state: PyTree
    step: Int[Array, ""]


def init_state(params: PyTree, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """State at step 0; the optimiser's moments are float32 and lie where their parameters lie."""

    def init(params: PyTree) -> PyTree:
        return optimizer.init(_float32(params))

    abstract = jax.eval_shape(init, params)
    shardings = optax.tree.map_params(
        optimizer,
        lambda _, param: param.sharding,
        abstract,
        params,
        transform_non_params=lambda _: replicated(mesh),
    )
    opt_state = jax.jit(init, out_shardings=shardings)(params)
    return TrainState(params, opt_state, jax.device_put(np.zeros((), np.int32), replicated(mesh)))


def make_update(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    *,
    parts: int = 1,
    whole: Callable[[Batch], Any] = lambda batch: None,
) -> Callable[..., tuple[TrainState, dict[str, Float[Array, ""]]]]:
    """The compiled optimiser step.

    Args:
        loss: `loss(params, part, whole(batch))` gives a part's share of the batch's loss, and shares of its metrics;
            the shares of all parts add up to the value for the whole batch.
        optimizer: an optax transformation; it sees the gradient of the whole batch, in float32.
        parts: how many parts the batch is computed in, one after the other (gradient accumulation).
        whole: what a part must know of the whole batch, such as its number of tokens.

    Returns:
        `update(state, batch, frozen=None) -> (state, metrics)`. The state given is donated; `frozen` is the weights
        that the params of the state are adapters for, which have no gradient. Metrics hold "loss", "grad_norm" (before
        clipping), "skipped" and what `loss` reports. An update whose loss or gradient is not finite is skipped: the
        state comes back as it was, and "skipped" is 1 instead of 0.
    """

    def update(
        state: TrainState, batch: Batch, frozen: PyTree | None = None
    ) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
        context = whole(batch)

        def loss_of(params: PyTree, part: Batch, context: Any) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
            return loss(join(params, frozen), part, context)

        gradient = jax.value_and_grad(loss_of, has_aux=True)

        def add_part(total, part):
            return jax.tree.map(lambda a, b: a + b.astype(a.dtype), total, gradient(state.params, part, context)), None

        if parts == 1:
            (value, metrics), grads = gradient(state.params, batch, context)
            grads = _float32(grads)
        else:
            batch_parts = jax.tree.map(lambda rows: deal(rows, parts), batch)
            first = jax.tree.map(lambda rows: rows[0], batch_parts)
            shapes = jax.eval_shape(gradient, state.params, first, context)
            zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), shapes)
            ((value, metrics), grads), _ = jax.lax.scan(add_part, zeros, batch_parts)

        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        norm = optax.tree.norm(grads)
        usable = jnp.isfinite(value) & jnp.isfinite(norm)
        # A choice in the loop that writes the new numbers costs nothing; a branch would need both states at once.
        new = TrainState(optax.apply_updates(state.params, updates), opt_state, state.step + 1)
        state = jax.tree.map(lambda new, old: jnp.where(usable, new, old), new, state)
        return state, {"loss": value, "grad_norm": norm, "skipped": 1.0 - usable, **metrics}

    return jax.jit(update, donate_argnums=0)


def _float32(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)


def deal(rows: Array, parts: int) -> Array:
    """[N, ...] -> [parts, N / parts, ...], dealt like cards: each device keeps the rows that it holds."""
    return rows.reshape(rows.shape[0] // parts, parts, *rows.shape[1:]).swapaxes(0, 1)
