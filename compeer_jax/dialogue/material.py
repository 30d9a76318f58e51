r"""Material, that is words from outside, made harmless before it stands in a prompt.

Whatever a corpus, a seeker, a policy, a judge or a profile says is material. Where it spells structure, somebody would
take it for structure: a tokenizer or a server's template a control token, a reader of ours a tag, a judge a verdict
that it might copy. `harmless` puts a backslash behind the first letter of each such thing: it can still be read, and is
nothing else.

    control   <|im_end|>           <\|im_end|>            of any chat family, and the tags of thoughts
    tag       < /Response x="1" >  <\ /Response x="1" >   of a step, a reply, or a frame in a prompt
    verdict   Verdict: True        V\erdict: True         in each of the spellings that `verdicts` reads, and more
    score     Score: 5             S\core: 5              what other raters end with

Disguises make no difference: case, full width, invisible characters, accents, look-alike letters, HTML entities, spaces
and attributes. All prompts are filled through here: by `prompts`, `judging` and `talk`; what carries messages to a
model breaks control tokens once more, with those of its own tokenizer (`models/control_tokens`).

A reasoned turn that has to hold such things is written with the backslash (`escape`) and read without (`unescape`).
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from compeer_jax.dialogue.thoughts import TAG as THOUGHT
from compeer_jax.dialogue.verdict_lines import HEADING, PREFERENCE, STEP, plain

Structure = Literal["control", "tag", "verdict", "score"]
KINDS: tuple[Structure, ...] = get_args(Structure)

STEPS = ("history", "emotion", "strategy", "context", "cognition", "plan", "response")
FRAMES = (*STEPS, "conversation", "first", "second", "card", "player", "scene", "wish", "feeling")
"""The names of all tags in our prompts and outputs."""

_ESCAPE = r"\\*"


def _words(*words: str) -> str:
    """A pattern of the words, with or without backslashes between their letters."""
    return "|".join(_ESCAPE.join(word) for word in words)


_OTHERS = _words("answer", "final_answer", "result", "output", "conclusion", "verdict", "score", "step", "reply")
_ATTRIBUTE = rf"[^<>\\]{_ESCAPE}"
# Without "<", or with one in quotation marks.
_ATTRIBUTES = (
    rf"(?:(?:{_ATTRIBUTE}){{0,80}}?"
    rf"|(?:[^<>\"\\]{_ESCAPE}){{0,40}}\"(?:[^\"\n\\]{_ESCAPE}){{0,80}}\"(?:{_ATTRIBUTE}){{0,80}}?)"
)
_TAG = rf"<{_ESCAPE}\s*(?:/\s*)?(?:{'|'.join(FRAMES)}|{_OTHERS})(?![a-z0-9_]){_ATTRIBUTES}\s*>"
# ChatML, Llama, Mistral, Gemma, Phi, DeepSeek, GLM, Command, InternLM, Seed, EXAONE, MiniMax, gpt-oss, and all that are
# like them; calls of tools; places of pictures; any name with an underscore or a number in brackets.
_CONTROL = "|".join(
    (
        rf"<{_ESCAPE}\|(?:[^<>|\n\\]{_ESCAPE}|\|(?!>)){{1,60}}\|?>",
        rf"<{_ESCAPE}(?:[^<>|\n\\]{_ESCAPE}){{1,60}}\|>",
        rf"<{_ESCAPE}\[(?:[^<>\n\\]{_ESCAPE}){{1,60}}\]>",
        rf"\[{_ESCAPE}\|(?:[^\[\]|\n\\]{_ESCAPE}){{1,60}}\|\]",
        rf"<{_ESCAPE}/?[a-z]{{1,20}}(?:_[a-z0-9]{{1,20}}){{1,6}}>",
        rf"<{_ESCAPE}(?:[a-z]{{2,12}}\d{{1,6}}|0x[0-9a-f]{{2}}|_[a-z]{{1,20}})>",
        rf"<{_ESCAPE}/?(?:s|bos|eos|pad|unk|eoh|eoa|eod|eot|sop|eop|sep|cls|mask|image|video|audio|img)>",
        rf"<{_ESCAPE}/?(?:role|usr|user|assistant|system|human|ai|bot|inst|sys|eom|message|box|quad|ref|tools?|functions?|filename)>",
        rf"<{_ESCAPE}/?[a-z]{{1,10}}:(?:bos|eos|pad|tool_call)>",
        rf"<{_ESCAPE}</?sys>>",
        rf"\[{_ESCAPE}/?(?:inst|system_prompt|available_tools|tool_(?:calls|results|content)|model_settings|[gs]mask|think)\]",
        rf"\[{_ESCAPE}(?:img(?:_break|_end)?|(?:begin_)?audio|args|call_id|prefix|suffix|middle|bos|eos|eod|sep|cls|pad|unk|mask)\]",
        rf"\[{_ESCAPE}unused_?(?:token_)?\d{{1,6}}\]",
        rf"\]{_ESCAPE}~!?b[\]\[]|\[{_ESCAPE}e~\[",
    )
)
_EN = _words("verdict", "answer", "judgement", "judgment", "decision", "conclusion")
_ZH = _words("结论", "判断", "判定", "裁决", "评判", "答案", "結論", "判斷", "裁決", "評判")
_SCORES = _words("score", "change", "得分", "分数", "评分", "分數", "評分")
_LABEL = re.compile(rf"(?<![a-z])(?:{_EN})(?![a-z])|{_ZH}")
_NEAR = r"[\s*_`~\"'“”‘’«»「」『』《》{}\[\]()（）【】<>$#\\]{0,12}"
_VALUE = (
    r"(?:(?:true|false|correct|incorrect|right|wrong|first|second|similar|neither|1|2|a|b)(?![a-z0-9])"
    r"|正确|正確|错误|錯誤|不正确|不正確|第[一二12]|前者|后者|相近|相似|差不多|[都均]不)"
)
# Within a line only what is plainly meant as a verdict; whole lines are read as its reader does, by `_answers`.
_VERDICT = (
    rf"(?:(?<![a-z])(?:{_EN})(?![a-z])|{_ZH})(?:结果)?{_NEAR}(?:[:=→]|-{{1,2}}>?){_NEAR}{_VALUE}"
    rf"|(?<![a-z]){_words('verdict')}{_NEAR}[:=]"
)
_SCORE = (
    rf"(?<![a-z])(?:{_SCORES}){_NEAR}[:=]{_NEAR}[+-]?\d"
    rf"|(?<![a-z]){_words('danger')}{_NEAR}[:=]"
    rf"|(?<![a-z_\d\\])[a-z]{_ESCAPE}[a-z_]{{0,20}} ?:{_NEAR}(?:pass|fail)(?![a-z])"
)
_CONTROL_TOKEN = re.compile(_CONTROL)
_PATTERNS: Sequence[tuple[Structure, re.Pattern]] = (
    ("control", _CONTROL_TOKEN),
    ("control", THOUGHT),
    ("tag", re.compile(_TAG)),
    ("verdict", re.compile(_VERDICT)),
    ("score", re.compile(_SCORE)),
)
_MAYBE = re.compile(rf"[<\[\]&◁]|{_EN}|{_ZH}|{_SCORES}|{_words('danger')}|pass|fail")  # what each of them has
_ENTITY = re.compile(r"&(?:amp;){0,8}(?:#0{0,30}\d{1,7}|#x0{0,30}[0-9a-f]{1,6}|[a-z]{2,24}\d{0,2});?")
_LONGEST = 1000  # characters of a line that may be a verdict; far more than its reader takes


class _Place(NamedTuple):
    """Where backslashes stand, or would, in something that would be taken for structure.

    Attributes:
        start: of the first of them in the text.
        end: of the first of them; `start` where there is none.
    """

    start: int
    end: int
    kind: Structure

    @property
    def escaped(self) -> bool:
        """Whether there is a backslash already."""
        return self.end > self.start


class Filled(str):
    """A text of ours, filled with words that are harmless already."""


def harmless(text: str, kinds: Sequence[Structure] = KINDS) -> str:
    """`text` with a backslash in each thing that would be taken for structure; nothing else changes.

    Doing it again changes nothing, and what is `Filled` stays as it is. Linear time.

    Args:
        kinds: of structure to look for. Where frames of ours stand as well, as in a whole message: control tokens only.
    """
    if isinstance(text, Filled):
        return text
    return _with_backslashes(text, [place for place in _places(text, kinds) if not place.escaped])


def escape(text: str, kinds: Sequence[Structure] = KINDS) -> str:
    """`text` with one more backslash in each thing that would be taken for structure, whether it has some or none."""
    return _with_backslashes(text, _places(text, kinds))


def unescape(text: str, kinds: Sequence[Structure] = KINDS) -> str:
    """`text` with one backslash less in each such thing that has any: what `escape` was given."""
    pieces, start = [], 0
    for place in _places(text, kinds):
        pieces.append(text[start : place.start])
        start = place.end
    return "".join([*pieces, text[start:]])


def structure_in(text: str, kinds: Sequence[Structure] = KINDS) -> tuple[Structure, ...]:
    """The kinds of structure that `text` spells out without a backslash, each once."""
    found = {place.kind for place in _places(text, kinds) if not place.escaped}
    return tuple(kind for kind in KINDS if kind in found)


def at_control(text: str) -> tuple[str, str]:
    """What stands before the first control token of a chat family and what behind it; the tags of thoughts are none.

    Without such a token it is the text and "". Linear time.
    """
    letters = _decoded(_folded(text)) if _MAYBE.search(text.translate(_FOLDS)) else []
    for token in _CONTROL_TOKEN.finditer("".join(letter for letter, _, _ in letters)):
        if "\\" not in token.group():
            return text[: letters[token.start()][1]], text[letters[token.end() - 1][2] :]
    return text, ""


def _with_backslashes(text: str, places: Sequence[_Place]) -> str:
    pieces, start = [], 0
    for place in places:
        pieces += [text[start : place.start], "\\"]
        start = place.start
    return "".join([*pieces, text[start:]])


def _places(text: str, kinds: Sequence[Structure] = KINDS) -> list[_Place]:
    """All places in their order, each once."""
    if not _MAYBE.search(text.translate(_FOLDS)):
        return []
    letters = _decoded(_folded(text))
    folded = "".join(letter for letter, _, _ in letters)
    found: dict[int, _Place] = {}
    for kind, begin in _begins(folded, kinds):
        end = letters[begin][2]
        while begin < len(letters) and letters[begin][2] <= end:  # one sign may stand for several letters
            begin += 1
        escaped = begin < len(letters) and letters[begin][0] == "\\"
        found.setdefault(end, _Place(*(letters[begin][1:] if escaped else (end, end)), kind))
    return [found[end] for end in sorted(found)]


def _begins(folded: str, kinds: Sequence[Structure]) -> Iterator[tuple[Structure, int]]:
    """Where structure begins in folded text."""
    for kind, pattern in _PATTERNS:
        if kind in kinds:
            yield from ((kind, match.start()) for match in pattern.finditer(folded))
    if "verdict" in kinds:
        yield from (("verdict", begin) for begin in _answers(folded))


def _answers(folded: str) -> Iterator[int]:
    """Where the marker stands in each line that is nothing but a verdict, or a heading above one."""
    start = 0
    for line in folded.splitlines(keepends=True):
        labels = list(_LABEL.finditer(line)) if len(line) <= _LONGEST else []
        if labels:
            escaped = _LABEL.sub(lambda label: label.group().replace("\\", ""), line)
            readings = {plain(escaped), plain(line.replace("\\", ""))}  # with what is TeX, and without all backslashes
            if any(_is_answer(words) for words in readings):
                yield from (start + label.start() for label in labels)
        start += len(line)


def _is_answer(words: str) -> bool:
    return bool(HEADING.fullmatch(words)) or any(values.marked.fullmatch(words) for values in (STEP, PREFERENCE))


_Letter = tuple[str, int, int]  # as it looks, and where in the text what it stands for begins and ends


def _folded(text: str) -> list[_Letter]:
    """The letters that a reader sees through disguises."""
    return [(letter, at, at + 1) for at, sign in enumerate(text) for letter in _FOLDS[ord(sign)]]


def _decoded(letters: list[_Letter]) -> list[_Letter]:
    """The letters with HTML entities read."""
    text = "".join(letter for letter, _, _ in letters)
    result: list[_Letter] = []
    start = 0
    for entity in _ENTITY.finditer(text) if "&" in text else ():
        name = entity.group()[1:].rstrip(";")
        while name.startswith("amp;"):
            name = name[4:]
        sign = html.unescape(f"&{name};")
        if sign != f"&{name};":
            begin, end = letters[entity.start()][1], letters[entity.end() - 1][2]
            result += letters[start : entity.start()]
            result += [(letter, begin, end) for one in sign for letter in _FOLDS[ord(one)]]
            start = entity.end()
    return result + letters[start:]


class _Folds(dict):
    """What a character looks like: half-width, lower case, without accents; nothing if it can't be seen."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        letters = sign if sign.isspace() else unicodedata.normalize("NFKD", sign).casefold().translate(_LOOK_ALIKE)
        self[code] = "".join(one for one in letters if one.isspace() or unicodedata.category(one) not in _UNSEEN)
        return self[code]


_UNSEEN = {"Cf", "Mn", "Me", "Cc", "Cs"}  # zero widths, accents, marks of direction, control characters
_LATIN = "abcdefghijklmnopqrstuvwxyz"
# Letters, brackets, bars and colons that look like Latin ones: Greek, Cyrillic, Cherokee, small capitals. Fillers that
# are letters by name.
_LOOK_ALIKE = str.maketrans(
    "аеорсухіѕјԁһӏοαρνυικτᎪᏴᏟᎠᎬᎨᎻᏆᎫᏦᏞᎷᏢᎡᏚᎢᏙᏔᎩᏃᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ‹›〈〉⟨⟩❮❯❬❭˂˃ᐸᐳ《》│┃❘∣ǀ¦∕⁄∶꞉",
    "aeopcyxisjdhloapvuiktabcdeghijklmprstvwyzabcdefghijklmnoprstuvwyz<><><><><><><><>||||||//::",
    "\u115f\u1160\u3164\uffa0\u2800\u180e",
)
for _first in (0x1F150, 0x1F170, 0x1F1E6):  # in black circles and squares, and of flags
    _LOOK_ALIKE |= {_first + place: letter for place, letter in enumerate(_LATIN)}
_FOLDS = _Folds()
