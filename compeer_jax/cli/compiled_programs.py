"""Programs that JAX compiles, kept on disk from one command to the next."""

import hashlib
import os
import platform
from pathlib import Path

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
