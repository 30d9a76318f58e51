"""Numbers of documents, accounts, cards and cars, and dates of birth in a text.

Patterns read the plain text (`plain_text`) and run in linear time, as in `contacts`.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]

# What documents, accounts and cards have in common: a word that announces them, or a number that checks.
_DIGITS = re.compile("[0-9][^A-Za-z]{0,5}[0-9]|[A-Za-z][0-9]")  # most texts have no number with two digits
_IDENTITY = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
_SOCIAL_SECURITY = re.compile(
    r"(?<![0-9A-Za-z\-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9A-Za-z]|-[0-9])"
)
_NATIONAL_INSURANCE = re.compile(
    r"(?<![0-9A-Za-z])[A-CEGHJ-TW-Z][A-CEGHJ-NP-TW-Z]([ \-]?)[0-9]{2}\1[0-9]{2}\1[0-9]{2}\1[A-D](?![0-9A-Za-z])"
)
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}+")
_CARD = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][.,\-])"
    r"(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}([ \-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"|3[47][0-9]{2}([ \-])[0-9]{6}\2[0-9]{5})"
    r"(?![0-9A-Za-z])"
)
_NAMED = re.compile(
    r"(?:(?<!\[)\b(?:passport|ssn|social security|social insurance|driver['’]?s licen[cs]e|driving licen[cs]e"
    r"|national insurance|nhs|medicare|medicaid|tax id|id card|identity card|green card|visa number|student id"
    r"|student number|employee id|employee number|member id|policy number|case number|patient id|record number|mrn|imei"
    r"|bank account|account (?:number|no)|acct|routing number|sort code|card number|credit card|debit card|card)\b"
    r"|(?<!\[)(?:身份证|护照|通行证|居住证|军官证|社保卡?|医保卡?|公积金账号|驾驶?证|驾照|银行卡|信用卡|储蓄卡|卡号|账户|学号|学籍号"
    r"|工号|准考证|考号|病历号|住院号|就诊号|就诊卡|警号))"
    r"(?:[^0-9A-Za-z\n]{0,4}(?:numbers?|no\.?|num|#|is|are|was|号码?|是|为)){0,6}+[^0-9A-Za-z\n]{0,4}"
    r"((?:[A-Z]{1,3}(?: ?|-))?[0-9](?:[ \-]?[0-9]){5,18}+[Xx]?(?:\([0-9A]\))?|[A-Z][0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{2}"
    r"|[0-9]{2}-[0-9]{2}-[0-9]{2})(?![0-9A-Za-z])",
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

    Chinese resident identity numbers with their check digit (GB 11643), US social security and UK national insurance
    numbers, IBANs (mod 97), payment cards (Luhn); and numbers of six digits or more behind a word such as passport,
    护照, 银行卡, whether they check or not.
    """
    if not _DIGITS.search(text):
        return
    for match in _IDENTITY.finditer(text):
        if _identity_checks(match[0]):
            yield match.span()
    for pattern in (_SOCIAL_SECURITY, _NATIONAL_INSURANCE):
        for match in pattern.finditer(text):
            yield match.span()
    for match in _ACCOUNT.finditer(text):
        end = _account_end(match[0])
        if end:
            yield match.start(), match.start() + end
    for match in _CARD.finditer(text):
        if luhn(re.sub("[^0-9]", "", match[0])):
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


# Forms that nothing else has, by country; others need a word before them.
_CHINESE_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-Za-hj-z][ ·・•.\-]{0,2}"
    r"(?=[A-Za-z]{0,5}[0-9])(?:[A-HJ-NP-Za-hj-np-z0-9]{5,6}|[A-HJ-NP-Za-hj-np-z0-9]{4}[挂学警港澳使领])(?![A-Za-z0-9])"
)
_EUROPEAN_PLATE = re.compile(
    r"(?<![A-Za-z0-9\-])(?:[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[A-HJ-NP-TV-Z]{2}-[0-9]{3}-[A-HJ-NP-TV-Z]{2}"
    r"|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} [0-9]{1,4}[EH]?)(?![A-Za-z0-9\-])"
)
_ANNOUNCED_PLATE = re.compile(
    r"(?:\b(?:licen[cs]e plate|number plate|licen[cs]e tag|plates?|registration|reg|tag)\b(?: ?(?:numbers?|no\.|#))?"
    r"|车牌号?码?)"
    r"(?:(?: was| is| were| are|是|为)\b|是|为)?[ :：,\-]{0,3}(?<![A-Za-z0-9])"
    r"(?P<plate>[A-Z0-9]{1,7}(?:[ ·•\-][A-Z0-9]{1,6}){0,2})(?![A-Za-z0-9])"
)


def plate_spans(text: str) -> Iterator[Span]:
    """Where licence plates stand: Chinese, British, French and German ones; others behind "plate", "reg", 车牌."""
    if not re.search("[0-9]", text):
        return
    for match in _CHINESE_PLATE.finditer(text):
        yield match.span()
    for match in _EUROPEAN_PLATE.finditer(text):
        yield match.span()
    for match in _ANNOUNCED_PLATE.finditer(text):
        plate = re.sub("[^A-Z0-9]", "", match["plate"])
        if 4 <= len(plate) <= 8 and re.search("[0-9]", plate) and (re.search("[A-Z]", plate) or len(plate) > 4):
            yield match.span("plate")


_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:19|20)[0-9]{2}"
_DATE = (
    rf"(?:{_YEAR}[.\-/][0-9]{{1,2}}[.\-/][0-9]{{1,2}}|[0-9]{{1,2}}[.\-/][0-9]{{1,2}}[.\-/](?:{_YEAR}|[0-9]{{2}})"
    rf"|{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}"
    rf"|(?:the )?[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\.?,? {_YEAR}"
    rf"|(?:{_YEAR}|[0-9]{{2}}) ?年 ?[0-9]{{1,2}} ?月 ?[0-9]{{1,2}} ?[日号]?)(?![0-9])"
)
_BORN = re.compile(
    r"(?:\b(?:born|birth ?day|birth ?date|date of birth|dob|d\.o\.b\.?)\b|生日|出生(?:日期|年月日?|于|在)?|生于|诞辰)"
    rf"[^0-9\n.。!?]{{0,16}}?(?<![0-9A-Za-z])({_DATE})",
    re.IGNORECASE,
)
_BORN_BEHIND = re.compile(rf"(?<![0-9])({_DATE}) ?(?:出生|生人|生的|生日|的生日|[（(]生日)")


def birthday_spans(text: str) -> Iterator[Span]:
    """Where dates of birth stand, with day, month and year; a year or a day alone stays."""
    if not re.search("[0-9]", text):
        return
    for pattern in (_BORN, _BORN_BEHIND):
        for match in pattern.finditer(text):
            yield match.span(1)
