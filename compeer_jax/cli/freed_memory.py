"""Memory that a program has freed, kept for the next one."""

import ctypes
import os

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""The numbers of `mallopt`'s parameters in glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, to be called before threads are started.

    A compiled program's temporaries are one piece of memory on CPU, taken and given back at each call. By default glibc
    hands that back to the system, which fills every page with zeros again at the next call: of an update of ten million
    weights this is a fifth of the time. The process then holds what it held at most, until it ends.

    What the environment says of glibc's malloc goes before this. Where there is no glibc nothing is done.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another library, or a system that has none of that name
        return
    # One arena, since only the main one can hold pieces of any size; none of them mapped apart; and never trimmed.
    for parameter, value in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, -1)):
        mallopt(parameter, value)
