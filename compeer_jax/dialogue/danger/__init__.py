"""Danger in what somebody says: finding it, and what is said then."""

from compeer_jax.dialogue.danger.find import Danger, danger_in_talk, find_danger, suggests_danger
from compeer_jax.dialogue.danger.wording import danger_notice, opening_notice

__all__ = ["Danger", "danger_in_talk", "danger_notice", "find_danger", "opening_notice", "suggests_danger"]
