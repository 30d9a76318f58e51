"""Readers of what the two sides of SAGE's seeker reply: the planner, who judges a turn, and the agent, who speaks.

Both reply in sections, each below its heading at the start of a line:

    Content: …                      Thinking: …
    TargetCompletion: …             Origin: …
    Activity: …                     Change: …
    Analyse: …                      Response: …
    Change: +5

Headings may have asterisks or brackets around them and a full-width colon behind them. The planner's change is one
whole number, with or without a sign, and nothing else: a number that stands in prose is nobody's verdict.

The official flavour reads as the released code does, by the first and last place of a heading anywhere: the change is
the first number after the last "Change:", and a reply without "Response:" is all said aloud.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from compeer_jax.chat.models import Malformed
from compeer_jax.dialogue.disowned import disowned
from compeer_jax.dialogue.thoughts import spoken

PLANNER_SECTIONS = ("Content", "TargetCompletion", "Activity", "Analyse", "Change")
AGENT_SECTIONS = ("Thinking", "Origin", "Change", "Response")

_AROUND = "[ \\t#>*_`•.\\d、()（）\\[\\]【】-]{0,16}"  # marks that writers put around a heading
_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "﹣": "-", "﹢": "+"})
_NUMBER = re.compile(r"([+-]?)\s*([0-9]{1,6})\s*(?:分|points?)?\s*[.。]?", re.IGNORECASE)
_WRAPPING = " \t\n*_`'\"“”‘’「」()[]{}【】<>"


@dataclass(frozen=True)
class Appraisal:
    """What the planner makes of the supporter's last turn.

    Attributes:
        change: of the emotion, as the planner says it; nothing is cut off yet.
        sections: heading -> text, without the change.
    """

    change: int
    sections: Mapping[str, str]

    @property
    def analysis(self) -> str:
        """The reasons, as one text to show."""
        return "\n\n".join(f"{name}: {text}" for name, text in self.sections.items())


@dataclass(frozen=True)
class Words:
    """What the agent says, and what it thought before."""

    response: str
    sections: Mapping[str, str]

    @property
    def thinking(self) -> str:
        """The thoughts, as one text to show."""
        return "\n\n".join(f"{name}: {text}" for name, text in self.sections.items())


def read_appraisal(text: str) -> Appraisal:
    """The planner's reply; Malformed if it has no change, more than one, one that is no whole number, or one that the
    line above it leaves to somebody else.
    """
    sections = _sections(text, PLANNER_SECTIONS)
    if "Change" not in sections:
        raise Malformed("no change")
    change = _whole_number(sections.pop("Change"))
    above = list(sections.values())[-1] if sections else _heading(("Change",)).split(spoken(text).text, 1)[0]
    if disowned(above.splitlines()):
        raise Malformed("the change is somebody else's")
    return Appraisal(change, sections)


def read_words(text: str) -> Words:
    """The agent's reply; Malformed if it has no response, more than one, or an empty one."""
    sections = _sections(text, AGENT_SECTIONS)
    response = sections.pop("Response", "").strip(" \t\n*").strip()
    if not response:
        raise Malformed("no response")
    return Words(response, sections)


def read_official_appraisal(text: str) -> Appraisal:
    """The planner's reply as the released code reads it; Malformed if no number comes after the last "Change:"."""
    text = text.replace("：", ":").replace("*", "")
    sections = {
        name: _bare(_before(_after(text, f"{name}:"), f"{following}:\n"))
        for name, following in pairwise(PLANNER_SECTIONS)
    }
    number = re.search(r"[+-]?\d{1,18}", _after(text, "Change:"))
    if number is None:
        raise Malformed("no change")
    return Appraisal(int(number[0]), sections)


def read_official_words(text: str) -> Words:
    """The agent's reply as the released code reads it; Malformed if nothing is said."""
    thinking = _bare(_after(_before(text, "Response:"), "Thinking:\n"))
    response = _bare(_after(text, "Response:")).strip("“").strip("”").strip()
    if not response:
        raise Malformed("no response")
    return Words(response, {"Thinking": thinking})


def _after(text: str, mark: str) -> str:
    """What follows the last mark; all of it where there is none."""
    return text.rpartition(mark)[2]


def _before(text: str, mark: str) -> str:
    return text.partition(mark)[0]


def _bare(text: str) -> str:
    return text.strip("\n").strip("[").strip("]")


def _whole_number(text: str) -> int:
    """The number that `text` is, signs and digits of any width, brackets and emphasis aside."""
    plain = unicodedata.normalize("NFKC", text).translate(_SIGNS).strip(_WRAPPING)
    match = _NUMBER.fullmatch(plain)
    if match is None:
        raise Malformed("the change is no whole number")
    sign, digits = match.groups()
    return -int(digits) if sign == "-" else int(digits)


def _sections(text: str, names: Sequence[str]) -> dict[str, str]:
    """Heading -> text below it, those left out that are not there; Malformed for one that comes twice or too early.

    What comes before the first heading is not read, nor are the thoughts of a reasoning model.
    """
    text = spoken(text).text.replace("\r\n", "\n")
    found = list(_heading(tuple(names)).finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    canonical = {name.lower(): name for name in names}
    sections: dict[str, str] = {}
    for match, end in zip(found, ends, strict=True):
        name = canonical[match["name"].lower()]
        if name in sections:
            raise Malformed(f"{name} is given twice")
        sections[name] = text[match.end() : end].strip()
    if list(sections) != [name for name in names if name in sections]:
        raise Malformed("sections out of order")
    return sections


@cache
def _heading(names: tuple[str, ...]) -> re.Pattern:
    """One of the headings at the start of a line, up to and with its colon. Every run is bounded, so it is linear."""
    pattern = rf"^{_AROUND}(?P<name>{'|'.join(names)})[ \t*_`\]】)）]{{0,8}}[:：∶﹕][*_`]{{0,4}}"
    return re.compile(pattern, re.IGNORECASE | re.ASCII | re.MULTILINE)
