"""Words that suggest danger.

This is a short list of words in two languages (`words.yaml`), not an assessment. It misses many of the ways in which
people say that they are in danger, and finds words that mean something else. So it only ever adds a line with crisis
numbers, which does no harm where it is not needed; nothing is kept back, changed or reported because of it.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml


def suggests_danger(text: str) -> bool:
    """Whether `text` holds one of the words, in either language: people mix them.

    Case, full-width letters, apostrophes, hyphens and spacing make no difference.
    """
    patterns, plain = _patterns(), _plain(text)
    return bool(patterns["en"].search(plain) or patterns["zh"].search(plain.replace(" ", "")))


@cache
def _words() -> Mapping[str, list[str]]:
    return yaml.safe_load(resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8"))["words"]


@cache
def _patterns() -> Mapping[str, re.Pattern]:
    """By language; English phrases are found between other letters' ends, Chinese ones anywhere."""
    any_of = {
        language: "|".join(re.escape(_plain(phrase)) for phrase in phrases) for language, phrases in _words().items()
    }
    return {"en": re.compile(rf"(?<![a-z])(?:{any_of['en']})(?![a-z])"), "zh": re.compile(any_of["zh"])}


def _plain(text: str) -> str:
    """`text` in half-width, caseless letters, without apostrophes, words a space apart."""
    plain = re.sub("['’‘ʼ`´]", "", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(re.sub(r"[-‐‑–]", " ", plain).split())
