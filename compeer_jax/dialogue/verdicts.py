"""What a judge's reply says in its verdict line."""

from compeer_jax.dialogue.judging import PREFERENCES, Preference


def parse_step_verdict(text: str) -> bool | None:
    """True or False, or None when the reply has no readable verdict."""
    value = _last(text)
    return {"true": True, "false": False}.get(value)


def parse_preference(text: str) -> Preference | None:
    """Which reply is better, or None when the reply has no readable verdict."""
    value = _last(text)
    return value if value in PREFERENCES else None


def _last(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.lower().startswith("verdict:")]
    return lines[-1].partition(":")[2].strip().lower() if lines else None
