r"""What a judge's reply says in its verdict line: in the spellings that models really use, and in nothing else.

A judge is asked to end with `Verdict: True` or the like. Case, full-width signs, Markdown, quotes, LaTeX boxes, words
such as "the" or "is" and plain Chinese words for all of it make no difference. For the rest:

- the last line that gives a verdict counts; a reply without one has no verdict, whatever else it says;
- a value counts right behind the marker, or at the start of the next line when nothing else stands behind it;
- a line that names two values has no verdict, as in `True|False` or "first, not second". Nothing is guessed.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from compeer_jax.dialogue.judging import Preference
from compeer_jax.dialogue.thoughts import spoken

_DECORATION = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)(?![a-z])|[*_`~\"'“”‘’«»「」『』《》{}<>$\\#]")
_CLOSING_BRACKET = re.compile(r"[\]】]")  # as good as a colon in "[Verdict] True"

# "Verdict", perhaps with the choices behind it in parentheses.
_MARKER = re.compile(r"(?:(?<![a-z])verdict(?![a-z])|结论|判断|判定|裁决)(?:\s*\([^()]{0,60}\))?")

# What may stand between a marker and its value. Signs that ask or deny are not among it.
_LINK = r"(?:[^\w!?¬≠]|(?:is|the|a|both|are|responses|replies|answers)(?![a-z])|[为是都很这两个条则者]|二者|回复|回答)*"
_COLON = re.compile(_LINK + "[:=]")

_REASON = r"(?:because|as|since|given|for)(?![a-z])"
_REPLY = r"(?:response|answer|reply)"
_REPLY_ZH = r"(?:回复|回答|答复|答案)"


@dataclass(frozen=True)
class _Values:
    """Patterns of a set of values: one right behind a marker, and one anywhere in a line, a group for each value."""

    behind: re.Pattern
    anywhere: re.Pattern

    @classmethod
    def spelled(cls, spellings: Mapping[str, str], goes_on: str) -> "_Values":
        """`goes_on` says what may follow a value besides a sign that is no question mark, or the end of the line."""
        groups = "|".join(f"(?P<{name}>{pattern})" for name, pattern in spellings.items())
        value = rf"(?:{groups})[的了]?(?=\s*(?:$|[^\w\s?-]|-(?!\w)|{goes_on}))"
        return cls(re.compile(_LINK + value), re.compile(r"(?<![^\W为是])" + value))  # not 没有错误, "no mistakes"


_STEP = _Values.spelled({"true": "true|正确|对|是|真", "false": "false|错误|不正确|不对|错|否|假"}, _REASON)
_PREFERENCE = _Values.spelled(
    {
        "first": rf"first|1st|{_REPLY} *(?:1|one|a)|第[一1][个条则种]?|前者|{_REPLY_ZH} ?[一1a]",
        "second": rf"second|2nd|{_REPLY} *(?:2|two|b)|第[二2][个条则种]?|后者|{_REPLY_ZH} ?[二2b]",
        "similar": "similar(?:ly good)?|equally good|tie|相近|相似|差不多|不相上下|旗鼓相当|[一同]样好",
        "neither": rf"neither(?! (?:(?:{_REPLY}|one) )?is (?:clearly )?better)|equally bad"
        "|[都均]不[够太]?(?:好|行|合适|理想|佳|可取)|[都均][很较太]?差",
    },
    rf"(?:{_REPLY}|one|is|wins)(?![a-z])|{_REPLY_ZH}|更|较|略|明显|好|比|{_REASON}",
)


def parse_step_verdict(text: str) -> bool | None:
    """Whether the judge finds the step right; None when the reply gives no verdict. Never raises; linear time."""
    return {"true": True, "false": False}.get(_read(text, _STEP))


def parse_preference(text: str) -> Preference | None:
    """Which reply the judge finds better, in the order shown; None when the reply gives no verdict. As above."""
    return _read(text, _PREFERENCE)


def _read(text: str, values: _Values) -> str | None:
    """The value that the last line with a verdict names."""
    below, text = "", spoken(text).text
    for line in reversed([_plain(line) for line in text.splitlines()]):
        starts = [marker.end() for marker in _MARKER.finditer(line)]
        if starts and not _has_words(line[starts[-1] :]) and values.behind.match(below):
            line += " " + below
        named = list(values.anywhere.finditer(line))
        last = named[-1].end() if named else 0
        starts = [start for start in starts if start < last or _COLON.match(line, start)]
        if starts:  # else nothing is judged here, though the word may occur
            value = values.behind.match(line, starts[-1])
            names = {match.lastgroup for match in named if match.start() >= starts[0]}
            return value.lastgroup if value and names <= {value.lastgroup} else None
        below = line if _has_words(line) else below
    return None


def _plain(line: str) -> str:
    """The line in half-width, caseless characters, without decoration."""
    line = _DECORATION.sub(" ", unicodedata.normalize("NFKC", line).casefold())
    return _CLOSING_BRACKET.sub(":", line)


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)
