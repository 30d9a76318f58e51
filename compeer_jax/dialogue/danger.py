"""Words that suggest danger, and what a person is then shown: where to call.

This is a short list of words in two languages (`danger.yaml`), not an assessment. It misses many of the ways in which
people say that they are in danger, and finds words that mean something else. So it only ever adds a line with crisis
numbers, which does no harm where it is not needed; nothing is kept back, changed or reported because of it.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from compeer_jax.dialogue.taxonomy import Language, check_language


def suggests_danger(text: str) -> bool:
    """Whether `text` holds one of the words, in either language, as people mix them. Case and width don't count."""
    return _pattern().search(_plain(text)) is not None


def opening_notice(language: Language) -> str:
    """What a person is told before they talk with a model: what it is, what it is not, and where to call in danger."""
    return _content()["opening"][check_language(language)]


def danger_notice(language: Language) -> str:
    """What a person is shown after words that suggest danger."""
    return _content()["danger"][check_language(language)]


@cache
def _content() -> Mapping:
    return yaml.safe_load(resources.files(__package__).joinpath("danger.yaml").read_text(encoding="utf-8"))


@cache
def _pattern() -> re.Pattern:
    words = _content()["words"]
    english = "|".join(re.escape(_plain(phrase)) for phrase in words["en"])
    chinese = "|".join(re.escape(_plain(phrase)) for phrase in words["zh"])
    return re.compile(rf"(?<![a-z])(?:{english})(?![a-z])|{chinese}")


def _plain(text: str) -> str:
    """`text` in half-width, caseless letters, with straight apostrophes and single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‑", "-").replace("‐", "-")
    return " ".join(plain.split())
