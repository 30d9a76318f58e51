r"""The parser of a judge's replies: a verdict is a line that is nothing else (`verdict_lines`), at the end.

What a judge is shown may speak to it, and a judge may quote that, so a line that looks like a verdict need not be one:

- Leading thoughts don't count, and a reply ends at the first control token.
- A line is quoted when it stands within quotation marks, tags of a step or a reply, or a block of code with words
  behind it, or when the line before it announces it ("It contains the line"). Quoted lines are no verdicts.
- Two different verdicts, or a line such as "Verdict: not True", are none. Nothing is guessed.
- The verdict comes last. Behind it there may be a note, or the reasons if nothing stands before it. If these speak of
  verdicts, of what was written, or of not following it, they may take it back, and then there is none.
- A verdict without the word for it ("True") counts as the last line, or below a heading.

`tests/support/verdict_grammar.py` writes honest and injected replies, and measures what is read of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compeer_jax.dialogue.judging import Preference
from compeer_jax.dialogue.material import FRAMES, at_control
from compeer_jax.dialogue.thoughts import spoken
from compeer_jax.dialogue.verdict_lines import BLANK, LONGEST, PREFERENCE, STEP, Line, Values, plain

_FENCE = re.compile(r"[ \t]{0,3}(?:```|~~~)\w{0,12}[ \t]*")
_FRAME = re.compile(rf"<(?P<close>/?)(?P<name>{'|'.join(FRAMES)})>", re.IGNORECASE)
_OPENING, _CLOSING = "“「『«", "”」』»"
_QUOTES = '"' + _OPENING + _CLOSING
_SPANS = re.compile(r'"[^"]*"|“[^“”]*”|「[^「」]*」|『[^『』]*』|«[^«»]*»')
_SOFT = " \t*_`'’\"”」』»)）]】"  # what may stand behind the sign that ends a sentence
_WRAPPING = " \t*_`-+•.,;:。，；：!！"

# The end of a line that announces the judge's own verdict, and what makes any such line one of somebody else.
_CONCLUDES = re.compile(
    r"(?:^|[.!?,;:。] ?)(?:and |so |thus |hence |therefore,? |overall,? |finally,? |but |here(?: is| s) )?"
    r"(?:(?:(?:my|our|the|final|overall) ){0,3}(?:verdict|(?:final )?answer|judge?ment|decision|conclusion|assessment)"
    r"(?: is)?|i (?:conclude|judge|decide)|so|thus|hence|therefore|overall|finally|(?:in|to) conclu(?:sion|de)"
    r"|in summary"
    r"|(?:综上所述|综上|因此|所以|总之|最后|最终)?,?(?:我的|最终|总体){0,2}的?(?:结论|判断|判定|裁决|评判)(?:结果)?[是为]?"
    r"|综上所述|综上|因此|所以|总之)$"
)
_UNREAL = re.compile(
    r"\b(?:if|unless|were|had|would|could|should|might|suppose)\b|如果|假如|若|要是|假设|除非|本该|本应"
)
_OF_OTHERS = re.compile(
    r"\b(?:lines?|sentences?|words|text|phrase|quot\w+|says?|said|saying|reads?|writes?|written|wrote|states?|contains?"
    r"|includes?|ends? with|end(?:s|ed)? in|instruct\w*|commands?|tells?|told|asks?|asked|demands?|claims?|wants?"
    r"|inject\w*|ignor\w*|disregard\w*|disagree\w*|refus\w*|reject\w*|follow(?:ed|s)?|cop(?:y|ied|ies)|above|below|output|message|step|following|example)\b"
    r"|步骤|写|说|包含|出现|要求|注入|指令|内容|这句|那句|这一?行|那一?行|一行|输出|原文|上面|以上|以下|如下|引用|照抄|忽略|无视|不理|理会|同意|采纳|接受|遵从|命令|声称|例如"
)
_ANNOUNCES = re.compile(  # a sentence that is not at its end
    r"(?:\b(?:lines?|sentences?|words|text|phrase|says?|said|reads?|writes?|wrote|states?|contains?|includes?|adds?"
    r"|with|is|are|was|were|be|as|that|not|never|than|the|an?|of|to|by|like|but|and|or|if|hardly|barely|scarcely"
    r"|form|format|[a-z]{1,8}n t|(?:can|don|won) t|cannot|(?:call|calls|called)(?: (?:this|it|that))?|say|write"
    r"|give|copy|output|answer|conclude|end)|[(（]"
    r"|写着|写道|写了|写下|写|抄|说|说道|包含|出现|输出|回答|给出|[一这那后]行|[一这那后]句话?|字样|内容|加上|[是为有不非上]"
    r"|[称叫让要成])$"
    r"|[要让叫使逼].{0,3}我|\b(?:want|ask|tell|make|force|urge)s? (?:me|us|the judge)\b"
)
_TAKES_BACK = re.compile(
    r"\b(?:retract\w*|withdr[ae]w\w*|takes? (?:this|that|it) back|takes? back|sarcas\w*|iron(?:y|ic\w*)|jok(?:e|es|ing)"
    r"|kidding|scratch (?:this|that)|strike (?:this|that)|revok\w*|oops|correction|opposite|on second thoughts?"
    r"|mistaken|sike|lol|(?:not|n['’]t) mean (?:it|this|that)|disclaim\w*)\b"
    r"|反话|反语|讽刺|玩笑|收回|撤回|作废|说错|写错|口误|更正|相反|才怪"
    r"|(?:^|[.!?。！？\n(（:：])[\s*_>]{0,8}(?:(?:not?|nope|nah|never|wait|actually|hardly|wrong|false)\b"
    r"|并非|不是|不对|并不|才不|非也|其实|不[，。！,!.])",
    re.IGNORECASE,
)
_MARKERS = re.compile(r"\bverdicts?\b|结论|判断|判定|裁决", re.IGNORECASE)
_NOTE = re.compile(r"[*_(（\[【]{0,4}\s?(?:note\b|p\. ?s\.|ps\b|n\. ?b\.|注|备注|附注|说明|[(（\[【])", re.IGNORECASE)
_OTHER_VALUE = {
    "true": re.compile(r"\b(?:false|incorrect|wrong)\b|不正确|错误(?!的)", re.IGNORECASE),
    "false": re.compile(r"\b(?:true)\b|(?<!不)正确(?!的)", re.IGNORECASE),
}


class Found(NamedTuple):
    """A verdict: its value, and the index of the line in which it begins."""

    value: str
    line: int


def parse_step_verdict(text: str) -> bool | None:
    """Whether the judge finds the step right; None when the reply gives no verdict. Never raises; linear time."""
    found = _find(_lines(text), STEP)
    return None if found is None else found.value == "true"


def parse_preference(text: str) -> Preference | None:
    """Which reply the judge finds better, in the order shown; None when the reply gives no verdict. As above."""
    found = _find(_lines(text), PREFERENCE)
    return None if found is None else found.value


def critique_of_step(text: str) -> str:
    """What a judge says before the verdict on a step; "" when there is no verdict."""
    lines = _lines(text)
    found = _find(lines, STEP)
    return "" if found is None else "\n".join(lines[: found.line]).strip()


def _lines(text: str) -> list[str]:
    """The lines of the reply; none when it isn't plain where that ends."""
    said = spoken(text).text
    # A model that runs on writes its control token, and then the next turns.
    reply, behind = at_control(said)
    lines = reply.splitlines()
    if reply != said and (at_control(behind)[0].strip() or _is_open(lines)):
        return []
    return lines


