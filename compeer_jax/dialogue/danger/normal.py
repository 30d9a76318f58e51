"""One plain spelling of a text, however it is written: half-width, caseless, simplified, and nothing hidden.

People in danger write as they can, and some hide the words from filters: "k1ll", "s u i c i d e", "su*cide", "自*杀",
"想４". A word is uncovered only if what comes out is one of the words that matter here; all else stays as it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from compeer_jax.dialogue.danger.traditional import simplified

_LEET = str.maketrans({"1": "i", "!": "i", "|": "i", "3": "e", "0": "o", "@": "a", "4": "a", "$": "s", "5": "s"})
# Long words that no other word is near to: one letter off is still they.
_LONG = ("suicide", "suicidal", "suicides", "myself")
_SHORTENED = {word[:at] + word[at + 1 :]: word for word in _LONG for at in range(len(word))} | {w: w for w in _LONG}

_APOSTROPHES = re.compile("['’‘ʼ`´′＇]")
_WILL, _WOULD = re.compile("(?<=[a-z])['’‘ʼ`´]ll\\b"), re.compile("(?<=[a-z])['’‘ʼ`´]d\\b")
_LATIN_DASH = re.compile("(?<=[a-z])[-‐‑–](?=[a-z])")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_MASKED = re.compile(r"[a-z0-9!*@$#|_.\-]{2,40}")
_HAS_MASK = re.compile(r"[a-z][0-9!*@$#|_.\-]+[a-z]|^[$@][a-z]|[a-z][*#]+$")
_SPELLED = re.compile(r"(?<![a-z0-9])[a-z](?:[ ._*\-]{1,2}[a-z]){2,20}(?![a-z0-9])")
_WORD = re.compile(r"[a-z0-9]+")
_ANY_MORE = re.compile(r"\bany more\b")
_HAN = "\u3400-\u9fff"
_HAN_MASK = re.compile(rf"(?<=[{_HAN}])[*＊·•._\-~^|/\\#@\u25a0-\u25ff]{{1,4}}(?=[{_HAN}])")
_HAN_SPELLED = re.compile(rf"(?<![{_HAN}])[{_HAN}](?: [{_HAN}]){{1,40}}(?![{_HAN}])")
# 自杀, 死 and 杀 behind their sounds, first letters and look-alikes; 紫砂壶 is a teapot.
_HAN_HIDDEN = (
    (re.compile(r"自\s?(?:s(?:ha|h|i)?(?![a-z])|鲨|砂|沙|鎩|刹|傻了|[*×xX○口□⭕]{1,2}(?![a-z]))"), "自杀"),
    (re.compile("(?:紫砂|紫杀|子杀|自煞|字杀|自 杀|zi ?sha|紫鲨)(?!壶|杯|锅|茶|泥|花|器|煲|盆)"), "自杀"),
    (re.compile("(?:自杀|自鲨){2,}"), "自杀"),
    (
        re.compile(
            "(?<=[想去要找不])(?:s|si|4|鼠|亖|噶|嘎)(?=$|[^a-z0-9\u3400-\u9fff]|了|算|掉|一|啊|呀|吧|的|，|但|可)"
        ),
        "死",
    ),
    (re.compile("(?<=想)(?:似|嘎|寺|肆|💀)(?=$|[^\u3400-\u9fff]|了|算)"), "死"),
    (re.compile("(?:似|四|4|s)了(?=算了|得了|拉倒|吧)"), "死了"),
    (re.compile("割\\s?(?:w|wan|碗|[*×○□]{1,2})(?![a-z])"), "割腕"),
    (re.compile("跳\\s?(?:l|lou|[*×○□]{1,2})(?![a-z])"), "跳楼"),
    (re.compile("(?<=想)挂了"), "死"),
)


def normalised(text: str) -> str:
    """`text` in one plain spelling, in time and length proportional to the text's.

    Compatibility forms become plain (NFKC), case, accents, zero-width characters and apostrophes go ("I'll" becomes
    "i will", "don't" "dont"), traditional characters become simplified, three letters in a row one; masked, spelled-out
    and misspelled words become the word meant, if it is one that matters.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Mn", "Cf"))
        text = simplified(unicodedata.normalize("NFKC", text)).translate(_cantonese())
    text = _WOULD.sub(" would", _WILL.sub(" will", text.casefold()))
    text = _LATIN_DASH.sub(" ", _APOSTROPHES.sub("", text))
    text = _ANY_MORE.sub("anymore", text)
    text = _SPELLED.sub(_joined, _REPEATED.sub(r"\1", text))
    text = _WORD.sub(_respelled, _MASKED.sub(_uncovered, text))
    if text.isascii():
        return text
    text = _HAN_SPELLED.sub(lambda found: found[0].replace(" ", ""), _HAN_MASK.sub("", text))
    for hidden, meant in _HAN_HIDDEN:
        text = hidden.sub(meant, text)
    return text


def _joined(found: re.Match) -> str:
    """A word that was spelled out letter by letter, if it ends in one that matters; else as it was."""
    letters = re.sub(r"[^a-z]", "", found[0])
    for word in _hidden():
        if letters.endswith(word):
            return f"{letters.removesuffix(word)} {word}".strip()
    return found[0]


def _uncovered(found: re.Match) -> str:
    """A word with signs and digits for letters, if it is one that matters; else as it was."""
    masked = found[0]
    if not _HAS_MASK.search(masked):
        return masked
    core = masked.rstrip("!.-_|")
    plain, tail = core.translate(_LEET), masked[len(core) :]
    bare = re.sub("[^a-z]", "", plain)
    for word in _hidden():
        if word in (plain, bare) or _fits(plain, word):
            return word + tail
    return masked


def _fits(masked: str, word: str) -> bool:
    """Whether `word` may stand behind `masked`: signs for some letters, no more than half of them."""
    if len(masked) != len(word):
        return False
    shown = sum(letter == meant for letter, meant in zip(masked, word, strict=True))
    hidden = sum(not letter.isalnum() for letter in masked)
    return shown + hidden == len(word) and hidden <= shown


def _respelled(found: re.Match) -> str:
    word = found[0]
    if (meant := _spellings().get(word)) is not None:
        return meant
    if 5 <= len(word) <= 11 and word not in _SHORTENED:
        # One letter too many, or another one: what is left without it is the word without one.
        near = {_SHORTENED.get(word[:at] + word[at + 1 :]) for at in range(len(word))} - {None}
        return near.pop() if len(near) == 1 else word
    return _SHORTENED.get(word, word) if len(word) >= 6 else word


@cache
def _written() -> Mapping[str, str]:
    return yaml.safe_load(resources.files(__package__).joinpath("spellings.yaml").read_text(encoding="utf-8"))


@cache
def _hidden() -> tuple[str, ...]:
    return tuple(_written()["hidden"].split())


@cache
def _spellings() -> Mapping[str, str]:
    pairs = (pair.split("=") for pair in _written()["spellings"].split())
    return {written: meant.replace("_", " ") for written, meant in pairs}


@cache
def _cantonese() -> Mapping[int, str]:
    return {ord(written): meant for written, meant in _written()["traditional"].split()}
