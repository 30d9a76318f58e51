"""COMPEER for JAX: emotional support with psychological reasoning, trained by SFT and redundancy-aware GRPO."""

__version__ = "0.1.0"
