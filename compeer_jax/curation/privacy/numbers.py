"""Phone numbers in a text, in digits or said digit by digit: "five five five, oh one double two", 幺三八，零零一二.

Numbers of help lines stay: the known ones (`dialogue.danger.numbers`), short ones (988, 116 123, 12356, 741741),
freephone numbers, which belong to services, and what a text itself calls a hotline's. So do ages, years and money.

Patterns read the plain text (`plain_text`). All of them run in linear time: quantifiers are bounded or possessive,
and no match begins within a run of digits.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from compeer_jax.curation.privacy.plain_text import words
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


_TO_NINE = "zero one two three four five six seven eight nine"
_TO_NINETEEN = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TO_NINETY = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: str(digit) for digit, word in enumerate(_TO_NINE.split())}
_ONES |= dict.fromkeys(("oh", "o", "nought", "naught", "nil"), "0")
_TENS = _TO_NINETY.split()
_TWO_DIGITS = {word: str(10 + number) for number, word in enumerate(_TO_NINETEEN.split())}
_TWO_DIGITS |= {word: str(20 + 10 * number) for number, word in enumerate(_TENS)}
_TIMES = {"double": 2, "treble": 3, "triple": 3}
_NUMERALS = dict(zip("零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸", "00012345678912123456789236", strict=True))

_ONE = "|".join(_ONES)
_TOKEN = (
    rf"(?:(?:{'|'.join(_TIMES)})[ \-](?:{_ONE})|{_ONE}|{'|'.join(_TWO_DIGITS)}|hundred|[0-9]{{1,4}})(?![A-Za-z0-9])"
)
_SAID_GAP = r"(?: (?:dot|dash|hyphen|and) |[ ,.\-–—…]{1,3})"
_ENGLISH = re.compile(rf"(?<![A-Za-z0-9$£€]){_TOKEN}(?:{_SAID_GAP}{_TOKEN}){{2,24}}", re.IGNORECASE)
_SAID_WORD = re.compile(rf"({'|'.join(_TIMES)})[ \-]({_ONE})|([a-z]+|[0-9]+)", re.IGNORECASE)
_NUM = "[0-9" + "".join(_NUMERALS) + "]"
_CHINESE = re.compile(
    rf"(?<!{_NUM}){_NUM}(?:[ ，,、.\-–—·]{{0,2}}{_NUM}){{6,14}}(?!{_NUM}|[十百千万亿年月点号楼元块岁个])"
)
_SAID = re.compile(f"[{''.join(_NUMERALS)}]")
SHORTEST, LONGEST = 7, 15  # digits of a phone number


def spoken_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, digits) of each number of 7 to 15 digits of which at least three are said in words; no counts."""
    for match in _ENGLISH.finditer(text):
        digits = _english_digits(match[0].lower())
        if digits and SHORTEST <= len(digits) <= LONGEST:
            yield *match.span(), digits
    for match in _CHINESE.finditer(text):
        if len(_SAID.findall(match[0])) > 2:
            digits = "".join(_NUMERALS.get(sign, sign) for sign in match[0] if sign in _NUMERALS or sign.isdecimal())
            if not is_count([int(digit) for digit in digits]):
                yield *match.span(), digits


def is_count(values: Sequence[int]) -> bool:
    """Whether most steps go up by one, or down by one: somebody counts."""
    steps = [after - before for before, after in pairwise(values)]
    return 5 * max(steps.count(1), steps.count(-1)) > 4 * len(steps)


def _english_digits(said: str) -> str:
    """The digits that somebody says, or "" where the words are quantities or a count."""
    digits, values, ones, before = "", [], 0, ""
    for times, repeated, word in _SAID_WORD.findall(said):
        if times:
            digits, ones = digits + _TIMES[times] * _ONES[repeated], ones + _TIMES[times]
            values.append(int(_ONES[repeated]))
        elif word in _ONES:
            if before in _TENS:  # forty two
                digits = digits[:-1]
            digits, ones = digits + _ONES[word], ones + 1
            values.append(int(_ONES[word]))
        elif word in _TWO_DIGITS:
            if before == "hundred":  # a quantity
                return ""
            digits += _TWO_DIGITS[word]
            values.append(int(_TWO_DIGITS[word]))
        elif word == "hundred":
            if before in _TWO_DIGITS or not before:
                return ""
            digits += "00"
        elif word.isdecimal():
            digits += word
            values.append(int(word))
        before = word or repeated
    return "" if ones < 3 or 2 * ones < len(digits) - 4 or is_count(values) else digits
