"""Settings of the process, made before JAX is imported: cache of compiled programs, freeing of memory, log."""

import ctypes
import hashlib
import logging
import os
import platform
from pathlib import Path

from compeer_jax.report.terminal_text import safe_console

FOLDER = "JAX_COMPILATION_CACHE_DIR"


def keep_compiled_programs() -> None:
    """Lets JAX keep what takes a second or more to compile under the user's cache folder; to be called before JAX is
    imported.

    JAX_COMPILATION_CACHE_DIR names another folder, and JAX_ENABLE_COMPILATION_CACHE=0 keeps nothing. Where the folder
    can't be made nothing is kept either.
    """
    if FOLDER in os.environ:
        return
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home) / "compeer_jax" / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a folder that is read-only, or a user without a home
        return
    os.environ[FOLDER] = str(folder)


def _processor() -> str:
    """A name for the kind of processor: programs for one kind may not run on another that shares the folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


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


def show_log() -> None:
    """Shows our own log lines, plainly, and keeps the libraries' chatter down to warnings."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from rich.logging import RichHandler

    handler = RichHandler(
        console=safe_console(stderr=True, soft_wrap=True),
        show_time=False,
        show_path=False,
        show_level=False,
        markup=False,
        highlighter=None,
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("compeer_jax").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)
