"""From logical axis names to places on the mesh.

Models name the dimensions of their arrays ("embed", "heads", ...); the one table here says over which mesh axes each
name is split. Layout is thus decided in one place, and a model never names a mesh axis.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
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
