"""Rules for the nodes of a chain: what can be wrong with them, without a model asked.

A node may say again what somebody has said in the talk; what it may not repeat is the reply that it leads to, which
nobody has said yet, or a node before it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from compeer_jax.curation.filter.machine_style import machine_like
from compeer_jax.dialogue.reasoning import CARE, RESPONSE, ReasonedTurn
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
        r"\b(?:the|this|that|supporter['’]s) (?:real|actual|given|provided|original|reference|annotated|labell?ed|gold)"
        r" (?:reply|response|strategy|label)\b"
        r"|\bannotat(?:ed|ions?|ors?)\b|\bground[- ]truth\b"
        r"|\b(?:reply|response|strategy) (?:above|below|(?:that )?(?:i (?:was|am)|we (?:were|are)) (?:given|shown))\b"
        r"|\b(?:the|this) (?:reply|response) (?:asks|says|uses|offers|begins|opens|starts|reads|acknowledges"
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

    Returns:
        "no words", "another language", a sign of `machine_like`, "a copy of the reply", "a copy of another node" (of
        one before it), "knows the reply", or None.
    """
    talk = _Talk(history, language)
    tokens = {tag: words(turn.steps.get(tag, ""), language) for tag in NODES}
    tokens[RESPONSE] = words(turn.response, language)
    return {tag: next(_faults(turn.steps.get(tag, ""), place, tokens, talk), None) for place, tag in enumerate(NODES)}


def words(text: str, language: Language) -> list[str]:
    """What texts are compared and counted by: words in English, characters in Chinese; no marks, no case."""
    return (_WORD if language == "en" else _CHARACTER).findall(text.casefold())


@dataclass(frozen=True)
class _Talk:
    """What has been said so far, put in order when it is first asked for."""

    history: Sequence[Turn]
    language: Language

    @cached_property
    def text(self) -> str:
        return " ".join(turn.content for turn in self.history).casefold()

    @cached_property
    def tokens(self) -> list[str]:
        return words(self.text, self.language)


def _faults(text: str, place: int, tokens: Mapping[str, list[str]], talk: _Talk) -> Iterator[str]:
    """What is wrong with the text of the node at `place`; `tokens` are those of all nodes and of the reply."""
    if not _LETTER.search(text):
        yield "no words"
    if _foreign(text, talk.language):
        yield "another language"
    if sign := machine_like(text, talk.language):
        yield sign
    own = tokens[NODES[place]]
    if _repeats(own, tokens[RESPONSE], talk):
        yield "a copy of the reply"
    if any(_repeats(own, tokens[earlier], talk) for earlier in NODES[:place]):
        yield "a copy of another node"
    if any(found.group().casefold() not in talk.text for found in _KNOWN[talk.language].finditer(text)):
        yield "knows the reply"


def _repeats(own: list[str], other: list[str], talk: _Talk) -> bool:
    """Whether a text has a run of another's words, or all of them, that aren't from the talk."""
    length = min(RUN[talk.language], len(other))
    if length < LEAST[talk.language]:
        return False
    shared = _runs(own, length) & _runs(other, length)
    return own == other or bool(shared and shared - _runs(talk.tokens, length))


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
