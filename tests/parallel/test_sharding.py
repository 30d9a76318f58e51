"""Logical axes: where arrays come to lie, and that a sharded computation gives the numbers of a single device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import (
    batch_sharding,
    check_divides,
    constrain,
    on_row_shards,
    place_batch,
    replicated,
    shardings,
    spec,
)
from compeer_jax.planning.counts import Counts, count
from compeer_jax.planning.hlo import parse


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))


@pytest.mark.parametrize(
    "axes, partition",
    [
        ((), P()),
        (("vocab", "embed"), P("tensor", "fsdp")),
        (("layers", "embed", "kv_heads", "head_dim"), P(None, "fsdp", "tensor", None)),
        (("mlp", "embed"), P("tensor", "fsdp")),
        (("batch", "length", "heads", "head_dim"), P(("data", "fsdp"), None, "tensor", None)),
        # A mesh axis splits one dimension only: the first that asks.
        (("batch", "length", "embed"), P(("data", "fsdp"), None, None)),
        (("heads", "mlp"), P("tensor", None)),
        ((None, "embed"), P(None, "fsdp")),
    ],
)
def test_logical_axes_become_mesh_axes(axes, partition):
    assert spec(axes) == partition


def test_an_unknown_axis_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown logical axis 'head'; did you mean 'heads'"):
        spec(("head",))


def test_constrain_without_a_mesh_returns_the_very_array():
    x = jnp.ones((4, 2))
    assert constrain(x, "batch", "embed") is x


def test_constrain_wants_a_name_for_each_dimension():
    with pytest.raises(ValueError, match="2 axis names"):
        constrain(jnp.ones(3), "batch", "length")


@pytest.mark.parametrize("rows, partition", [(8, (("data", "fsdp"),)), (6, ("data",)), (3, ())])
def test_constrain_drops_the_mesh_axes_that_do_not_divide(mesh, rows, partition):
    def double(x):
        return constrain(2 * x, "batch", "length")

    x = jnp.arange(rows * 5.0).reshape(rows, 5)
    with jax.set_mesh(mesh):
        y = jax.jit(double)(x)
    assert y.sharding.is_equivalent_to(jax.sharding.NamedSharding(mesh, P(*partition)), 2)
    np.testing.assert_array_equal(y, 2 * x)


def test_a_sharded_layer_and_its_gradient_equal_those_of_one_device(mesh):
    keys = jax.random.split(jax.random.key(0), 3)
    params = {"up": jax.random.normal(keys[0], (8, 12)), "down": jax.random.normal(keys[1], (12, 8))}
    axes = {"up": ("embed", "mlp"), "down": ("mlp", "embed")}
    x = jax.random.normal(keys[2], (4, 3, 8))

    def loss(params, x):
        hidden = constrain(jnp.tanh(x @ params["up"]), "batch", "length", "mlp")
        return jnp.mean(constrain(hidden @ params["down"], "batch", "length", "embed") ** 2)

    value, grads = jax.jit(jax.value_and_grad(loss))(params, x)
    with jax.set_mesh(mesh):
        spread = jax.device_put(params, shardings(axes, mesh))
        sharded_value, sharded_grads = jax.jit(jax.value_and_grad(loss))(spread, place_batch(x, mesh))
    assert spread["up"].addressable_shards[0].data.shape == (4, 6)
    np.testing.assert_allclose(sharded_value, value, rtol=1e-6)
    for name in params:
        np.testing.assert_allclose(sharded_grads[name], grads[name], rtol=1e-5, atol=1e-7)


CHUNKS, INNER, OUTER = 16, 64, 256


def loss_by_columns(weight, x):
    """A loop over chunks of columns, each multiplied by the weight: x is [N T D]."""

    def score(weight, x):
        parts = x.reshape(len(x), CHUNKS, -1, INNER).swapaxes(0, 1)
        return jax.lax.map(jax.checkpoint(lambda part: jnp.tanh(part @ weight).sum((1, 2))), parts).sum(0)

    return (jnp.arange(1.0, len(x) + 1) * on_row_shards(score, weight, ("embed", "vocab"), x)).sum() / x.size


@pytest.mark.parametrize("sizes, rows", [((1, 8, 1), 8), ((2, 2, 2), 8), ((4, 1, 2), 6)])  # 4 do not divide 6
def test_a_weight_that_row_shards_have_copies_of_gets_the_gradient_of_one_device(sizes, rows):
    mesh = make_mesh(MeshConfig(*sizes))
    weight = jax.random.normal(jax.random.key(0), (INNER, OUTER)) / 8
    x = jax.random.normal(jax.random.key(1), (rows, 2 * CHUNKS, INNER))
    graded = jax.value_and_grad(loss_by_columns, argnums=(0, 1))
    value, grads = jax.jit(graded)(weight, x)
    with jax.set_mesh(mesh):
        spread = jax.device_put(weight, shardings(("embed", "vocab"), mesh))
        sharded_value, sharded = jax.jit(graded)(spread, x)
    np.testing.assert_allclose(sharded_value, value, rtol=1e-5)
    for ours, known in zip(sharded, grads, strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-4, atol=1e-5)


def test_a_copied_weight_crosses_the_links_twice_however_often_the_loop_turns():
    """Gathered once, of four shards all but the own; its gradient summed once, of which a device keeps a share."""
    mesh = make_mesh(MeshConfig(fsdp=4, tensor=2))
    weight = jax.ShapeDtypeStruct((INNER, OUTER), jnp.float32, sharding=shardings(("embed", "vocab"), mesh))
    x = jax.ShapeDtypeStruct((8, 2 * CHUNKS, INNER), jnp.float32, sharding=batch_sharding(mesh))

    def gradient(weight, x):
        return constrain(jax.grad(loss_by_columns)(weight, x), "embed", "vocab")

    with jax.set_mesh(mesh):
        program = jax.jit(gradient).lower(weight, x).compile().as_text()
    moved = sum(count(parse(program)).values(), Counts()).collectives
    share = 4 * INNER * OUTER / 2 / 4
    assert moved["all-gather"].bytes == 3 * share
    assert moved["reduce-scatter"].bytes == 3 * share
    assert sum(traffic.bytes for traffic in moved.values()) <= 6.1 * share


def test_a_tree_of_axes_becomes_a_tree_of_shardings(mesh):
    tree = shardings({"a": ("vocab", "embed"), "b": [(), (None, "heads")]}, mesh)
    assert tree["a"].spec == P("tensor", "fsdp")
    assert tree["b"][0] == replicated(mesh)
    assert tree["b"][1].spec == P(None, "tensor")


def test_a_placed_batch_is_split_by_rows_and_keeps_its_numbers(mesh):
    batch = {"tokens": np.arange(24).reshape(8, 3), "weight": np.arange(8.0)}
    placed = place_batch(batch, mesh)
    assert placed["tokens"].sharding.is_equivalent_to(batch_sharding(mesh), 2)
    assert {shard.data.shape for shard in placed["tokens"].addressable_shards} == {(2, 3)}
    for name, array in batch.items():
        np.testing.assert_array_equal(placed[name], array)


def test_a_batch_that_does_not_divide_is_refused_with_its_size(mesh):
    with pytest.raises(UserError, match=r"divide the batch \[6\].*'batch' dimension of 6 .* data=2 x fsdp=2"):
        place_batch(np.zeros((6, 3)), mesh)


def test_a_tensor_that_the_mesh_does_not_divide_is_named(mesh):
    shapes = {"layers": [{"key": jax.ShapeDtypeStruct((896, 3, 64), jnp.float32)}]}
    axes = {"layers": [{"key": ("embed", "kv_heads", "head_dim")}]}
    with pytest.raises(UserError, match=r"layers\.0\.key \[896, 3, 64\].*'kv_heads' dimension of 3 .* tensor=2"):
        check_divides(shapes, axes, mesh)
    check_divides({"layers": [{"key": (896, 4, 64)}]}, axes, mesh)
