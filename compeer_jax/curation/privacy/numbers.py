"""Where a text gives phone numbers, in digits or in words.

Numbers of help lines stay: the known ones (`dialogue.danger.numbers`), short ones (988, 116 123, 12356, 741741),
freephone numbers, which belong to services, and what a text itself calls a hotline's. So do ages, years and money.

Patterns read the plain text (`privacy_signs`). All of them run in linear time: quantifiers are bounded or possessive,
and no match begins within a run of digits.
"""

import re
from collections.abc import Iterator
from functools import cache

from compeer_jax.curation.privacy.spoken import is_count, spoken_numbers
from compeer_jax.curation.privacy.words import words
from compeer_jax.dialogue.danger.numbers import known_numbers

Span = tuple[int, int]


_GAP = r"[ .\-–—]?"
_WIDE_GAP = r"(?:[ .\-–/]|\)[ \-]?|[ \-]?\()?"
# Not within a longer number, a word or code, a decimal or an amount of money.
_START = r"(?<![0-9A-Za-z_$€£¥￥])(?<![0-9][.,\-–/:])"
_END = (
    r"(?![0-9A-Za-z_])(?![.,\-–/:][0-9])"
    r"(?!\s?(?:[%％元块万亿美岁年]|dollars?\b|bucks\b|usd\b|rmb\b|yuan\b|pounds?\b|euros?\b|people\b|years?\b))"
)

_INTERNATIONAL = re.compile(rf"(?<![0-9A-Za-z_+])(?:\+ ?|00)[1-9](?:{_WIDE_GAP}[0-9]){{6,14}}{_END}")
_AMERICAN = re.compile(
    rf"{_START}(?:1{_GAP})?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}{_GAP})[2-9][0-9]{{2}}{_GAP}[0-9]{{4}}{_END}"
)
# A national number with its leading zero, as in the United Kingdom, China, Germany, Australia or India.
_NATIONAL = re.compile(
    rf"{_START}(?:\(0[1-9][0-9]{{1,4}}\) ?|0[1-9][0-9]{{1,4}}{_GAP})"
    rf"[0-9]{{3,4}}{_GAP}[0-9]{{2,4}}(?:{_GAP}[0-9]{{2,4}})?{_END}"
)
_CHINESE_MOBILE = re.compile(
    rf"{_START}(?:86{_GAP})?1[3-9]"
    rf"(?:[0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}|[0-9] [0-9]{{3}} [0-9]{{5}}|[0-9]{{2}} [0-9]{{3}} [0-9]{{4}}"
    rf"|[0-9](?: [0-9]{{2}}){{4}}){_END}"
)
# Digits one by one, and numbers without an area code, after words that announce them.
_SPACED = re.compile(rf"{_START}[0-9](?:(?: ?[.\-–—,] ?| {{1,2}})[0-9]){{6,14}}{_END}")
_ANNOUNCING = (
    r"(?:(?<!\[)\b(?:phone|cell|cellphone|mobile|telephone|tel|whatsapp|my number|call me|text me|reach me|ring me)\b"
    r"|(?<!\[)(?:电话|手机|座机|联系方式|打给我|号码))"
)
_IS_ANNOUNCED = re.compile(rf"{_ANNOUNCING}[^0-9\n]{{0,16}}?$", re.IGNORECASE)
_ANNOUNCED = re.compile(
    rf"{_ANNOUNCING}[^0-9\n]{{0,16}}?"
    r"(?<![0-9A-Za-z_$€£¥￥])(?!(?:19|20)[0-9]{2}[ .\-–](?:19|20)[0-9]{2}(?![0-9]))"  # two years
    rf"([2-9][0-9]{{2,3}}{_GAP}[0-9]{{4}}){_END}",
    re.IGNORECASE,
)
_DIGITS = re.compile("[0-9][^A-Za-z]{0,5}[0-9]")  # most texts have no number with two digits
_FREEPHONE = re.compile(
    r"1?(?:800|833|844|855|866|877|888)[0-9]{7}"  # North America
    r"|[48]00[0-9]{7}"  # China
    r"|(?:44)?0?80[08][0-9]{3,7}|116[0-9]{3}"  # United Kingdom; Europe's lines of social value
    r"|(?:61)?1[38]00[0-9]{6}"  # Australia, Ireland
)
_HAN = re.compile("[\u4e00-\u9fff]")
_ROUND = re.compile(r"0{6}$")


