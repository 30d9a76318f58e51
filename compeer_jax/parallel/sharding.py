"""From logical axis names to places on the mesh.

Models name the dimensions of their arrays ("embed", "heads", ...); the one table here says over which mesh axes each
name is split. Layout is thus decided in one place, and a model never names a mesh axis.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from compeer_jax.errors import UserError, unknown

Axes = tuple[str | None, ...]
"""The logical name of each dimension of an array; None where a dimension is never split."""

Rule = str | tuple[str, ...] | None

RULES: Mapping[str, Rule] = {
    # activations
    "batch": ("data", "fsdp"),
    "length": None,
    # weights (an activation's "embed" falls to None by itself, since "batch" took fsdp first)
    "vocab": "tensor",
    "embed": "fsdp",
    "heads": "tensor",
    "kv_heads": "tensor",
    "head_dim": None,
    "mlp": "tensor",
    "layers": None,
}

GATHERED: Mapping[str, Rule] = {**RULES, "embed": None}
"""Weights whole on every `fsdp` shard: for loops that would else gather them at every turn."""


def spec(axes: Axes, rules: Mapping[str, Rule] = RULES) -> PartitionSpec:
    """The partition of an array whose dimensions have these logical names.

    A mesh axis can split one dimension of an array only: the first that asks for it gets it.

    Raises:
        UserError: a name that has no rule.
    """
    taken: set[str] = set()
    entries = []
    for name in axes:
        if name is not None and name not in rules:
            raise unknown("logical axis", name, rules)
        free = [axis for axis in _mesh_axes(None if name is None else rules[name]) if axis not in taken]
        taken.update(free)
        entries.append(_entry(free))
    return PartitionSpec(*entries)


def constrain(x: jax.Array, *axes: str | None, rules: Mapping[str, Rule] = RULES) -> jax.Array:
    """Ask the compiler to lay `x` out by its logical axes on the current mesh (`jax.set_mesh`).

    Without a mesh, or on a mesh of one device, it returns `x` untouched. Mesh axes that do not divide a dimension are
    dropped for that dimension, so that an odd batch still runs.

    Args:
        x: an array with one dimension a name.
        axes: logical names, one a dimension.
    """
    if len(axes) != x.ndim:
        raise ValueError(f"{len(axes)} axis names {axes} for an array of shape {x.shape}")
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return x
    return jax.lax.with_sharding_constraint(x, _fit(spec(axes, rules), x.shape, mesh))


def on_row_shards(compute: Callable[..., Any], weight: jax.Array, axes: Axes, *rows: jax.Array) -> Any:
    """`compute(weight, *rows)`, by every row shard for its own rows, with a copy of the weight.

    For loops that multiply by one weight again and again: left to itself the compiler gathers it at every turn, and
    sums its gradient over the devices at every turn. Here it is gathered once, before, and its gradient summed once,
    after, in float32 at least. Each device holds both whole, but for what `tensor` splits.

    Without a mesh, and where the mesh does not divide the rows, it is the plain call.

    Args:
        compute: gives arrays [N ...], each row of them made of the same row of `rows` alone.
        weight: laid out by its logical axes.
        axes: their names.
        rows: arrays [N ...].
    """
    mesh = jax.sharding.get_abstract_mesh()
    shards = 1 if mesh.empty or any(kind != AxisType.Auto for kind in mesh.axis_types) else row_shards(mesh)
    if shards == 1 or len(rows[0]) % shards:
        return compute(weight, *rows)
    row_axes = _mesh_axes(spec(("batch",))[0])
    laid_out = [_mesh_axes(entry) for entry in _fit(spec(axes), weight.shape, mesh)]

    def gather(share: jax.Array) -> jax.Array:
        for dimension, entry in enumerate(laid_out):
            for axis in reversed([axis for axis in entry if axis in row_axes]):
                share = jax.lax.all_gather(share, axis, axis=dimension, tiled=True)
        return share[None]

    kept = [_entry([axis for axis in entry if axis not in row_axes]) for entry in laid_out]
    specs = PartitionSpec(*(_entry(list(entry)) for entry in laid_out)), PartitionSpec(row_axes, *kept)
    copies = jax.shard_map(gather, mesh=mesh, in_specs=specs[0], out_specs=specs[1])(
        weight.astype(jnp.promote_types(weight.dtype, jnp.float32))
    )

    def split(x: jax.Array) -> jax.Array:
        return constrain(x.reshape(shards, -1, *x.shape[1:]), "batch", *(None,) * x.ndim)

    def join(x: jax.Array) -> jax.Array:
        return constrain(x.reshape(-1, *x.shape[2:]), "batch", *(None,) * (x.ndim - 2))

    return jax.tree.map(join, jax.vmap(compute)(copies, *map(split, rows)))


def shardings(axes: Any, mesh: Mesh, rules: Mapping[str, Rule] = RULES) -> Any:
    """A tree of logical axes turned into a tree of `NamedSharding` on the mesh."""
    return jax.tree.map(lambda names: NamedSharding(mesh, spec(names, rules)), axes, is_leaf=is_axes)


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows split over `data` and `fsdp`, the other dimensions whole."""
    return NamedSharding(mesh, spec(("batch",)))


