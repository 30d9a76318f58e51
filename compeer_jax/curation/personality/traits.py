"""The four traits of the DISC model: the question to a chat model about a talk, and the strict parsing of the reply."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from compeer_jax.chat.models import Malformed
from compeer_jax.curation.privacy.masking import mask
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.talk import one_line, talk_text
from compeer_jax.dialogue.taxonomy import Language

Level = Literal["low", "medium", "high"]
Side = Literal["seeker", "supporter"]
SIDES: tuple[Side, ...] = ("seeker", "supporter")
PROMPT = "traits"
LONGEST_DESCRIPTION = 400  # characters; what is longer isn't the sentence that was asked for

_LEVELS: Mapping[str, Level] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "低": "low",
    "中": "medium",
    "高": "high",
}
_NAMES = {
    "en": {name: name for name in ("dominance", "influence", "steadiness", "conscientiousness")},
    "zh": {"dominance": "支配", "influence": "影响", "steadiness": "稳健", "conscientiousness": "谨慎"},
}
_LEVEL_NAMES = {
    "en": {"low": "low", "medium": "medium", "high": "high"},
    "zh": {"low": "低", "medium": "中", "high": "高"},
}
_FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Traits:
    """How one side of a talk speaks: the level of each trait, and the manner in one sentence on one line."""

    dominance: Level
    influence: Level
    steadiness: Level
    conscientiousness: Level
    description: str

    def text(self, language: Language) -> str:
        """The levels and the description on one line, for comparisons and as a persona in prompts."""
        levels = [
            f"{name}{'' if language == 'zh' else ' '}{_LEVEL_NAMES[language][getattr(self, trait)]}"
            for trait, name in _NAMES[language].items()
        ]
        if language == "zh":
            return f"{'，'.join(levels)}。{self.description}"
        return f"{', '.join(levels).capitalize()}. {self.description}"


def both_speak(dialogue: Dialogue) -> bool:
    """Whether there are words of both sides, so that both can be described."""
    return {turn.role for turn in dialogue.turns if turn.content.strip()} == set(SIDES)


def traits_messages(dialogue: Dialogue) -> list[dict[str, str]]:
    """The chat that asks for the traits of both sides of a dialogue."""
    prompt = load_task_prompt(PROMPT, dialogue.language)
    return prompt.messages(conversation=talk_text(dialogue.turns, dialogue.language))


def parse_traits(text: str) -> dict[Side, Traits]:
    """The traits of both sides in a chat model's answer: one JSON object as the prompt asks for, also in a code fence.

    Raises:
        Malformed: anything else: a field that is missing, unknown or of another kind, a level that is none of the
            three, a description that is empty, too long or has somebody's address, number or account in it.
    """
    text = text.strip()
    fenced = _FENCE.match(text)
    try:
        obj = json.loads(fenced[1] if fenced else text, object_pairs_hook=_no_field_twice)
    except (ValueError, RecursionError) as error:
        raise Malformed("not one JSON object") from error
    if not isinstance(obj, dict) or sorted(obj) != sorted(SIDES):
        raise Malformed("not an object of a seeker and a supporter")
    return {side: _side(obj[side]) for side in SIDES}


def _side(obj: object) -> Traits:
    """The traits of one side, levels in either language."""
    names = [field.name for field in fields(Traits)]
    if not isinstance(obj, dict) or sorted(obj) != sorted(names) or not all(isinstance(obj[n], str) for n in names):
        raise Malformed("not the four traits and a description for each side")
    values = {}
    for name in names[:-1]:
        level = _LEVELS.get(obj[name].strip().casefold())
        if level is None:
            raise Malformed("a trait that is not low, medium or high")
        values[name] = level
    description = " ".join(obj["description"].split())
    if not any(map(str.isalpha, description)):
        raise Malformed("no description of a side")
    if len(description) > LONGEST_DESCRIPTION:
        raise Malformed("a description longer than a sentence")
    if mask(description, "en")[1]:
        raise Malformed("a description with what can lead to a person")
    return Traits(**values, description=description)


def persona_text(traits: Traits, language: Language) -> str:
    """A persona as the rewriting prompt shows it: on one line, and unable to end its frame."""
    return one_line(traits.text(language))


def _no_field_twice(pairs: list[tuple[str, object]]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field stands there twice")
    return dict(pairs)
