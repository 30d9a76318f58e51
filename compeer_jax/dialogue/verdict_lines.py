r"""The grammar of verdict lines: the spellings that models really use, and nothing else.

    VERDICT: [so,] [my] [final] Verdict [(choices)] SIGN VALUE [confidence] [.]        with a marker
             VALUE [.]                                                                 bare

Case, full-width signs, Markdown, quotes, LaTeX boxes, tags, list markers and emoji make no difference, and there are
plain Chinese words for all of it. A line with anything else in it, be it a reason, a second value or a "not", is no
verdict. Lines longer than `LONGEST` characters are none either, so every pattern here reads a bounded text.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

LONGEST = 200  # characters of a line that may be a verdict, its decoration included

Kind = Literal["marked", "bare", "heading", "undecided", "words", "blank"]


class Line(NamedTuple):
    """What a line is, and the value that it names if it is a verdict.

    Attributes:
        kind: "marked": a verdict with its marker; "bare": one without; "heading": a marker alone; "undecided": a line
            that begins with a marker and is no verdict; "words"; "blank": nothing but decoration.
        value: of a verdict, else "".
        denied: an undecided line has a "not" in it.
    """

    kind: Kind
    value: str = ""
    denied: bool = False


BLANK, _WORDS = Line("blank"), Line("words")

_TAG = re.compile(r"</?(?:answer|final|final_answer|result|output|conclusion)\s?>|</verdict\s?>")
_DECORATION = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)(?![a-z])|[*_`~\"'“”‘’«»「」『』《》{}<>$\\#]")
_LIST = re.compile(r"^(?:[-+•·>]+ ?)*(?:\(?\d{1,2}[.):、] ?|[一二三四五六七八九十][、.] ?)?")
_AS_COLON = (("<verdict>", "verdict: "), ("]", ": "), ("】", ": "), ("[", " "), ("【", " "))  # as in "[Verdict] True"
# One of a list of things rated, or a heading.
_OF_SEVERAL = re.compile(r"^\s*(?:[-+•·]|\(?\d{1,2}[.):、]|[一二三四五六七八九十][、.])|[:：]\W*$")
# Struck through, crossed out, or a box that is not ticked: the value is shown and denied.
_STRUCK = re.compile(r"~|^\W*\[\s*\]|[☐]")
_CROSS = re.compile(r"[❌❎✗✘✕✖☒🗙👎⛔🚫🙅]")  # says "false", so it stands well beside that
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]")
_END = " .。!,，;；:…"

_LEAD = (
    r"(?:(?:so|thus|hence|therefore|overall|finally|in conclusion|to conclude|in summary),? )?"
    r"(?:(?:my|our|the|final|overall) ){0,3}"
)
_LEAD_ZH = r"(?:(?:综上所述|综上|因此|所以|总之|总的来说|最后)[,，]? ?)?(?:我的|最终|最后|总体){0,2}的?"
_NARROW = r"(?:verdict(?![a-z])|结论|判断|判定|裁决)"
_WIDE = (
    r"(?:verdict|(?:final )?answer|judge?ment|decision|conclusion|(?:结论|判断|判定|裁决|评判|答案)(?:结果)?)(?![a-z])"
)
_CHOICES = r"(?: ?\((?:(?=[^()]{0,60}(?:[/|、或]| or ))[^()]{0,60}|final|mine)\))?"
_SIGN = r"(?: ?(?:[:=→]|-{1,2}>?|[–—]|is(?![a-z])|是|为)[: ]{0,2}| )"
_MARKED = rf"(?:{_LEAD}|{_LEAD_ZH}){_WIDE}{_CHOICES}{_SIGN}"
_CONFIDENCE = r"(?:,? ?\(?(?:with )?(?:(?:very )?(?:high|medium|low|full) confidence|confidence:? ?[\d.]{1,5} ?%?)\)?)?"

HEADING = re.compile(rf"(?:{_LEAD}|{_LEAD_ZH}){_WIDE}{_CHOICES}")
_BEGINS = re.compile(rf"(?:{_LEAD}|{_LEAD_ZH}){_NARROW}")
_DENIED = re.compile(r"(?<![a-z])(?:not|never|no|cannot|isn|doesn)(?![a-z])|[不未非没无≠¬!]")


@dataclass(frozen=True)
class Values:
    """The spellings of a set of values: behind a marker, and alone on a line."""

    marked: re.Pattern
    bare: re.Pattern

    @classmethod
    def of(cls, bare: dict[str, str], more: dict[str, str]) -> "Values":
        """`bare` are patterns of the spellings that need no marker, `more` of those that need one, by value."""
        alone = "|".join(f"(?P<{name}>{pattern})" for name, pattern in bare.items())
        both = "|".join(f"(?P<{name}>{pattern}|{more.get(name, pattern)})" for name, pattern in bare.items())
        # "Verdict: Verdict: True" is written where a prompt's last word is the marker.
        return cls(re.compile(rf"{_MARKED}(?:{_MARKED})?(?:{both}){_CONFIDENCE}"), re.compile(rf"(?:{alone})"))

    def read(self, line: str) -> Line:
        """What `line` says. Never raises; time is bounded."""
        if not _WORD.search(line):
            return BLANK
        if len(line) > LONGEST:
            # A marker still shows in its beginning.
            start = plain(line[:LONGEST])
            undecided = _BEGINS.match(start)
            return Line("undecided", denied=bool(_DENIED.search(start))) if undecided else _WORDS
        text = plain(line)
        if not text:
            return BLANK
        for kind, pattern in (("marked", self.marked), ("bare", self.bare)):
            match = pattern.fullmatch(text)
            if match and not (kind == "bare" and _OF_SEVERAL.search(line)):
                if _STRUCK.search(line) or (_CROSS.search(line) and match.lastgroup != "false"):
                    return Line("undecided", denied=True) if kind == "marked" else _WORDS
                return Line(kind, match.lastgroup)
        if HEADING.fullmatch(text):
            return Line("heading")
        if _BEGINS.match(text):
            return Line("undecided", denied=bool(_DENIED.search(text)))
        return _WORDS


def plain(line: str) -> str:
    """The line in half-width, caseless characters with single spaces, without decoration and list markers; "" when it
    has neither letters nor digits.
    """
    text = unicodedata.normalize("NFKC", line).casefold()
    for sign, stands_for in _AS_COLON:
        text = text.replace(sign, stands_for)
    text = _DECORATION.sub(" ", _TAG.sub(" ", text))
    if not text.isascii():
        text = "".join(" " if unicodedata.category(sign) in _SIGNS_OF_NO_SENSE else sign for sign in text)
    text = _SPACES.sub(" ", text).strip()
    text = _LIST.sub("", text).rstrip(_END).lstrip(" .:,")
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip(_END)
    text = text.replace(" :", ":").replace(": :", ":").replace(" ,", ",")
    return text if any(map(str.isalnum, text)) else ""


_SIGNS_OF_NO_SENSE = {"So", "Mn", "Cf", "Cc", "Sk"}  # emoji, variation selectors, zero widths

_STEP_IS = r"(?:(?:the|this) (?:step|reasoning|analysis) is )?"
STEP = Values.of(
    {"true": "true|正确的?", "false": "false|错误的?|不正确的?"},
    {
        "true": rf"{_STEP_IS}(?:true|correct|right)|(?:该|这一?|此)步骤?(?:是)?正确的?|对的?|是的?|真",
        "false": rf"{_STEP_IS}(?:false|incorrect|wrong)"
        r"|(?:该|这一?|此)步骤?(?:是)?(?:错误|不正确)的?|不对|错[的了]?|否|假",
    },
)

_NOUN = r"(?:repl(?:y|ies)|responses?|answers?|sentences?|one|options?|candidates?)"
_BETTER = (
    r"(?: (?:is|wins|seems)(?: (?:clearly|much|slightly|somewhat|far|a bit|the|overall)){0,3}"
    rf"(?: (?:better|best|preferable|winner|stronger))?(?: {_NOUN})?)?"
)
_BOTH = rf"(?:(?:both|they|the two)(?: {_NOUN})?(?: are)?(?: both)? )?"
_NOUN_ZH = r"(?:回复|回答|答复|答案|句子|话)"
_PIECE_ZH = rf"[个条则种句]?{_NOUN_ZH}?"
_BETTER_ZH = r"(?:(?:要|明显|略|稍|更|较|比较|会){0,3}(?:好|佳|优|合适|胜出)(?:一些|一点|些)?)?"
_BOTH_ZH = rf"(?:(?:[两二][个条则种句者]?{_NOUN_ZH}?|它们|二者)?)"


def _one(letter: str, letters: str, words: str, digits: str, last: str) -> str:
    return (
        rf"(?:the )?(?:{words})(?: {_NOUN})?{_BETTER}"
        rf"|(?:reply|response|answer|sentence|option|candidate) ?(?:{letters}){_BETTER}"
        rf"|(?:第[{digits}]{_PIECE_ZH}|{last}|{_NOUN_ZH} ?[{digits}{letter}]){_BETTER_ZH}"
    )


_FIT = r"(?:acceptable|suitable|adequate|appropriate|good)"
_ALIKE = r"(?:very |quite |almost |about |nearly |roughly )?"
PREFERENCE = Values.of(
    {
        "first": _one("a", "1|one|a", "first|1st", "一1", "前者"),
        "second": _one("b", "2|two|b", "second|2nd", "二2", "后者"),
        "similar": rf"{_BOTH}{_ALIKE}(?:similar(?:ly good)?|equally good|equal|the same)|(?:it is )?(?:a )?tie"
        # "The two sentences are almost good" is the paper's phrase.
        rf"|(?:both|the two) {_NOUN} are (?:almost|about|nearly) (?:equally |as )?good"
        rf"|{_BOTH_ZH}(?:都|均)?(?:很|几乎|基本|大致|非常|较|比较)?(?:相近|相似|差不多好?|不相上下|旗鼓相当|[一同]样好)",
        "neither": rf"neither(?: {_NOUN})?(?: (?:is|seems)(?: really)? {_FIT}(?: enough)?(?: to send)?)?"
        rf"|{_BOTH}(?:equally bad|unacceptable|not acceptable|bad|poor)"
        rf"|{_BOTH_ZH}[都均](?:不[够太]?(?:好|行|合适|理想|佳|可取)|不(?:可以?|能)接受|无法接受|[很较太]?差)",
    },
    {},
)
