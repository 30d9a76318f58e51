"""Reasoning steps carried over to a talk in other words, so that what they quote is still said there."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from compeer_jax.chat.models import Malformed
from compeer_jax.curation.personality.drift import letters, line_fault
from compeer_jax.curation.personality.rewriting import Talk, numbered_lines
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import one_line, talk_text

PROMPT = "rewrite_steps"
_QUOTE = re.compile(r"“([^“”]*)”|\"([^\"]*)\"|「([^「」]*)」|『([^『』]*)』|«([^«»]*)»")


def steps_messages(before: Talk, after: Talk, steps: Mapping[str, str]) -> list[dict[str, str]]:
    """The chat that asks for the steps of a talk as steps of the same talk in other words."""
    shown = {
        "before": talk_text(before.history, before.language, numbered=True),
        "conversation": talk_text(after.history, after.language, numbered=True),
        "notes": "\n".join(f"{number}. {one_line(text)}" for number, text in enumerate(steps.values(), start=1)),
        "count": str(len(steps)),
    }
    return load_task_prompt(PROMPT, before.language).messages(**shown)


def parse_steps(before: Talk, after: Talk, steps: Mapping[str, str], text: str) -> dict[str, str]:
    """The steps in a chat model's answer, by tag.

    Raises:
        Malformed: lines other than were asked for, a step that quotes what nobody says in the talk as it is now and
            didn't before, or one that shows what no rewrite (see `drift.line_fault`) or no output may.
    """
    lines = numbered_lines(text, len(steps))
    for old, new in zip(steps.values(), lines, strict=True):
        if not letters(new):
            raise Malformed("a step without words")
        if len(unsaid(new, after.history)) > len(unsaid(old, before.history)):
            raise Malformed("a step quotes what nobody says")
        if fault := line_fault(one_line(old), new, before.language):
            raise Malformed(f"a step: {fault.partition(':')[0]}")
    if why := why_withheld(*lines):
        raise Malformed(why)
    return dict(zip(steps, lines, strict=True))


def unsaid(text: str, history: Sequence[Turn]) -> list[str]:
    """What `text` has in quotation marks and no turn has: case, punctuation and white space make no difference."""
    said = [letters(turn.content) for turn in history]
    quotes = ["".join(filter(None, groups)) for groups in _QUOTE.findall(unicodedata.normalize("NFC", text))]
    return [quote for quote in quotes if letters(quote) and not any(letters(quote) in words for words in said)]
