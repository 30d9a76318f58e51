"""Control tokens: what a tokenizer reads as structure, wherever it stands in a text."""

import re
from functools import lru_cache
from typing import Any

from compeer_jax.dialogue.material import harmless


def special_tokens(tokenizer: Any) -> frozenset[str]:
    """Every token that the tokenizer takes for one of structure: marked special in its file, or named in its config."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return frozenset({token.content for token in added.values() if token.special} | {*tokenizer.all_special_tokens})


def defuse(tokenizer: Any, text: str) -> str:
    """`text` with a backslash inside each control token, of this tokenizer or of a usual family; no other change. So
    nobody ends a turn by typing."""
    pattern, text = _pattern(special_tokens(tokenizer)), harmless(text, ("control",))
    if pattern is None:
        return text
    while (after := pattern.sub(_defused, text)) != text:  # what is defused may leave another behind
        text = after
    return text


@lru_cache
def _pattern(tokens: frozenset[str]) -> re.Pattern[str] | None:
    longest_first = sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None


def _defused(match: re.Match[str]) -> str:
    first, rest = match.group()[:1], match.group()[1:]
    return f"{first} {rest}" if rest.startswith("\\") else f"{first}\\{rest}"
