"""Where a text gives phone numbers and numbers of documents, accounts and cards.

Numbers of help lines stay: short ones (988, 116 123, 12356, 741741) are no phone number of a person, freephone
numbers belong to services, and crisis lines with an ordinary number are listed. So do ages, years, times and money.

Texts come with full-width signs made half-width. All patterns run in linear time: quantifiers are bounded or
possessive, and no match begins within a run of digits.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]

# Crisis lines whose numbers look like anybody's, as the services publish them; without country codes.
CRISIS_LINES = frozenset(
    (
        "01082951332",  # Beijing Psychological Crisis Research and Intervention Centre
        "057185029595",  # Hangzhou
        "02081899120",  # Guangzhou
        "075525629459",  # Shenzhen
        "02785844666",  # Wuhan
        "02583712977",  # Nanjing
        "02887577510",  # Chengdu
        "02288188858",  # Tianjin
        "073185501010",  # Changsha
        "05925395159",  # Xiamen
        "9820466726",  # AASRA, India
        "9152987821",  # iCall, India
        "9999666555",  # Vandrevala Foundation, India
    )
)

_GAP = r"[ .\-–]?"
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
_CHINESE_MOBILE = re.compile(rf"{_START}(?:86{_GAP})?1[3-9][0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}{_END}")
_SPOKEN = re.compile(
    r"(?<![零〇一二三四五六七八九幺两])[一幺][三四五六七八九][零〇一二三四五六七八九幺]{9}(?![零〇一二三四五六七八九幺十百千万])"
)
# Numbers without an area code, after words that announce them.
_ANNOUNCED = re.compile(
    r"(?:(?<!\[)\b(?:phone|cell|cellphone|mobile|telephone|tel|whatsapp|my number|call me|text me|reach me)\b"
    r"|(?<!\[)(?:电话|手机|座机|联系方式|打给我))[^0-9\n]{0,16}?"
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
_ROUND = re.compile(r"0{6}$")


def phone_spans(text: str) -> Iterator[Span]:
    """Where phone numbers stand: international, North American, British, Chinese mobile and landline, other national
    ones with their leading zero; with or without separators, and Chinese mobile numbers in Chinese numerals."""
    for match in _SPOKEN.finditer(text):
        yield match.span()
    if not _DIGITS.search(text):
        return
    for pattern in (_INTERNATIONAL, _CHINESE_MOBILE, _AMERICAN, _NATIONAL):
        for match in pattern.finditer(text):
            if _is_private(match[0], pattern):
                yield match.span()
    for match in _ANNOUNCED.finditer(text):
        if not any(line.endswith(_digits(match[1])) for line in CRISIS_LINES):
            yield match.span(1)


def _is_private(number: str, pattern: re.Pattern) -> bool:
    digits = _digits(number)
    if pattern is _INTERNATIONAL and digits.startswith("00"):
        digits = digits[2:]
        if len(digits) < 10:  # many things have two zeros in front
            return False
    elif pattern is _NATIONAL and not 10 <= len(digits) <= 12:
        return False
    if _FREEPHONE.fullmatch(digits) or _ROUND.search(digits):
        return False
    return not any(digits.endswith(line.lstrip("0")) for line in CRISIS_LINES)


# What documents, accounts and cards have in common: a word that announces them, or a number that checks.
_IDENTITY = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
_SOCIAL_SECURITY = re.compile(
    r"(?<![0-9A-Za-z\-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9A-Za-z]|-[0-9])"
)
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}+")
_CARD = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][.,\-])"
    r"(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}([ \-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"|3[47][0-9]{2}([ \-])[0-9]{6}\2[0-9]{5})"
    r"(?![0-9A-Za-z])"
)
_NAMED = re.compile(
    r"(?:(?<!\[)\b(?:passport|ssn|social security|driver['’]?s licen[cs]e|national insurance|nhs|id card|identity card"
    r"|bank account|account number|card number|credit card|debit card)\b"
    r"|(?<!\[)(?:身份证|护照|社保卡?|驾驶?证|驾照|银行卡|信用卡|储蓄卡|卡号|学号|病历号))"
    r"(?:[^0-9A-Za-z\n]{0,4}(?:numbers?|no\.|num|#|is|are|号码?|是|为)){0,6}+[^0-9A-Za-z\n]{0,4}"
    r"((?:[A-Z]{1,3} ?)?[0-9](?:[ \-]?[0-9]){5,18}+[Xx]?)(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # of GB 11643-1999
# Lengths of IBANs by country, from the registry of ISO 13616.
_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 LT20 LU20 "
    "LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 "
    "SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}


def id_number_spans(text: str) -> Iterator[Span]:
    """Where numbers of documents, accounts and cards stand.

    Chinese resident identity numbers with their check digit (GB 11643), US social security numbers, IBANs (mod 97),
    payment cards (Luhn); and numbers of six digits or more behind a word such as passport, 护照, 银行卡, whether they
    check or not.
    """
    if not _DIGITS.search(text):
        return
    for match in _IDENTITY.finditer(text):
        if _identity_checks(match[0]):
            yield match.span()
    for match in _SOCIAL_SECURITY.finditer(text):
        yield match.span()
    for match in _ACCOUNT.finditer(text):
        end = _account_end(match[0])
        if end:
            yield match.start(), match.start() + end
    for match in _CARD.finditer(text):
        if luhn(_digits(match[0])):
            yield match.span()
    for match in _NAMED.finditer(text):
        yield match.span(1)


def luhn(digits: str) -> bool:
    """Whether digits check by Luhn's algorithm (ISO/IEC 7812), as numbers of payment cards do."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _identity_checks(number: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[-1].upper()


def _account_end(found: str) -> int:
    """Where an IBAN that `found` begins with ends, spaces and all; 0 if it is none."""
    length = _LENGTHS.get(found[:2], 0)
    places = [place for place, sign in enumerate(found) if sign != " "][:length]
    if not length or len(places) < length:
        return 0
    number = "".join(found[place] for place in places)
    value = int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4]))
    following = found[places[-1] + 1 : places[-1] + 2]
    return places[-1] + 1 if value % 97 == 1 and following in ("", " ") else 0


def _digits(number: str) -> str:
    return re.sub("[^0-9]", "", number)