# "the local crisis center is 719-…": whose number it is, the text says.
_HELP_LINE = re.compile(
    r"(?:(?:crisis|suicide|helping|emergency|support|safe|distress|text) ?-?(?:line|center|centre)|hot ?line|help ?line"
    r"|life ?line|warm ?line|samaritans|shelter|热线|援助|干预中心|妇联|救助|生命线)"
    r"(?:(?!\b(?:my|i['’]?m|i|me)\b|我)[^0-9\n.!?。！？]){0,32}[(]?(?:\+|00)?$",
    re.IGNORECASE,
)


def phone_spans(text: str) -> Iterator[Span]:
    """Where phone numbers stand: international, North American, British, Chinese mobile and landline, other national
    ones with their leading zero; with or without separators, digit by digit, in English words or Chinese numerals."""
    for start, end in _private_spans(text):
        if not _HELP_LINE.search(text, max(0, start - 60), start):
            yield start, end


def _private_spans(text: str) -> Iterator[Span]:
    for start, end, digits in spoken_numbers(text):
        if not is_help_line(digits) and (_is_mobile_or_landline(text[start:end], digits) or _is_announced(text, start)):
            yield start, end
    if not _DIGITS.search(text):
        return
    for pattern in (_INTERNATIONAL, _CHINESE_MOBILE, _AMERICAN, _NATIONAL):
        for match in pattern.finditer(text):
            if _is_private(match[0], pattern) or (pattern is _CHINESE_MOBILE and _is_mobile(text, match[0])):
                yield match.span()
    for match in _SPACED.finditer(text):
        if _is_private_row(match[0], announced=_is_announced(text, match.start())):
            yield match.span()
    for match in _ANNOUNCED.finditer(text):
        if not is_help_line(_digits(match[1])):
            yield match.span(1)


def is_help_line(number: str) -> bool:
    """Whether digits, perhaps with a + and the country's code before them, are a help line's or another service's."""
    digits = _digits(number)
    code = 0
    if number.lstrip().startswith(("+", "00")):
        digits, code = digits.removeprefix("00"), 3
    if _FREEPHONE.fullmatch(digits) or _FREEPHONE.fullmatch(digits.lstrip("0")):
        return True
    for known in _help_lines():
        if digits in (known, "1" + known) or (len(known) >= 7 and digits.lstrip("0") == known.lstrip("0")):
            return True
        bare = known.lstrip("0")
        if len(bare) >= 5 and digits.endswith(bare) and len(digits) - len(bare) <= code:
            return True
        if len(known) >= 10 and len(digits) in (7, 8) and known.endswith(digits):  # without its area code
            return True
    return False


def _is_private(number: str, pattern: re.Pattern) -> bool:
    digits = _digits(number)
    if (
        pattern is _INTERNATIONAL and digits.startswith("00") and len(digits) < 12
    ):  # many things have two zeros in front
        return False
    if pattern is _NATIONAL and not 10 <= len(digits) <= 12:
        return False
    return not (_ROUND.search(digits) or is_help_line(number))


def _is_mobile(text: str, number: str) -> bool:
    """Whether eleven digits from 1800 to 1888 are a Chinese mobile number, and not an American freephone one."""
    digits = _digits(number)
    if digits in _help_lines() or _ROUND.search(digits):
        return False
    return bool(_HAN.search(text) or re.search(r"^\D*86|^\d{3}\D\d{4}\D", number))


def _is_private_row(number: str, *, announced: bool) -> bool:
    """Whether digits written one by one are a phone number: such rows are also scores, answers and counts."""
    digits = _digits(number)
    if is_help_line(digits) or is_count([int(digit) for digit in digits]):
        return False
    mobile = re.fullmatch("(?:86)?1[3-9][0-9]{9}|0[1-9][0-9]{8,10}", digits)
    american = re.fullmatch("1?[2-9][0-9]{2}[2-9][0-9]{6}", digits) and max(digits) > "4"
    return bool(announced or mobile or american)


def _is_mobile_or_landline(words: str, digits: str) -> bool:
    """Whether a number in words is one by its form alone; English ones are: nothing else is said digit by digit."""
    return words.isascii() or bool(re.fullmatch("(?:86)?1[3-9][0-9]{9}|0[1-9][0-9]{8,10}", digits))


def _is_announced(text: str, start: int) -> bool:
    return bool(_IS_ANNOUNCED.search(text, max(0, start - 32), start))


@cache
def _help_lines() -> frozenset[str]:
    return known_numbers() | words("further_help_lines")


def _digits(number: str) -> str:
    return re.sub("[^0-9]", "", number)