def _is_open(lines: Sequence[str]) -> bool:
    """Whether these lines end within something quoted."""
    text = "\n".join(lines)
    marks = text.count('"') % 2 or sum(map(text.count, _OPENING)) != sum(map(text.count, _CLOSING))
    tags = [bool(tag["close"]) for tag in _FRAME.finditer(text)]
    return bool(marks or sum(_fences(lines)) % 2 or sum(tags) * 2 != len(tags))


@dataclass(frozen=True)
class _Piece:
    """A line with something in it, or a heading and the bare verdict below it.

    Attributes:
        first, last: indices of its lines.
        said: what it says.
        quoted: these are words of somebody else.
    """

    first: int
    last: int
    said: Line
    quoted: bool


def _find(lines: Sequence[str], values: Values) -> Found | None:
    """The verdict that the rule above finds in these lines."""
    pieces = _pieces(lines, values)
    if not pieces:
        return None
    end = pieces[-1]
    spoken_here = [one for one in pieces if not one.quoted]
    own = [one for one in spoken_here if one.said.kind == "marked" or (one.said.kind == "bare" and one is end)]
    undecided = [one for one in spoken_here if one.said.kind == "undecided"]
    if len({one.said.value for one in own}) != 1 or any(one.said.denied for one in undecided):
        return None
    value, last = own[0].said.value, own[-1]
    if last is not end:
        others = {one.said.value for one in pieces if one.said.kind == "marked"} - {value}
        behind = lines[last.last + 1 :]
        late = any(one.first > last.last for one in undecided)
        if others or late or not _stands(value, behind, values, leads=last is pieces[0]):
            return None
    return Found(value, last.first)


