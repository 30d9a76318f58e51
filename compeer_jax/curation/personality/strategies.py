"""Which strategies the two replies to a talk use, as a chat model names them."""

import re
import unicodedata

from compeer_jax.chat.models import Malformed
from compeer_jax.curation.personality.rewriting import Talk
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.talk import one_line, talk_text
from compeer_jax.dialogue.taxonomy import STRATEGIES

PROMPT = "strategy"
_FIRST = re.compile(r"(?:first|第一个) ?: ?(.+)", re.IGNORECASE)
_SECOND = re.compile(r"(?:second|第二个) ?: ?(.+)", re.IGNORECASE)


def strategy_messages(talk: Talk) -> list[dict[str, str]]:
    """The chat that asks for the strategies of a talk's two replies."""
    first, second = map(one_line, talk.responses)
    shown = {"conversation": talk_text(talk.history, talk.language), "first": first, "second": second}
    return load_task_prompt(PROMPT, talk.language).messages(**shown)


def parse_strategies(text: str) -> tuple[str, str]:
    """The canonical names in a chat model's answer of two lines, of the first reply and of the second.

    Raises:
        Malformed: there are other lines, or a name that is none of the eight.
    """
    lines = [line.strip() for line in unicodedata.normalize("NFKC", text).strip().splitlines() if line.strip()]
    matches = [pattern.fullmatch(line) for pattern, line in zip((_FIRST, _SECOND), lines, strict=False)]
    if len(lines) != 2 or not all(matches):
        raise Malformed("not one line with a strategy for each reply")
    first, second = (STRATEGIES.canonical(match[1]) for match in matches)
    if first is None or second is None:
        raise Malformed("a strategy that is not on the list")
    return first, second