def row_shards(mesh: Mesh | AbstractMesh) -> int:
    """Over how many devices the rows of a batch are split."""
    return math.prod(mesh.shape[axis] for axis in _mesh_axes(spec(("batch",))[0]))


def fill_row_shards(x: jax.Array) -> jax.Array:
    """`x` with rows of zeros behind, as many as it takes for the current mesh to split them equally.

    Rows that a mesh can't split are computed whole on every device.
    """
    mesh = jax.sharding.get_abstract_mesh()
    missing = 0 if mesh.empty else -len(x) % row_shards(mesh)
    return jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else x


def place_batch(batch: Any, mesh: Mesh) -> Any:
    """Put a tree of host arrays on the mesh, rows split over `data` and `fsdp`.

    With several processes each gives the whole batch, of which it reads only the rows of its own devices; which those
    are follows from the mesh, and with `tensor` across processes some rows are read by several.

    Raises:
        UserError: the rows do not divide over the mesh.
    """
    for leaf in jax.tree.leaves(batch):
        check_divides({"the batch": (leaf.shape[0],)}, {"the batch": ("batch",)}, mesh)
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_callback(leaf.shape, sharding, lambda index, leaf=leaf: leaf[index]), batch
    )


def check_divides(shapes: Any, axes: Any, mesh: Mesh | AbstractMesh, rules: Mapping[str, Rule] = RULES) -> None:
    """Make sure that the mesh splits every tensor into equal parts, before anything is allocated.

    Args:
        shapes: a tree of arrays, `ShapeDtypeStruct`s or shape tuples.
        axes: the same tree with logical axes as leaves, or a prefix of it.
        mesh: where the tensors shall live.

    Raises:
        UserError: names the first tensor, dimension and mesh axes that do not fit.
    """

    def check(path, names, tensor):
        shape = tuple(getattr(tensor, "shape", tensor))
        if len(names) != len(shape):
            raise ValueError(f"{len(names)} axis names {names} for {_name(path)} of shape {shape}")
        for name, size, entry in zip(names, shape, spec(names, rules), strict=True):
            split = _mesh_axes(entry)
            parts = math.prod(mesh.shape[axis] for axis in split)
            if size % parts:
                sizes = " x ".join(f"{axis}={mesh.shape[axis]}" for axis in split)
                raise UserError(
                    f"The mesh does not divide {_name(path)} {list(shape)}: its {name!r} dimension of {size} cannot be "
                    f"split over {sizes}; choose mesh sizes whose product divides {size}."
                )

    jax.tree_util.tree_map_with_path(check, axes, shapes, is_leaf=is_axes)


def is_axes(x: Any) -> bool:
    """Whether `x` is a leaf of a tree of logical axes: a plain tuple of names and Nones."""
    return type(x) is tuple and all(name is None or isinstance(name, str) for name in x)


def _fit(wanted: PartitionSpec, shape: tuple[int, ...], mesh: AbstractMesh) -> PartitionSpec:
    """The part of a partition that the mesh can do: axes it has, that the compiler may place, and that divide."""
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    entries = []
    for size, entry in zip(shape, wanted, strict=True):
        kept: list[str] = []
        parts = 1
        for axis in _mesh_axes(entry):
            if kinds.get(axis) == AxisType.Auto and size % (parts * mesh.shape[axis]) == 0:
                kept.append(axis)
                parts *= mesh.shape[axis]
        entries.append(_entry(kept))
    return PartitionSpec(*entries)


def _mesh_axes(rule: Rule) -> tuple[str, ...]:
    return () if rule is None else (rule,) if isinstance(rule, str) else tuple(rule)


def _entry(axes: list[str]) -> Rule:
    return None if not axes else axes[0] if len(axes) == 1 else tuple(axes)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
