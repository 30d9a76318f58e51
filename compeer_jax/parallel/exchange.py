"""Exchange between processes: small things as JSON, arrays of the mesh as they are. Nothing goes through files.

With one process each function here does without the others, at no cost.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from compeer_jax.errors import UserError

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process is the one that writes what a run writes once."""
    return jax.process_index() == 0


def gather(value: Any) -> list[Any]:
    """Every process's value, by the number of the process; to be called by all of them.

    Args:
        value: whatever JSON can hold.
    """
    if jax.process_count() == 1:
        return [value]
    from jax.experimental.multihost_utils import process_allgather

    data = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = process_allgather(np.array([len(data)]))[:, 0]
    width = 1 << max(10, int(sizes.max() - 1).bit_length())  # powers of two, so that few programs are compiled
    rows = process_allgather(np.pad(data, (0, width - len(data))))
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def agree(function: Callable[[], T]) -> list[T]:
    """Results of `function` in each process, by the number of the process; to be called by all of them.

    Args:
        function: returns what JSON can hold; it must not compute on devices of other processes.

    Raises:
        UserError: `function` raised it, or met the system's refusal of a file, in some process; all raise the sentence
            of the first that did.
    """
    if jax.process_count() == 1:
        return [function()]
    mine: dict[str, Any] = {}
    try:
        mine["value"] = function()
    except UserError as error:
        mine["error"] = str(error)
    except OSError as error:
        what = f"{error.strerror or error} ({error.filename or 'while writing'})"
        mine["error"] = f"Process {jax.process_index()}: {what}; mend that and start all processes again."
    heard = gather(mine)
    for one in heard:
        if "error" in one:
            raise UserError(one["error"])
    return [one["value"] for one in heard]


def from_first(function: Callable[[], T]) -> T:
    """Result of `function` in process 0, the only one that calls it. See `agree`."""
    return agree(lambda: function() if is_first() else None)[0]


def share_of(items: Sequence[T]) -> Sequence[T]:
    """The part of `items` that is this process's to deal with: parts stand side by side and differ by one at most."""
    index, count = jax.process_index(), jax.process_count()
    return items[index * len(items) // count : (index + 1) * len(items) // count]


def by_share(
    function: Callable[[Sequence[Any]], Sequence[T]],
    items: Sequence[Any],
    *,
    pack: Callable[[T], Any] = lambda result: result,
    unpack: Callable[[Any], T] = lambda packed: packed,
) -> list[T]:
    """`list(function(items))`, of which each process computes its share.

    Args:
        function: gives one result an item; an item's result doesn't depend on the others.
        items: the same in every process.
        pack, unpack: make of a result what JSON can hold, and the result again.

    Raises:
        UserError: `function` raised it in some process.
    """
    if jax.process_count() == 1:
        return list(function(items))

    def mine() -> list[Any]:
        share = share_of(items)
        return [pack(result) for result in function(share)] if share else []

    return [unpack(packed) for part in agree(mine) for packed in part]


def fetch(arrays: Any) -> Any:
    """A tree of arrays on a mesh as NumPy arrays, whole in every process."""
    leaves = jax.tree.leaves(arrays)
    if all(not isinstance(leaf, jax.Array) or leaf.is_fully_addressable for leaf in leaves):
        return jax.device_get(arrays)
    from jax.experimental.multihost_utils import process_allgather

    return process_allgather(arrays, tiled=True)


def host_key(key: jax.Array) -> jax.Array:
    """A random key that was drawn on one mesh, free to be used on any other."""
    return jax.random.wrap_key_data(np.asarray(jax.random.key_data(key)), impl=jax.random.key_impl(key))
