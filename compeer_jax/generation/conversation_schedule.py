"""When the rows of conversations read, and when they write: what changes how long it takes, never what is written."""

from typing import NamedTuple

import jax

from compeer_jax.parallel.platform import platform

WAITING_SHARE = 0.15  # of the rows that are left; by simulation of replies of 10 to 40 tokens flat from 0.1 to 0.25


class Schedule(NamedTuple):
    """How rows share the work.

    Attributes:
        read_rows: how many rows read at a time. Each goes through its rounds at its own pace: as soon as so many wait
            to read, or `WAITING_SHARE` of those that are left, the others pause their writing. None: all rows read,
            then all write, so that they go through their rounds together.
        read_chunk: how many tokens of an ask these read at a time.
        stages: in how many steps the cache grows to its full length. Attention takes as long as the cache is long,
            filled or not; a stage more compiles the loop once more.
    """

    read_rows: int | None
    read_chunk: int
    stages: int = 2


def default_schedule(rows: int) -> Schedule:
    """On one CPU device rows go at their own pace, elsewhere together.

    A CPU takes as long as there are tokens, so it reads few rows at a time and wastes little (measured). A GPU or TPU
    takes about as long to read a little, or to write a token for every row, as to stream its weights, so it reads much
    at once (by that model, not measured); and on a mesh a choice among all rows would move caches between devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if platform() == "cpu" and (mesh.empty or mesh.size == 1):
        return Schedule(read_rows=max(4, rows // 16), read_chunk=16)
    return Schedule(read_rows=None, read_chunk=64)