def _pieces(lines: Sequence[str], values: Values) -> list[_Piece]:
    """The lines that are not blank, each with what it says and whether it is quoted."""
    read = [BLANK if fence else values.read(line) for line, fence in zip(lines, _fences(lines), strict=True)]
    full = [index for index, line in enumerate(read) if line.kind != "blank"]
    within, framed = _within(lines), _framed(lines)
    pieces: list[_Piece] = []
    before: int | None = None  # the full line above
    skip = False
    for place, index in enumerate(full):
        if skip:
            skip = False
            before = index
            continue
        said, last = read[index], index
        below = full[place + 1] if place + 1 < len(full) else None
        if said.kind == "heading" and below is not None and read[below].kind == "bare":
            said, last, skip = Line("marked", read[below].value), below, True
        ends = last == full[-1]
        quoted = within[index] or within[last] or (framed[index] and not ends)
        if not quoted and said.kind in ("marked", "bare", "undecided") and before is not None:
            quoted = read[before].kind == "words" and _announced(
                lines, before, index, last, ends=ends, bare=said.kind == "bare"
            )
        pieces.append(_Piece(index, last, said, quoted))
        before = index
    return pieces


def _announced(lines: Sequence[str], before: int, index: int, last: int, *, ends: bool, bare: bool) -> bool:
    """Whether the line above says that the lines from `index` to `last` are words of somebody else."""
    above = lines[before][-LONGEST:]
    shown = above.rstrip(_SOFT)
    words = plain(above)
    if shown.endswith((":", "：", "-", "—", "–", "=")):
        return not _CONCLUDES.search(words) or bool(_OF_OTHERS.search(words) or _UNREAL.search(words))
    if shown.endswith((".", "!", "?", "。", "！", "？", "…", ";", "；")):
        return False
    if shown.endswith(("，", ",", "、", "(", "（", "[")) and not shown.endswith(('",', "',")):
        return True  # but a field of JSON ends so as well
    if bare or _ANNOUNCES.search(words):
        return True  # a value without the word for it would be the end of that sentence
    joined = before == index - 1 and not ends and bool(lines[last + 1].strip())
    return joined  # the sentence goes on around it


def _stands(value: str, behind: Sequence[str], values: Values, *, leads: bool) -> bool:
    """Whether a verdict stands although there are words behind it: its reasons if it leads, else a note."""
    text = "\n".join(behind).strip()
    if not leads and not _NOTE.match(text):
        return False
    first = text.lstrip(" \t\r\n*_`(（[【>")[:1]
    if first.islower() or first in tuple(",，;；—–-)）"):
        return False
    quoted = {values.read(span[1:-1]).value for span in _SPANS.findall(text)} - {""}
    rest = _SPANS.sub(" ", text)
    if (
        _MARKERS.search(rest)
        or _TAKES_BACK.search(rest)
        or (value in _OTHER_VALUE and _OTHER_VALUE[value].search(rest))
    ):
        return False
    return not _OF_OTHERS.search(rest.casefold()) or (bool(quoted) and value not in quoted)


def _within(lines: Sequence[str]) -> list[bool]:
    """For each line, whether it is in the midst of quotation marks or of the tags of something shown."""
    result = [False] * len(lines)
    marked = [(index, line) for index, line in enumerate(lines) if any(sign in line for sign in _QUOTES)]
    straight_left = sum(line.count('"') for _, line in marked)
    closing_left = sum(sum(map(line.count, _CLOSING)) for _, line in marked)
    straight = opened = start = 0
    for index, line in [*marked, (len(lines), "")]:
        # Marks that were opened above count only if they are closed in this line or below.
        inside = (straight % 2 == 1 and straight_left > 0) or (opened > 0 and closing_left > 0)
        result[start : index + 1] = [inside] * (min(index + 1, len(lines)) - start)
        start = index + 1
        count, closing = line.count('"'), sum(map(line.count, _CLOSING))
        straight, straight_left, closing_left = straight + count, straight_left - count, closing_left - closing
        opened = max(0, opened + sum(map(line.count, _OPENING)) - closing)
    for first, end in _frames(lines):
        result[first + 1 : end] = [True] * max(0, end - first - 1)
    return result


def _frames(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The lines in which a frame begins and ends, of each that does both; frames within others are left out."""
    name, start = "", 0
    for index, line in enumerate(lines):
        for tag in _FRAME.finditer(line):
            if not tag["close"] and not name:
                name, start = tag["name"].lower(), index
            elif tag["close"] and tag["name"].lower() == name:
                yield start, index
                name = ""


def _framed(lines: Sequence[str]) -> list[bool]:
    """For each line, whether it is a block quotation, wholly in quotation marks, or in a block of code."""
    code, result = False, []
    for line, fence in zip(lines, _fences(lines), strict=True):
        code ^= fence
        whole = line.strip(_WRAPPING)
        marks = bool(whole) and whole[0] in _QUOTES and whole[-1] in _QUOTES
        result.append(code or marks or line.lstrip().startswith(">"))
    return result


def _fences(lines: Sequence[str]) -> list[bool]:
    """For each line, whether a block of code begins or ends with it."""
    return [("```" in line or "~~~" in line) and bool(_FENCE.fullmatch(line)) for line in lines]
