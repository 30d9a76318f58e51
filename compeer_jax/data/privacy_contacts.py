"""Where a text gives e-mail addresses, links and names of accounts.

Texts come with full-width letters and signs made half-width. All patterns run in linear time: quantifiers are bounded
or possessive, and no match begins within a run of the signs that it is made of.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]

# Behind "//" it is the user of a link.
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])(?<!//)[A-Za-z0-9._%+\-]++@(?=[A-Za-z0-9])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)++"
)
_HOSTS = ("gmail", "yahoo", "hotmail", "outlook", "icloud", "protonmail", "qq", "163", "126", "sina", "foxmail")
_SPELLED_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}+ ?(?:\(at\)|\[at\]|\bat\b|艾特|#) ?"
    rf"(?:{'|'.join(_HOSTS)}) ?(?:\.|\(dot\)|\[dot\]|\bdot\b|点) ?(?:com|net|org|cn|co\.uk)\b",
    re.IGNORECASE,
)


def email_spans(text: str) -> Iterator[Span]:
    """Where e-mail addresses stand, also such as "name at gmail dot com"."""
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield match.start(), _without_closing(text, *match.span())
    lowered = text.lower()
    if any(host in lowered for host in _HOSTS):
        for match in _SPELLED_MAIL.finditer(text):
            yield match.span()


# Up to white space, quotes, brackets of markup, and whatever is not ASCII: Chinese goes on without a space.
_PATH = r"[!#-;=?-\[\]_a-z~]"
_LINK = re.compile(
    rf"(?<![A-Za-z0-9])(?:https?|ftp)://{_PATH}++|(?<![A-Za-z0-9.@\-])www\.[A-Za-z0-9]{_PATH}++", re.IGNORECASE
)
_HOST = re.compile(
    rf"(?<![A-Za-z0-9_.@/\-])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)++(?::[0-9]{{1,5}}(?![0-9]))?(/{_PATH}*+)?"
)
# Endings of a bare name. Others (me, so, it, is, io …) are also words behind a full stop without its space, and count
# only with a path behind them.
_ENDINGS = frozenset(("com", "org", "net", "edu", "gov", "mil", "cn", "uk", "au", "ca", "nz", "ie"))
_SECOND = frozenset(("com", "org", "net", "edu", "gov", "ac", "co", "nhs"))  # what stands before a country's ending
_MORE_ENDINGS = frozenset(
    ("be", "de", "fr", "gg", "in", "info", "io", "jp", "kr", "ly", "me", "ru", "tv", "us", "xyz", "app", "ai", "cc")
)


def url_spans(text: str) -> Iterator[Span]:
    """Where links stand: with a scheme, with www., and bare names such as example.com or bit.ly/abc."""
    if "." not in text and "://" not in text:
        return
    for match in _LINK.finditer(text):
        yield match.start(), _without_closing(text, *match.span())
    for match in _HOST.finditer(text):
        if _is_host(match[0].partition("/")[0].partition(":")[0].lower().split("."), match[1]):
            yield match.start(), _without_closing(text, *match.span())


def _is_host(labels: list[str], path: str | None) -> bool:
    if not all(labels) or not any(sign.isalpha() for sign in labels[-2]):
        return False
    ending = labels[-1]
    if len(ending) == 2 and ending in _ENDINGS and ending != "cn":
        return labels[-2] in _SECOND and len(labels) > 2
    return ending in _ENDINGS or (ending in _MORE_ENDINGS and path is not None and len(path) > 1)


def _without_closing(text: str, start: int, end: int) -> int:
    """The end of a link without the punctuation that closes the sentence or bracket around it."""
    open_brackets = text.count("(", start, end) - text.count(")", start, end)
    while end > start and text[end - 1] in ".,;:!?)]}'\"-*_":
        if text[end - 1] == ")":
            if open_brackets >= 0:
                break
            open_brackets += 1
        end -= 1
    return end


_AT = re.compile(
    r"(?<![A-Za-z0-9_@.])@(?:[A-Za-z0-9_][A-Za-z0-9_.\-]*+|[\u4e00-\u9fff][\u4e00-\u9fffA-Za-z0-9_\-]{0,14}+)"
)
_PLACES = frozenset(
    (
        "home",
        "work",
        "school",
        "church",
        "gym",
        "uni",
        "noon",
        "midnight",
        "night",
        "least",
        "first",
        "last",
        "once",
        "all",
        "times",
        "the",
        "an",
        "my",
        "this",
        "that",
    )
)
_IS = r"[:：=\s,，]{0,3}(?:是|为|is\b|叫)?[:：=\s]{0,3}"
_QQ = re.compile(
    rf"(?:(?<![A-Za-z])qq|扣扣|企鹅号?)(?:号码?|群号?|id)?{_IS}([1-9][0-9]{{4,11}})(?![0-9])", re.IGNORECASE
)
_NAME = r"([A-Za-z][A-Za-z0-9_\-]{5,19})(?![A-Za-z0-9_\-])"
_WECHAT = re.compile(
    rf"(?:微信|威信|薇信|wechat|weixin|(?<![A-Za-z])[vw]x|v信|加我?v)(号|id)?{_IS}(?:([0-9]{{5,11}})(?![0-9])|{_NAME})",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:instagram|\binsta|\big|snapchat|\bsnap|twitter|tiktok|discord|telegram|skype|\bkik|reddit|facebook|\bfb"
    r"|抖音|快手|微博|小红书|b站|贴吧|知乎|钉钉)"
    r"(?: ?(?:id|handle|username|user name|account|name|号码?|账号|帐号|昵称|用户名))?"
    r"[:：=\s,，\-]{0,3}(?:is\b|是|为|叫)?[:：=\s\-]{0,3}(?<![A-Za-z])([A-Za-z0-9_][A-Za-z0-9_.\-]{2,31}+)",
    re.IGNORECASE,
)
_MAY_BE_NAMED = re.compile("[0-9_]|[微威薇]信|[Ww]e[Cc]hat|[Ww]eixin")
_REDDIT = re.compile(r"(?<![A-Za-z0-9_/])/?u/[A-Za-z0-9_\-]{3,20}(?![A-Za-z0-9_\-])")


def handle_spans(text: str) -> Iterator[Span]:
    """Where names of accounts stand: @name, u/name; numbers and ids behind QQ, 微信 and the like; names with a digit or
    an underscore behind Instagram, 抖音 and the like."""
    if "@" in text:
        for match in _AT.finditer(text):
            end = _without_closing(text, *match.span())
            name = text[match.start() + 1 : end]
            if len(name) > 1 and any(sign.isalpha() for sign in name) and name.lower() not in _PLACES:
                yield match.start(), end
    if "u/" in text:
        for match in _REDDIT.finditer(text):
            yield match.span()
    if not _MAY_BE_NAMED.search(text):
        return
    for match in _QQ.finditer(text):
        yield match.span(1)
    for match in _WECHAT.finditer(text):
        if match[2]:
            yield match.span(2)
        elif match[1] or _looks_made_up(match[3]):
            yield match.span(3)
    for match in _NAMED.finditer(text):
        end = _without_closing(text, *match.span(1))
        if _looks_made_up(text[match.start(1) : end]):
            yield match.start(1), end


def _looks_made_up(name: str) -> bool:
    """Whether a name is no word: letters together with a digit or an underscore."""
    return bool(re.search("[A-Za-z]", name) and re.search("[0-9_]", name))
