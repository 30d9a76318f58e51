"""What a run holds in memory, as shapes on a mesh whose devices need not be there: nothing is allocated."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import DTypeLike

from compeer_jax.models.config import Qwen2Config
from compeer_jax.models.parameters import param_axes
from compeer_jax.models.qwen2 import abstract
from compeer_jax.parallel.sharding import batch_sharding, check_divides, replicated, shardings
from compeer_jax.training.update import TrainState


def abstract_model(shape: Qwen2Config, mesh: Mesh, **options: Any) -> tuple[nnx.GraphDef, nnx.State]:
    """A model's graph, and its weights where `compeer_jax.models.weights.load` would put them.

    Args:
        shape: of the model.
        mesh: where it shall live.
        options: the keyword arguments of `Qwen2`.

    Raises:
        UserError: the mesh does not divide a weight.
    """
    graphdef, params = abstract(shape, **options)
    axes = param_axes(params)
    check_divides(params, axes, mesh)

    def place(param: nnx.Param, sharding: jax.sharding.Sharding) -> nnx.Param:
        return param.replace(jax.ShapeDtypeStruct(param.shape, param.dtype, sharding=sharding))

    def is_param(leaf: Any) -> bool:
        return isinstance(leaf, nnx.Variable)

    return graphdef, jax.tree.map(place, params, shardings(axes, mesh), is_leaf=is_param)


def abstract_state(params: Any, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """The training state that `compeer_jax.training.update.init_state` would make of these weights."""

    def moments(params: Any) -> Any:
        return optimizer.init(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params))

    placed = optax.tree.map_params(
        optimizer,
        lambda moment, param: jax.ShapeDtypeStruct(moment.shape, moment.dtype, sharding=param.sharding),
        jax.eval_shape(moments, params),
        params,
        transform_non_params=lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated(mesh)),
    )
    return TrainState(params, placed, whole((), jnp.int32, mesh))


def rows(batch: Any, mesh: Mesh) -> Any:
    """A tree of host arrays as `place_batch` would place them: rows split over the mesh."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), batch)


def whole(shape: tuple[int, ...], dtype: DTypeLike, mesh: Mesh) -> jax.ShapeDtypeStruct:
    """An array that every device holds."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=replicated(mesh))


def device_bytes(tree: Any) -> int:
    """What each device holds of a tree of placed shapes, in bytes."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * jnp.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(tree)
    )
