"""Checks of a rewritten talk: it must still be the same talk, in words of its own that a person would write."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from compeer_jax.curation.filter.machine_style import machine_like
from compeer_jax.curation.personality.likeness import Likeness, cosines
from compeer_jax.curation.personality.rewriting import Talk
from compeer_jax.curation.privacy.masking import mask
from compeer_jax.dialogue.taxonomy import Language

COPIED = 0.5  # share of the lines; a talk with more of them as they were is a copy

_MARK = re.compile(r"\[[^\[\]\n]{1,20}\]")  # what stands for something left out, such as [email]
_NUMBER = re.compile(r"\d{3,}")  # of a helpline, a year, a sum
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_HAN = re.compile(r"[\u3400-\u9fff]")


def fault(talk: Talk, rewritten: Talk) -> str | None:
    """Why a rewrite can't be used, as far as its letters show; None if nothing is wrong with them.

    Returns:
        "machine-like", "another language", "a mark or a number is not as it was", "a contact that was not there" or
        "copied", each with what it concerns behind a colon, "the two replies became one", or None.
    """
    pairs = list(zip(talk.lines, rewritten.lines, strict=True))
    for number, (before, after) in enumerate(pairs, start=1):
        if found := line_fault(before, after, talk.language):
            reason, _, special = found.partition(": ")
            return f"{reason}: line {number}{', ' if special else ''}{special}"
    copied = sum(letters(before) == letters(after) for before, after in pairs)
    if copied > COPIED * len(pairs):
        return f"copied: {copied} of {len(pairs)} lines are as they were"
    if letters(pairs[-1][1]) == letters(pairs[-2][1]) and letters(pairs[-1][0]) != letters(pairs[-2][0]):
        return "the two replies became one"
    return None


def line_fault(before: str, after: str, language: Language) -> str | None:
    """Why a line in other words can't be used: the first four of those reasons, or None."""
    sign = machine_like(after, language)
    if sign is not None and sign != machine_like(before, language):
        return f"machine-like: {sign}"
    if _left(language, before, after):
        return "another language"
    if _kept(before) != _kept(after):
        return "a mark or a number is not as it was"
    if mask(after, language)[1] and not mask(before, language)[1]:
        return "a contact that was not there"
    return None


def least_cosines(talks: Sequence[Talk], rewritten: Sequence[Talk], likeness: Likeness) -> list[tuple[float, int]]:
    """Of each rewrite: the least cosine between one of its lines and the line it was, and the line's number, from 1.

    Lines that were too short to be compared count as 1.
    """
    before, after = ([line for talk in side for line in talk.lines] for side in (talks, rewritten))
    long = [row for row, line in enumerate(before) if len(letters(line)) >= likeness.shortest]
    values = np.ones(len(before))
    values[long] = cosines([before[row] for row in long], [after[row] for row in long], likeness.embed)
    ends = np.cumsum([len(talk.lines) for talk in talks])
    of_talks = np.split(values, ends[:-1]) if talks else []
    return [(float(of_talk.min()), int(of_talk.argmin()) + 1) for of_talk in of_talks]


def _kept(text: str) -> tuple[Counter[str], set[str]]:
    """What no rewriting may touch: marks, each as often as it stands there, and long numbers."""
    text = unicodedata.normalize("NFKC", text)
    return Counter(_MARK.findall(text)), set(_NUMBER.findall(_THOUSANDS.sub("", text)))


def _left(language: Language, before: str, after: str) -> bool:
    """Whether a line that was in the talk's language no longer is. What is in neither, such as "OK", is free."""
    was, now = _chinese(before), _chinese(after)
    return (was and not now) if language == "zh" else (now and not was)


def _chinese(text: str) -> bool:
    """Whether at least a third of the letters are Chinese. Each stands for more than a letter of the alphabet does."""
    letters = sum(map(str.isalpha, text))
    return letters > 0 and 3 * len(_HAN.findall(text)) >= letters


def letters(text: str) -> str:
    """What copies share: letters and digits, of any case and width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
