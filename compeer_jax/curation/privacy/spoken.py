"""Numbers said digit by digit: "five five five, oh one double two", 幺三八，零零一二.

Patterns read the plain text (`privacy_signs`) and run in linear time, as in `privacy_contacts`.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

_TO_NINE = "zero one two three four five six seven eight nine"
_TO_NINETEEN = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TO_NINETY = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: str(digit) for digit, word in enumerate(_TO_NINE.split())}
_ONES |= dict.fromkeys(("oh", "o", "nought", "naught", "nil"), "0")
_TENS = _TO_NINETY.split()
_TWO_DIGITS = {word: str(10 + number) for number, word in enumerate(_TO_NINETEEN.split())}
_TWO_DIGITS |= {word: str(20 + 10 * number) for number, word in enumerate(_TENS)}
_TIMES = {"double": 2, "treble": 3, "triple": 3}
_HAN = dict(zip("零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸", "00012345678912123456789236", strict=True))

_ONE = "|".join(_ONES)
_TOKEN = (
    rf"(?:(?:{'|'.join(_TIMES)})[ \-](?:{_ONE})|{_ONE}|{'|'.join(_TWO_DIGITS)}|hundred|[0-9]{{1,4}})(?![A-Za-z0-9])"
)
_GAP = r"(?: (?:dot|dash|hyphen|and) |[ ,.\-–—…]{1,3})"
_ENGLISH = re.compile(rf"(?<![A-Za-z0-9$£€]){_TOKEN}(?:{_GAP}{_TOKEN}){{2,24}}", re.IGNORECASE)
_WORD = re.compile(rf"({'|'.join(_TIMES)})[ \-]({_ONE})|([a-z]+|[0-9]+)", re.IGNORECASE)
_DIGIT = "[0-9" + "".join(_HAN) + "]"
_CHINESE = re.compile(
    rf"(?<!{_DIGIT}){_DIGIT}(?:[ ，,、.\-–—·]{{0,2}}{_DIGIT}){{6,14}}(?!{_DIGIT}|[十百千万亿年月点号楼元块岁个])"
)
_SAID = re.compile(f"[{''.join(_HAN)}]")
SHORTEST, LONGEST = 7, 15  # digits of a phone number


def spoken_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, digits) of each number of 7 to 15 digits of which at least three are said in words; no counts."""
    for match in _ENGLISH.finditer(text):
        digits = _english_digits(match[0].lower())
        if digits and SHORTEST <= len(digits) <= LONGEST:
            yield *match.span(), digits
    for match in _CHINESE.finditer(text):
        if len(_SAID.findall(match[0])) > 2:
            digits = "".join(_HAN.get(sign, sign) for sign in match[0] if sign in _HAN or sign.isdecimal())
            if not is_count([int(digit) for digit in digits]):
                yield *match.span(), digits


def is_count(values: Sequence[int]) -> bool:
    """Whether most steps go up by one, or down by one: somebody counts."""
    steps = [after - before for before, after in pairwise(values)]
    return 5 * max(steps.count(1), steps.count(-1)) > 4 * len(steps)


def _english_digits(said: str) -> str:
    """The digits that somebody says, or "" where the words are quantities or a count."""
    digits, values, ones, before = "", [], 0, ""
    for times, repeated, word in _WORD.findall(said):
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
