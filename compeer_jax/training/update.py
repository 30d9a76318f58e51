"""The optimiser step: gradients of a batch, one microbatch at a time, then the update. SFT and GRPO share it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, PyTree

from compeer_jax.models.lora import join
from compeer_jax.parallel.sharding import constrain, replicated

Batch = PyTree[Array]
Loss = Callable[[PyTree, Batch, Any], tuple[Float[Array, ""], dict[str, Float[Array, ""]]]]
Microbatches = int | Callable[[Batch], int]
"""How many microbatches a batch is computed in: always as many, or by its shapes."""
OPTIMIZER = "optimizer"
"""The named scope in the loop that updates the state, once or not at all."""


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
    microbatches: Microbatches = 1,
    filled: Callable[[Batch], Int[Array, ""]] | None = None,
    whole: Callable[[Batch], Any] = lambda batch: None,
) -> Callable[..., tuple[TrainState, dict[str, Float[Array, ""]]]]:
    """The compiled optimiser step.

    Args:
        loss: `loss(params, microbatch, whole(batch))` gives its share of the batch's loss, and shares of its metrics;
            the shares of all microbatches add up to the value for the whole batch.
        optimizer: an optax transformation; it sees the gradient of the whole batch, in float32.
        microbatches: how many the batch is computed in, one after the other (gradient accumulation).
        filled: of the batch as dealt out, [microbatches, rows ...], how many, the first ones, hold anything; the others
            are skipped, so that a smaller batch needs no program of its own. Default: all.
        whole: what a microbatch must know of the whole batch, such as its number of tokens.

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

        def loss_of(
            params: PyTree, microbatch: Batch, context: Any
        ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
            return loss(join(params, frozen), microbatch, context)

        gradient = jax.value_and_grad(loss_of, has_aux=True)

        count = microbatches if isinstance(microbatches, int) else microbatches(batch)
        if count == 1:
            (value, metrics), grads = gradient(state.params, batch, context)
            grads = _float32(grads)
        else:
            dealt = jax.tree.map(lambda rows: deal(rows, count), batch)

            def add_microbatch(index, total):
                microbatch = jax.tree.map(lambda rows: jax.lax.dynamic_index_in_dim(rows, index, keepdims=False), dealt)
                more = gradient(state.params, microbatch, context)
                report, grads = jax.tree.map(lambda a, b: a + b.astype(a.dtype), total, more)
                return report, _laid_out(grads)

            first = jax.tree.map(lambda rows: rows[0], dealt)
            shapes = jax.eval_shape(gradient, state.params, first, context)
            report, grads = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), shapes)
            last = count if filled is None else filled(dealt)
            (value, metrics), grads = jax.lax.fori_loop(0, last, add_microbatch, (report, _laid_out(grads)))

        norm = optax.tree.norm(grads)
        usable = jnp.isfinite(value) & jnp.isfinite(norm)

        def step(due_and_state: tuple[Bool[Array, ""], TrainState]) -> tuple[Bool[Array, ""], TrainState]:
            _, (params, opt_state, number) = due_and_state
            with jax.named_scope(OPTIMIZER):
                updates, opt_state = optimizer.update(grads, opt_state, params)
                return jnp.bool_(False), TrainState(optax.apply_updates(params, updates), opt_state, number + 1)

        # A loop of one turn or none updates what it carries where it lies. A choice between new and old numbers has
        # XLA copy both moments on CPU, and a branch needs both states at once.
        _, state = jax.lax.while_loop(lambda carry: carry[0], step, (usable, state))
        return state, {"loss": value, "grad_norm": norm, "skipped": 1.0 - usable, **metrics}

    return jax.jit(update, donate_argnums=0)


def _float32(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)


def _laid_out(grads: PyTree) -> PyTree:
    """Gradients as the weights that they are of lie on the mesh: every device adds up its own share only."""

    def lay_out(param):
        axes = getattr(param, "axes", None) if isinstance(param, nnx.Variable) else None
        return param if axes is None else jax.tree.map(lambda grad: constrain(grad, *axes), param)

    return jax.tree.map(lay_out, grads, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def deal(rows: Array, microbatches: int) -> Array:
    """[N, ...] -> [microbatches, N / microbatches, ...], dealt like cards: each device keeps the rows that it holds."""
    return rows.reshape(rows.shape[0] // microbatches, microbatches, *rows.shape[1:]).swapaxes(0, 1)
