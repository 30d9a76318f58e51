"""Plain text and lists of words, which all finders of private spans read.

In a plain text, signs that look like plain ones are made plain, and signs that nobody sees left out:

    plain("１２ ok")  ->  ("12 ok", range(0, 5))

Numbers and addresses are disguised so, on purpose or by an input method. The text itself stays as it was written; only
what looks for spans reads the plain one.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

# Full-width forms, letters and digits in circles, mathematical letters and digits, raised and lowered digits.
_LOOK_ALIKE = (
    (0xB2, 0xB9),
    (0x2070, 0x209C),
    (0x2460, 0x24FF),
    (0x2776, 0x2793),
    (0xFE50, 0xFE6B),
    (0xFF01, 0xFF5E),
    (0x1D400, 0x1D7FF),
)
_SIGNS = "@.-+()/_#"  # full-width commas, colons and the like separate Chinese sentences and stay
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2012\u2212"
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u20e3\ufe00-\ufe0f\ufeff]"
)


def _plain_sign(sign: str) -> str:
    """One ASCII letter, digit or sign that it looks like, or itself."""
    like = unicodedata.normalize("NFKC", sign)
    if like == sign and unicodedata.digit(sign, None) is not None:  # ❶
        like = str(unicodedata.digit(sign))
    return like if len(like) == 1 and like.isascii() and (like.isalnum() or like in _SIGNS) else sign


_PLAIN = {code: _plain_sign(chr(code)) for first, last in _LOOK_ALIKE for code in range(first, last + 1)}
_PLAIN = {code: sign for code, sign in _PLAIN.items() if sign != chr(code)}
_PLAIN |= dict.fromkeys(map(ord, _SPACES), " ") | dict.fromkeys(map(ord, _HYPHENS), "-")
_ODD = re.compile(f"[{re.escape(''.join(map(chr, _PLAIN)))}]")


def plain(text: str) -> tuple[str, Sequence[int]]:
    """The plain text, and for each of its signs the place where it stands in `text`."""
    if text.isascii():
        return text, range(len(text))
    places: Sequence[int] = range(len(text))
    if _UNSEEN.search(text):
        places = [place for place, sign in enumerate(text) if not _UNSEEN.match(sign)]
        text = "".join([text[place] for place in places])
    return text.translate(_PLAIN) if _ODD.search(text) else text, places


@cache
def words(of: str) -> frozenset[str]:
    """The words of one list."""
    return frozenset(_content()[of].split())


@cache
def _content() -> Mapping[str, str]:
    return yaml.safe_load(resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8"))
