"""Addresses in a text: of streets, postcodes, coordinates, and of machines in a network.

Patterns read the plain text (`plain_text`) and run in linear time, as in `contacts`.
"""

import ipaddress
import re
from collections.abc import Iterator
from itertools import takewhile

from compeer_jax.curation.privacy.plain_text import words

Span = tuple[int, int]

_STREET = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|place|pl|boulevard|blvd|way|terrace|terr|close"
    r"|crescent|cres|square|sq|gardens|gdns|parkway|pkwy|circle|cir|highway|hwy|trail|trl|row|mews|grove|hill"
    r"|alley|walk|loop|broadway|view|heights|quay|wharf|path|rise|green|park|ridge|point|creek|crossing|landing"
    r"|manor|meadows?|estates?|cove|bend|plaza|pike|turnpike|crest|vista|knoll|pass|gate|fold|croft|drove|ville"
    r"|village|valley|common|gardens?"
    r")"
)
_SURE_STREET = r"(?:street|road|avenue|ave|boulevard|blvd|terrace|crescent|lane|rd)"
_NUMBER = r"(?<![0-9A-Za-z.,:/#$£€\-])(?P<number>[0-9]{1,5}(?:-[0-9]{1,5})?[A-Za-z]?)(?![0-9])"
_FLAT = r"(?:(?:flat|studio|apartment|apt|unit|suite|room)\.? ?#?[0-9]{1,5}[A-Za-z]?, ?)"
_BEHIND = (
    r"(?:,? ?\b(?:N|S|E|W|NE|NW|SE|SW|north|south|east|west)\b)?"
    r"(?:,? ?(?:#|\b(?:flat|apartment|apt|unit|suite|ste|room|rm)\b\.? ?#?)[0-9]{0,5}[A-Za-z]?\b)?"
)
_CAPITALS = r"(?:(?:[A-Z][A-Za-z'’.]{0,20}+|[NSEW]\.?|[0-9]{1,3}(?:st|nd|rd|th)) ){1,4}"
_ENGLISH = re.compile(rf"(?:(?i:{_FLAT}))?{_NUMBER} {_CAPITALS}(?i:{_STREET})(?![A-Za-z'’])\.?(?i:{_BEHIND})")
_WORDS = r"(?:[a-z'’]{2,20}+ |[0-9]{1,3}(?:st|nd|rd|th) |[nsew]\.? ){1,3}"
_LOWER = re.compile(rf"(?:{_FLAT})?{_NUMBER} {_WORDS}(?P<type>{_STREET})(?![A-Za-z'’]){_BEHIND}", re.IGNORECASE)
# Where words say that an address follows, whatever a street is called there.
_ADDRESS_SAID = re.compile(
    r"\b(?:(?:live|lives|lived|living|stay|stays|stayed|staying|reside|resides) at|address(?: is|:| -)?"
    r"|(?:home|house) is|moved to) "
    rf"(?P<house>(?:{_FLAT})?[0-9]{{1,5}}[A-Za-z]?)"
    r"(?P<street>(?: (?!(?:apt|apartment|flat|unit|suite|room)\b)[A-Za-z][A-Za-z'’]{1,20}+){2,3})"
    rf"(?P<unit>{_BEHIND})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_FLAT_IN = re.compile(
    r"(?<![A-Za-z])(?:[Ff]lat|[Aa]partment|[Aa]pt\.?) [0-9]{1,4}[A-Za-z]?,? (?:[0-9]{1,4}[a-z]? )?[A-Z][a-z'’]{1,20}+"
    r"(?: [A-Z][a-z'’]{1,20}+){1,2}"
)
_SURE = re.compile(_SURE_STREET, re.IGNORECASE)
_LIVING = re.compile(
    r"(?:\b(?:address|live|lives|lived|living|stay|staying|moved|reside|house|home|apartment|flat|place|come|send|mail)\b"
    r"[^0-9\n.!?]{0,24})$",
    re.IGNORECASE,
)
_POSTCODE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])")
_LOWER_POSTCODE = re.compile(
    r"\b(?:post ?code|postal code)\b[^0-9\n]{0,8}?"
    r"(?<![A-Za-z0-9])([a-z]{1,2}[0-9][a-z0-9]? ?[0-9][a-z]{2})(?![a-z0-9])",
    re.IGNORECASE,
)
_ZIP = re.compile(
    r"\b(?:zip|zip ?code|postal code|post ?code)\b(?:[^0-9A-Za-z\n]{0,3}(?:is|code|number)){0,2}[^0-9A-Za-z\n]{0,3}"
    r"([0-9]{5}(?:-[0-9]{4})?)(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_ZIP_ZH = re.compile(r"邮编(?:号码?)?[:：是为\s]{0,3}([0-9]{6})(?![0-9])")
_STATE_ZIP = re.compile(
    r"(?<![A-Za-z0-9])(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]"
    r"|T[NX]|UT|V[AT]|W[AIVY]) [0-9]{5}(?:-[0-9]{4})?(?![0-9A-Za-z])"
)
_BOX = re.compile(r"(?<![A-Za-z0-9])P\.? ?O\.? ?Box [0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_COORDINATES = re.compile(
    r"(?<![0-9A-Za-z.\-])-?[0-9]{1,2}\.[0-9]{4,8}+°? ?[NSns]?, ?-?[0-9]{1,3}\.[0-9]{4,8}+°? ?[EWew]?(?![0-9A-Za-z])"
)


def address_spans(text: str) -> Iterator[Span]:
    """Where street addresses stand: a house's number with its street in English; in Chinese a road or a named estate
    with a number; postcodes, coordinates."""
    if re.search("[0-9]", text):
        yield from _english(text)
        for match in _COORDINATES.finditer(text):
            yield match.span()
    yield from _chinese(text)


def _english(text: str) -> Iterator[Span]:
    for match in _ENGLISH.finditer(text):
        if not _is_year(text, match):
            yield match.start(), _trimmed(match)
    for match in _LOWER.finditer(text):
        between = set(text[match.end("number") : match.start("type")].lower().split())
        sure = _SURE.fullmatch(match["type"]) and len(between) < 3
        sure = sure or _LIVING.search(text, max(0, match.start() - 40), match.start())
        if sure and not between & words("before_a_street") and not _is_year(text, match):
            yield match.start(), _trimmed(match)
    for match in _ADDRESS_SAID.finditer(text):
        street = match["street"].split()
        named = [*takewhile(lambda word: word.lower() not in words("before_a_street"), street)]
        if len(named) > 1:
            whole = match.end("unit") if named == street else match.end("house") + len(" " + " ".join(named))
            yield match.start("house"), whole
    for pattern in (_FLAT_IN, _POSTCODE, _STATE_ZIP, _BOX):
        for match in pattern.finditer(text):
            yield match.span()
    for pattern in (_LOWER_POSTCODE, _ZIP, _ZIP_ZH):
        for match in pattern.finditer(text):
            yield match.span(1)


def _is_year(text: str, match: re.Match) -> bool:
    """Whether the number is one, as in "In 2008 Wall Street crashed"."""
    before = text[max(0, match.start() - 8) : match.start()].lower().split()
    return bool(re.fullmatch("(?:19|20)[0-9]{2}", match["number"])) and before[-1:] in (
        ["in"],
        ["since"],
        ["until"],
        ["by"],
        ["of"],
        ["during"],
    )


def _trimmed(match: re.Match) -> int:
    return match.start() + len(match[0].rstrip(" ,#."))


_HAN = r"\u4e00-\u9fff"
_COUNT = r"(?:[0-9]{1,5}|[零〇一二三四五六七八九十百]{1,6})"
_ROOM = (
    rf"(?:-?{_COUNT}?(?:号楼|号院|栋|幢|座|单元|楼|层|弄|支弄|室|号|户|房|院)|-[0-9]{{1,5}}|[0-9]{{1,5}}(?=-[0-9])"
    r"|[A-Za-z]座|[0-9]{3,4}(?![0-9年月日天块元]))"
)
_ROAD = re.compile(
    rf"[{_HAN}]{{1,24}}?(?:路|大街|街|大道|道|巷|弄|胡同|里)(?:[东南西北中]段)?(?:[0-9一二三四五六七八九十百零〇]{{1,6}}(?:号|弄)(?![线楼院]?[线台])|[A-Za-z]座)(?:{_ROOM}){{0,5}}"
)
_ESTATE_WORD = r"(?:小区|花园|公寓|家园|新村|嘉园|雅苑|苑|山庄|公馆|大厦|广场|家属院|宿舍楼?|校区)"
_ESTATE = re.compile(rf"[{_HAN}]{{2,20}}?{_ESTATE_WORD}(?=[0-9A-Za-z])(?:{_ROOM}){{1,5}}")
_BUILDING = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{1,3}(?:号楼|栋|幢|座)|[A-Z]座)(?:[0-9]{1,2}单元)?-?[0-9]{3,4}(?![0-9年月日天块元人])(?:室|号|房)?"
)
_VILLAGE = re.compile(rf"(?:[{_HAN}]{{2,8}}?[镇乡])?[{_HAN}]{{1,8}}?[村屯寨](?:第?{_COUNT}[组队社])(?:{_COUNT}号)?")
_NAMED_ESTATE = re.compile(
    rf"住(?:在|的是)?([{_HAN}]{{2,10}}?(?:小区|花园|公寓|新村|嘉园|雅苑|山庄))(?![里内]?的?[{_HAN}]?个)"
)
_COMMON = re.compile(
    "一个|这个|那个|哪个|某|我们|他们|她们|同一|老|高档|普通|封闭|隔壁|附近|自己|别人|学校|单位|公司|员工|学生|教师|的|了|租|两|不|没"
)
_NOT_OF_THE_NAME = re.compile(
    rf"[{_HAN}]{{0,24}}?(?:地址|住址|住在|家住|就住|我住|他住|她住|寄到|送到|来到|搬到|去到|到了|位于|是在|现在|家在|人在|我在|就在|在|住|到|于|址|是|去)"
)
_ROADLESS = re.compile("[一这那哪每某条走过几多的公铁马网电思门楼心线弯半]++[路街道里]")


