"""Asking a chat model whether the last turns of a talk show danger, and reading what it says."""

import re
from collections.abc import Sequence
from dataclasses import replace
from string import Template

from compeer_jax.dialogue.danger.kinds import KINDS, in_order
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import talk_text
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.dialogue.thoughts import spoken

PROMPT = "danger_rubric"
LAST_TURNS = 8  # shown: danger often stands two exchanges back
NONE = "none"

_LINE = re.compile(r"\W{0,6}danger\W{0,4}:\W{0,4}(?P<kinds>[a-z_]{1,40}(?:\W{0,3},\W{0,3}[a-z_]{1,40}){0,9})\W{0,6}")


def rubric_messages(turns: Sequence[Turn], language: Language) -> list[dict[str, str]]:
    """The chat that asks about a talk, of which the last `LAST_TURNS` turns are shown."""
    prompt = load_task_prompt(PROMPT, language)
    kinds = "\n".join(f"- {name}: {kind.definition[language].strip()}" for name, kind in KINDS.items())
    asked = replace(prompt, system=Template(prompt.system).substitute(danger_kinds=kinds))
    return asked.messages(conversation=talk_text(turns[-LAST_TURNS:], language))


def read_rubric(reply: str) -> tuple[str, ...] | None:
    """The kinds that a reply names in its last line, the most urgent first; None where it gives no answer.

    An answer is a line that is nothing else, as verdicts are. Two such lines that differ are none, and so is a kind
    that there isn't.
    """
    lines = [line for line in spoken(reply).text.casefold().splitlines() if line.strip()]
    found = [match["kinds"] for line in lines if (match := _LINE.fullmatch(line.strip()))]
    if not found or not _LINE.fullmatch(lines[-1].strip()):
        return None
    answers = {frozenset(re.findall("[a-z_]+", kinds)) for kinds in found}
    named = answers.pop()
    if answers or not named <= {NONE, *KINDS} or (NONE in named and len(named) > 1):
        return None
    return in_order(named - {NONE})
