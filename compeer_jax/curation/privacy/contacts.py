"""E-mail addresses and links in a text, written or spelled out.

Patterns read the plain text (`plain_text`). All of them run in linear time: quantifiers are bounded or possessive,
and no match begins within a run of the signs that it is made of.
"""

import re
from collections.abc import Iterator
from functools import cache

from compeer_jax.curation.privacy.plain_text import words
from compeer_jax.dialogue.danger.numbers import countries, help_for, lines_of

Span = tuple[int, int]

_PUBLIC_ENDINGS = (".gov", ".gov.uk", ".gov.cn", ".gov.au", ".nhs.uk")

_LETTERS = "A-Za-z0-9À-ÖØ-öø-ɏ"
_LOCAL = rf"[{_LETTERS}._%+\-]"
_LABEL = rf"[{_LETTERS}\-]"
# Behind "//" it is the user of a link.
_MAIL = re.compile(rf"(?<!{_LOCAL})(?<!//){_LOCAL}++@(?=[{_LETTERS}]){_LABEL}++(?:\.{_LABEL}++)++")

# Spelled out: what says "at" and "dot" and can't be a word of a sentence, and what can.
_MARKED_AT = r"(?:[(\[{<] ?(?:at|a|@|艾特) ?[)\]}>]|艾特|圈[aA]|小老鼠|#)"
_MARKED_DOT = r"(?:[(\[{<] ?(?:dot|\.|点|點) ?[)\]}>]|点|點)"
_DOT = rf" ?(?:{_MARKED_DOT}|\.|(?<=[ _])dot(?=[ _])) ?"
_WORD = rf"[{_LETTERS}._%+\-]{{1,64}}+"
_SIGN_WORD = r"(?:dot|point|underscore|dash|hyphen|plus|minus)"
_NAME = rf"(?<!{_LOCAL})(?<!//)(?P<local>{_WORD}(?: {_SIGN_WORD} {_WORD}){{0,4}}(?: [0-9]{{1,4}})?)"
_PART = rf"[{_LETTERS}\-]{{1,63}}+"
_ENDING = r"(?:com|org|net|edu|gov|info|io|cn|uk|ca|au|nz|ie|de|fr|in)(?!\.?[A-Za-z0-9])"
_HOSTS = r"(?:gmail|yahoo|hotmail|outlook|icloud|proton|protonmail|qq|163|126|sina|foxmail|aol|yeah)"
_HINTS = re.compile(
    r"[@#]|dot|[(\[{<]a|gmail|yahoo|hotmail|outlook|icloud|proton|qq|163|126|sina|foxmail|艾特|圈a|小老鼠"
)
_SPELLED_MAILS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_NAME} ?{_MARKED_AT} ?{_PART}(?:{_DOT}{_PART}){{1,4}}",
        rf"{_NAME} ?@ ?{_PART}(?:{_DOT}{_PART}){{0,3}}{_DOT}{_ENDING}",
        rf"{_NAME} at {_PART}(?: ?(?:{_MARKED_DOT}| dot|\bdot) ?{_PART}){{0,3}} ?(?:{_MARKED_DOT}|\bdot\b) ?{_ENDING}",
        rf"{_NAME} at {_HOSTS}{_DOT}(?:com|net|org|cn|me|co{_DOT}uk)\b",
        r"(?<![A-Za-z0-9._%+\-])(?P<local>(?=[A-Za-z.+\-]*+[0-9_])[A-Za-z0-9._+\-]{3,64}+) ?(?:@| at )"
        r"(?:gmail|yahoo|hotmail|outlook|icloud|protonmail)\b(?![.\-]?[A-Za-z0-9])",
    )
)


def email_spans(text: str) -> Iterator[Span]:
    """Where e-mail addresses stand, also such as "name (at) example (dot) org" or "name at gmail dot com"."""
    if "@" in text:
        for match in _MAIL.finditer(text):
            end = _without_closing(text, *match.span())
            if not _of_a_service(text[match.start() : end].rpartition("@")[2].lower()):
                yield match.start(), end
    if _HINTS.search(text.lower()):
        for pattern in _SPELLED_MAILS:
            for match in pattern.finditer(text):
                end = _without_closing(text, *match.span())
                host = text[match.end("local") : end].lstrip("@ ").lower()
                if match["local"].lower() not in words("before_at") and not _of_a_service(host):
                    yield match.start(), end


# Up to white space, quotes, brackets of markup, and whatever is not ASCII: Chinese goes on without a space.
_PATH = r"[!#-;=?-\[\]_a-z~]"
_LINK = re.compile(
    rf"(?<![A-Za-z0-9])(?:https?|ftp)://{_PATH}++|(?<![A-Za-z0-9.@\-])www\.[A-Za-z0-9]{_PATH}++", re.IGNORECASE
)
_HOST = re.compile(
    rf"(?<![A-Za-z0-9_.@/\-])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)++(?::[0-9]{{1,5}}(?![0-9]))?(/{_PATH}*+)?"
)
_SPELLED_HOST = re.compile(
    rf"(?<![A-Za-z0-9.\-@])({_PART})(?: dot {_PART}){{0,3}} dot (?:com|org|net|io|co dot uk)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# Endings of a bare name. Others (me, so, it, is, io …) are also words behind a full stop without its space, and count
# only with a path behind them.
_ENDINGS = frozenset(("com", "org", "net", "edu", "gov", "mil", "cn", "uk", "au", "ca", "nz", "ie"))
_SECOND = frozenset(("com", "org", "net", "edu", "gov", "ac", "co", "nhs"))  # what stands before a country's ending
_MORE_ENDINGS = frozenset(
    ("be", "de", "fr", "gg", "in", "info", "io", "jp", "kr", "ly", "me", "ru", "tv", "us", "xyz", "app", "ai", "cc")
)


def url_spans(text: str) -> Iterator[Span]:
    """Where links stand: with a scheme, with www., bare names such as example.com or bit.ly/abc, "example dot com".

    Sites of help services and of governments stay, and so do names that everybody knows, such as google.com.
    """
    if " dot " in text.lower():
        for match in _SPELLED_HOST.finditer(text):
            if match[1].lower() not in ("the", "a", "this", "that", "of", "old"):
                yield match.span()
    if "." not in text and "://" not in text:
        return
    for match in _LINK.finditer(text):
        if not _is_public(match[0]):
            yield match.start(), _without_closing(text, *match.span())
    for match in _HOST.finditer(text):
        host = match[0].partition("/")[0].partition(":")[0].lower()
        if _is_host(host.split("."), match[1]) and not _is_public(match[0]):
            yield match.start(), _without_closing(text, *match.span())


def _is_public(link: str) -> bool:
    """Whether a link leads to a service and no further."""
    host, _, path = link.lower().partition("://")[2 if "://" in link else 0].partition("/")
    host = host.removeprefix("www.").rstrip(".,;:!?)]}'\"-*_")
    return _of_a_service(host) or (host in words("everybodys_sites") and not path)


def _of_a_service(host: str) -> bool:
    return host in _help_sites() or host.endswith(_PUBLIC_ENDINGS)


@cache
def _help_sites() -> frozenset[str]:
    lines = [*help_for(None), *(line for country in countries() for line in lines_of(country))]
    sites = (site.partition("/")[0].removeprefix("www.") for line in lines for site in (line.source, line.chat) if site)
    return words("help_sites").union(sites)


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