def _chinese(text: str) -> Iterator[Span]:
    if re.search("[路街道巷弄同里]", text):
        for match in _ROAD.finditer(text):
            yield from _from_the_name(match)
    if re.search("[0-9]", text):
        for match in _ESTATE.finditer(text):
            yield from _from_the_name(match)
        for match in _BUILDING.finditer(text):
            yield match.span()
    if re.search("[村屯寨]", text):
        for match in _VILLAGE.finditer(text):
            yield from _from_the_name(match)
    if "住" in text:
        for match in _NAMED_ESTATE.finditer(text):
            if not _COMMON.search(match[1]):
                yield match.span(1)


def _from_the_name(match: re.Match) -> Iterator[Span]:
    """The address without the words that lead to it ("我住在")."""
    start = match.start()
    while lead := _NOT_OF_THE_NAME.match(match.string, start, match.end()):
        start = lead.end()
    if match.end() - start > 3 and not _ROADLESS.match(match.string[start : match.end()]):
        yield start, match.end()


_IPV4 = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])")
_VERSION = re.compile(r"(?:v|ver|version|release|版本|build|固件|系统)[ .:：号是]{0,3}$", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
_MAC = re.compile(
    r"(?<![0-9A-Za-z:\-])[0-9A-Fa-f]{2}([:\-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z:\-])"
    r"|(?<![0-9A-Za-z.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9])"
)


def network_address_spans(text: str) -> Iterator[Span]:
    """Where IP addresses (versions 4 and 6; not a machine's own, such as 127.0.0.1) and MAC addresses stand."""
    if not re.search("[0-9]", text):
        return
    if "." in text:
        for match in _IPV4.finditer(text):
            if _is_elsewhere(match[0]) and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
                yield match.span()
    if ":" in text or "-" in text or "." in text:
        for match in _MAC.finditer(text):
            if match[1] == ":" or re.search("[A-Fa-f]", match[0]):  # hyphens stand in dates, too
                yield match.span()
    if ":" in text:
        for match in _IPV6.finditer(text):
            if (
                len(re.findall("[0-9A-Fa-f]+", match[0])) > 2
                and re.search("[0-9]", match[0])
                and _is_elsewhere(match[0])
            ):
                yield match.span()


def _is_elsewhere(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_unspecified)
