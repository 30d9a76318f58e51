"""Names of accounts in a text: @name, u/name, name#1234, and what stands beside the name of a service.

Patterns read the plain text (`plain_text`) and run in linear time, as in `contacts`.
"""

import re
from collections.abc import Iterator

from compeer_jax.curation.privacy.plain_text import words

Span = tuple[int, int]

_AT = re.compile(
    r"(?<![A-Za-z0-9_@.])@(?:[A-Za-z0-9_][A-Za-z0-9_.\-]*+|[\u4e00-\u9fff][\u4e00-\u9fffA-Za-z0-9_\-]{0,14}+)"
)
_IS = r"[:：=\s,，]{0,3}(?:是|为|is\b|叫)?[:：=\s]{0,3}"
_DIGIT_WORDS = "零〇○一二三四五六七八九幺两"
_QQ = re.compile(
    rf"(?:(?<![A-Za-z])qq|扣扣|企鹅号?|球球号)(?:号码?|群号?|id)?{_IS}"
    rf"([1-9][0-9]{{4,11}}(?![0-9])|[{_DIGIT_WORDS}]{{5,12}}(?![{_DIGIT_WORDS}个十百千万]))",
    re.IGNORECASE,
)
_NAME = r"([A-Za-z][A-Za-z0-9_\-]{5,19})(?![A-Za-z0-9_\-])"
_WECHAT = re.compile(
    rf"(?:微信|威信|薇信|徽信|wechat|weixin|(?<![A-Za-z])[vw]x|v信|加我?v)(号|id)?{_IS}"
    rf"(?:([0-9]{{5,11}})(?![0-9])|{_NAME})",
    re.IGNORECASE,
)
_CHINESE = r"抖音|快手|微博|小红书|b站|哔哩哔哩|贴吧|知乎|豆瓣|钉钉|陌陌|探探|soul|飞书|闲鱼|王者荣耀|原神|网易云"
_SERVICES = (
    r"\binstagram|\binsta|\big|\bsnapchat|\bsnap|\btwitter|\btiktok|\bdiscord|\btelegram|\bskype|\bkik|\breddit"
    r"|\bfacebook|\bfb|\bthreads|\bbluesky|\bbsky|\bmastodon|\btumblr|\btwitch|\byoutube|\byt|\bpinterest|\blinkedin"
    r"|\bbereal|\bvsco|\bonlyfans|\bspotify|\bsteam|\bxbox|\bpsn|\broblox|\bfortnite|\bminecraft|\bvenmo|\bcash ?app"
    r"|\bpaypal|\bwhatsapp|\bwechat|\bline(?= id\b)|\bkakao(?:talk)?|\bviber|\bsignal|\bhinge|\btinder|\bgamertag"
    r"|\bquora|\bmedium|\bgithub|\bpatreon|\bko-?fi"
)
_ACCOUNT = (
    r"(?: ?(?:id|uid|handle|username|user name|user|account|acct|profile|tag|name"
    r"|号码?|账号|帐号|昵称|用户名|主页|上?叫))"
)
_NAMED = re.compile(
    rf"(?:{_SERVICES}|{_CHINESE}|\b(?:user ?name|handle|screen ?name)\b)(?: me)?(?P<account>{_ACCOUNT}?)"
    r"(?P<is>[:：=\s,，\-]{0,3}(?:(?:is|it['’]?s)\b|是|为|叫)?[:：=\s\-]{0,3})"
    r"(?<![A-Za-z])(?P<name>\$?[A-Za-z0-9_][A-Za-z0-9_.\-]{2,31}+)",
    re.IGNORECASE,
)
# "ann_lee on TikTok": the name comes first.
_ON = re.compile(
    r"(?<![A-Za-z0-9_.\-@#/])(?P<name>[A-Za-z0-9_][A-Za-z0-9_.\-]{2,31}+) (?:on|@|at) (?:my )?"
    rf"(?:{_SERVICES})(?![A-Za-z])",
    re.IGNORECASE,
)
_UID = re.compile(r"(?<![A-Za-z])uid[:：=\s是]{0,3}([0-9]{5,12})(?![0-9])", re.IGNORECASE)
_OF_DIGITS = re.compile(
    rf"(?:抖音|快手|小红书|b站|微博|知乎|陌陌|探探|王者荣耀|原神)(?:号码?|id|uid|账号|帐号){_IS}([0-9]{{5,12}})(?![0-9])",
    re.IGNORECASE,
)
_DISCRIMINATED = re.compile(r"(?<![A-Za-z0-9_.#/\-])(?P<name>[A-Za-z0-9_.]{2,32}+)#[0-9]{4}(?![0-9A-Za-z])")
_SKY = re.compile(r"(?<![A-Za-z0-9_.@\-])@?[A-Za-z0-9\-]{2,40}+\.bsky\.social(?![A-Za-z0-9])", re.IGNORECASE)
_REDDIT = re.compile(r"(?<![A-Za-z0-9_/])/?u/[A-Za-z0-9_\-]{3,20}(?![A-Za-z0-9_\-])")
# What a name has in it, or stands before it; most texts have none of these.
_MAY_BE_NAMED = re.compile(
    r"[0-9_#$:：号账帐昵]|[A-Za-z]\.[A-Za-z]|[微威薇徽]信|扣扣|QQ|qq|[vV]信|[Hh]andle|[Uu]ser|\b[Ii][Dd]\b|[Ww]e[Cc]hat"
    r"|[Ii]nsta|[Ss]nap|[Dd]iscord|[Tt]ik[Tt]ok|[Tt]witter|[Tt]elegram|[Ff]acebook"
)


