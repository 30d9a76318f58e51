"""Abstract arrays of a run: weights, optimiser and batches as shapes on a mesh whose devices need not be there."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import AbstractMesh, Mesh
from jaxtyping import DTypeLike

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract
from compeer_jax.models.lora import abstract_adapted, join, split_adapters
from compeer_jax.models.parameters import param_axes
from compeer_jax.models.quantized import Storage
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.sharding import batch_sharding, check_divides, replicated, shardings
from compeer_jax.training.update import TrainState

AnyMesh = Mesh | AbstractMesh  # one without devices serves for sizes, not for compiling


class Weights(NamedTuple):
    """A model's weights, placed: those that learn, and the frozen ones that adapters stand on (None without adapters).

    Attributes:
        graphdef: the model without them.
        trained, frozen: as `compeer_jax.training.run.Run` has them.
    """

    graphdef: nnx.GraphDef
    trained: nnx.State
    frozen: nnx.State | None

    @property
    def whole(self) -> nnx.State:
        """What the graph computes with."""
        return join(self.trained, self.frozen)


def abstract_weights(
    shape: DecoderConfig, config: ModelConfig, mesh: AnyMesh, *, quantize: Storage = "none"
) -> Weights:
    """The weights of a model where loading it puts them.

    Args:
        shape: of the model.
        config: types, layout and adapters; its path is not looked at.
        mesh: where they shall live.
        quantize: how the projections of a model are kept that does not learn.

    Raises:
        UserError: the mesh does not divide a weight.
    """
    dtype, param_dtype = jnp.dtype(config.dtype), jnp.dtype(config.param_dtype)
    options = config.options
    if not config.lora.rank:
        graphdef, params = abstract(shape, quantize=quantize, dtype=dtype, param_dtype=param_dtype, **options)
        return Weights(graphdef, _placed(params, mesh), None)
    options |= {"dtype": dtype, "param_dtype": dtype}  # as `compeer_jax.models.frozen_base.FrozenBase` keeps them
    graphdef, params = abstract_adapted(shape, config.lora, adapter_dtype=param_dtype, **options)
    return Weights(graphdef, *split_adapters(_placed(params, mesh)))


def _placed(params: nnx.State, mesh: AnyMesh) -> nnx.State:
    axes = param_axes(params)
    check_divides(params, axes, mesh)

    def place(param: nnx.Param, sharding: jax.sharding.Sharding) -> nnx.Param:
        return param.replace(jax.ShapeDtypeStruct(param.shape, param.dtype, sharding=sharding))

    def is_param(leaf: Any) -> bool:
        return isinstance(leaf, nnx.Variable)

    return jax.tree.map(place, params, shardings(axes, mesh), is_leaf=is_param)


def abstract_state(params: Any, optimizer: optax.GradientTransformation, mesh: AnyMesh) -> TrainState:
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


def rows(batch: Any, mesh: AnyMesh) -> Any:
    """A tree of host arrays as `place_batch` would place them: rows split over the mesh."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), batch)


def whole(shape: tuple[int, ...], dtype: DTypeLike, mesh: AnyMesh) -> jax.ShapeDtypeStruct:
    """An array that every device holds."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=replicated(mesh))


def device_bytes(tree: Any) -> int:
    """Bytes on each device of a tree of placed shapes."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * jnp.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(tree)
    )
