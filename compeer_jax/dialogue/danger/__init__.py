"""Danger in what somebody says: finding it, and what is said then."""

from compeer_jax.dialogue.danger.wording import danger_notice, opening_notice
from compeer_jax.dialogue.danger.words import suggests_danger

__all__ = ["danger_notice", "opening_notice", "suggests_danger"]
