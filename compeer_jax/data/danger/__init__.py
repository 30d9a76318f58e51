"""Dialogues in which the seeker is in danger, and what may be learned from them."""
