"""What can be wrong with a chain's nodes, as far as rules can tell. No model asked.

A node may say again what somebody has said in the talk; what it may not repeat is the reply that it leads to, which
nobody has said yet, or a node before it.
"""

import re
from collections.abc import Iterator, Sequence

from compeer_jax.data.machine_style import machine_like
from compeer_jax.dialogue.reasoning import CARE, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language

VERSION = 1  # of the rules: another one makes the stage run again
NODES = tuple(step.tag for step in CARE.steps)

RUN = {"en": 8, "zh": 14}  # so many words, or characters in Chinese, in a row are a copy
LEAST = {"en": 4, "zh": 6}  # texts shorter than this ("I see.") are copied by chance
FOREIGN = 0.3  # share of the letters that may be of another script: names, titles, a quote

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]+")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CHARACTER = re.compile(r"[^\W_]")

# What somebody says who has been shown the reply or its label, and not somebody who is about to answer.
_KNOWN = {
    "en": re.compile(
        r"\b(?:real|actual|given|provided|original|reference|annotated|labell?ed|gold|target)"
        r" (?:reply|response|answer|strategy|label)\b"
        r"|\bannotat(?:ed|ions?|ors?)\b|\bground[- ]truth\b"
        r"|\b(?:reply|response|strategy) (?:above|below|(?:that )?(?:i (?:was|am)|we (?:were|are)) (?:given|shown))\b"
        r"|\b(?:the|this) (?:reply|response) (?:asks|says|uses|offers|begins|opens|starts|reads|was|acknowledges"
        r"|validates|reflects|shares|suggests|mentions|affirms|reassures|follows)\b"
        r"|\bthe supporter (?:then|next|actually) (?:replie[sd]|answer(?:s|ed)|respond(?:s|ed)|says|said)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"(?:真实|实际|给定|给出|提供|参考|标准|原有|目标)的?(?:回复|回应|回答|答复|策略|标签)"
        r"|标注|专家认定"
        r"|(?:上述|以上|上面的|下面的|以下)(?:回复|回应|回答|答复|策略)"
        r"|(?:该|这[个条句]|此)(?:回复|回应|回答|答复)"
    ),
}


def node_faults(turn: ReasonedTurn, history: Sequence[Turn], language: Language) -> dict[str, str | None]:
    """Node -> what is wrong with it, None if nothing is. Linear time.

    Args:
        turn: nodes and reply.
        history: the talk so far.
        language: of both.

    Returns:
        "no words", "another language", a sign of `machine_like`, "a copy of the reply", "a copy of another node" (of
        one before it), "knows the reply", or None.
    """
    said = " ".join(message.content for message in history)
    repeats = _Repeats(said, language)
    return {tag: next(_faults(turn, place, said, repeats, language), None) for place, tag in enumerate(NODES)}


def words(text: str, language: Language) -> list[str]:
    """What texts are compared and counted by: words in English, characters in Chinese; no marks, no case."""
    found = (_WORD if language == "en" else _CHARACTER).findall(text)
    return [word.casefold() for word in found]


class _Repeats:
    """Whether a text repeats another, beside what both have from the talk."""

    def __init__(self, said: str, language: Language):
        self.said, self.language = words(said, language), language

    def __call__(self, text: str, other: str) -> bool:
        one, two = words(text, self.language), words(other, self.language)
        length = min(RUN[self.language], len(two))
        if length < LEAST[self.language]:
            return False
        if one == two:
            return True
        shared = _runs(one, length) & _runs(two, length)
        return bool(shared and shared - _runs(self.said, length))


def _faults(turn: ReasonedTurn, place: int, said: str, repeats: _Repeats, language: Language) -> Iterator[str]:
    text = turn.steps.get(NODES[place], "")
    if not _LETTER.search(text):
        yield "no words"
    if _foreign(text, language):
        yield "another language"
    if sign := machine_like(text, language):
        yield sign
    if repeats(text, turn.response):
        yield "a copy of the reply"
    if any(repeats(text, turn.steps.get(earlier, "")) for earlier in NODES[:place]):
        yield "a copy of another node"
    if any(found.group().casefold() not in said.casefold() for found in _KNOWN[language].finditer(text)):
        yield "knows the reply"


def _foreign(text: str, language: Language) -> bool:
    """Whether too much of the text is in letters of another language."""
    letters = len(_LETTER.findall(text))
    if language == "en":
        return letters - len(_LATIN.findall(text)) > FOREIGN * letters
    # A Latin word weighs as much as a Chinese one, of two characters.
    han = len(_HAN.findall(text))
    others = letters - han - len(_LATIN.findall(text)) + 2 * len(_LATIN_WORD.findall(text))
    return others > FOREIGN * (han + others)


def _runs(tokens: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(tokens[start : start + length]) for start in range(len(tokens) - length + 1)}
