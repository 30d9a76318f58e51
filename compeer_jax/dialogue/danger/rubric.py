"""Danger rubric: a question to a chat model whether the last turns of a talk show danger, and how it is read."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from string import Template

from compeer_jax.dialogue.danger.kinds import KINDS, in_order
from compeer_jax.dialogue.disowned import disowned
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import talk_text
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.dialogue.thoughts import spoken

PROMPT = "danger_rubric"
LAST_TURNS = 8  # shown: danger often stands two exchanges back
NONE = "none"

_LINE = re.compile(r"danger ?: {0,4}(?P<kinds>[a-z_]{1,40}(?: ?, ?[a-z_]{1,40}){0,9})[.。]?")
# Lines that speak of an answer, or name one in their midst.
_OTHER = re.compile(
    rf"[\W\d_]*(?:danger|危险)[\w ]{{0,20}}:|.*\bdanger\W{{0,4}}:\W{{0,4}}(?:{'|'.join((NONE, *KINDS))})\b"
)


def rubric_messages(turns: Sequence[Turn], language: Language) -> list[dict[str, str]]:
    """The chat that asks about a talk, of which the last `LAST_TURNS` turns are shown."""
    prompt = load_task_prompt(PROMPT, language)
    kinds = "\n".join(f"- {name}: {kind.definition[language].strip()}" for name, kind in KINDS.items())
    asked = replace(prompt, system=Template(prompt.system).substitute(danger_kinds=kinds))
    return asked.messages(conversation=talk_text(turns[-LAST_TURNS:], language))


def read_rubric(reply: str) -> tuple[str, ...] | None:
    """The kinds that a reply names in its last line, the most urgent first; None where it gives no answer.

    An answer is a line that is nothing else, bold type and marks of code aside. It is none if the line above it ends
    with a colon or leaves it to somebody else, if another line speaks of danger in its way, or if it names a kind that
    there isn't: a missed answer can be asked for again, danger that a quoted "none" hides is lost.
    """
    plain = re.sub("[*`]", "", unicodedata.normalize("NFKC", spoken(reply).text).casefold())
    *above, last = [line.strip() for line in plain.splitlines() if line.strip()] or [""]
    answer = _LINE.fullmatch(last)
    if answer is None or disowned(above) or any(map(_OTHER.match, above)) or (above and above[-1].endswith(":")):
        return None
    named = set(re.findall("[a-z_]+", answer["kinds"]))
    if not named <= {NONE, *KINDS} or (NONE in named and len(named) > 1):
        return None
    return in_order(named - {NONE})
