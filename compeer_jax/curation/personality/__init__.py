"""Personalities: how the two sides of a talk speak, who speaks alike, and talks rewritten to another's manner."""