def handle_spans(text: str) -> Iterator[Span]:
    """Where names of accounts stand.

    Found are @name, u/name, name#1234, name.bsky.social; numbers and ids behind QQ, 微信, 小红书号, UID and the like;
    beside other services names that are no word (with a digit, an underscore, an inner full stop), and words where the
    text says that they are a name ("handle is …", "snap: … ").
    """
    if "@" in text:
        for match in _AT.finditer(text):
            end = _without_closing(text, *match.span())
            name = text[match.start() + 1 : end]
            if len(name) > 1 and any(sign.isalpha() for sign in name) and name.lower() not in words("places_at"):
                yield match.start(), end
    if "u/" in text:
        for match in _REDDIT.finditer(text):
            yield match.span()
    if not _MAY_BE_NAMED.search(text):
        return
    if "#" in text:
        for match in _DISCRIMINATED.finditer(text):
            if match["name"].lower() not in words("counted") and re.search("[A-Za-z]", match["name"]):
                yield match.span()
    if ".bsky" in text.lower():
        for match in _SKY.finditer(text):
            yield match.span()
    for pattern in (_QQ, _UID, _OF_DIGITS):
        for match in pattern.finditer(text):
            yield match.span(1)
    for match in _WECHAT.finditer(text):
        if match[2]:
            yield match.span(2)
        elif match[1] or _looks_made_up(match[3]):
            yield match.span(3)
    for match in _NAMED.finditer(text):
        start, end = match.start("name"), _without_closing(text, *match.span("name"))
        if _looks_made_up(text[start:end]) or _is_said_to_be_one(text, match, end):
            yield start, end
    for match in _ON.finditer(text):
        if _looks_made_up(match["name"]):
            yield match.span("name")


def _looks_made_up(name: str) -> bool:
    """Whether a name is no word: letters with a digit, an underscore, a full stop, or a dollar before them."""
    if not re.search("[A-Za-z]", name):
        return False
    parts = name.split(".")
    if len(parts) > 1 and len(parts[-1]) > 3 and name.islower() and words("behind_a_service").isdisjoint(parts):
        return True
    return bool(re.search(r"[0-9_]|^\$", name))


def _is_said_to_be_one(text: str, match: re.Match, end: int) -> bool:
    """Whether the text presents a word as a name: "handle is annlee", "snap: annlee" with nothing behind it."""
    name = text[match.start("name") : end].lower()
    if not re.search("[a-z]", name) or name in words("behind_a_service") or len(name) < 4:
        return False
    if match["account"].strip() or re.match("user|handle|screen", match[0], re.IGNORECASE):
        return bool(re.search(r"is|[:：=是为叫]", match["is"])) or match["account"].strip().lower() in (
            "id",
            "handle",
            "username",
        )
    if "is" in match["is"].lower() and len(name) > 4 and _holds_a_name(name):
        return True
    return bool(re.search("[:：]", match["is"])) and not re.match(r" ?[A-Za-z0-9\u4e00-\u9fff]", text[end:])


def _holds_a_name(word: str) -> bool:
    """Whether a word has a first name or a surname at its beginning or end: "annsmith", "hmoore"."""
    known = words("first_names") | words("surnames")
    parts = [word[:place] for place in range(4, len(word) + 1)] + [word[place:] for place in range(len(word) - 3)]
    return any(part in known for part in parts)


def _without_closing(text: str, start: int, end: int) -> int:
    """The end of a name without the punctuation that closes the sentence."""
    return start + len(text[start:end].rstrip(".-"))
