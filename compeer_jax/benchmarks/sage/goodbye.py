"""Recognition of a seeker's goodbye.

The released code takes the characters 再见 or 拜拜 anywhere. A grieving seeker speaks of goodbyes without leaving ("I
never got to say goodbye", "我想再见到他"), so by default a goodbye is one that ends a clause and is not told of.
"""

import re
import unicodedata

ANYWHERE = ("再见", "拜拜")

_CLAUSE = re.compile(r"[,.!?;:~…，。！？；：～、\n—()（）\"“”]+|-{2,}")
_ZH = re.compile(r"(?:再见|拜拜)(?:了|啦|吧|咯|喽|哦|哈|呀|\s)*")
_ZH_TOLD = re.compile("[说讲道没不未想能会愿曾]|告别|希望|如果|要是|有一天")
_EN = re.compile(r"\b(?:good[- ]?bye|bye[- ]?bye|bye)(?:\s+(?:then|now|for now|everyone|friend))*", re.IGNORECASE)
_EN_TOLD = re.compile(
    r"\b(?:say|says|said|saying|tell|told|wav(?:e|ed|ing)|kiss(?:ed)?|never|no|not|a|the|this|that|our|my|your|his|her|"
    r"their|last|final|without|if|when)\b|n['’]t\b",
    re.IGNORECASE,
)


def says_goodbye(text: str, *, anywhere: bool = False) -> bool:
    """Whether the seeker ends the talk with `text`.

    Args:
        text: what they say, Chinese or English.
        anywhere: take the released code's words wherever they stand.
    """
    if anywhere:
        return any(word in text for word in ANYWHERE)
    return any(_parts(clause.strip()) for clause in _CLAUSE.split(text))


def _parts(clause: str) -> bool:
    """Whether a clause ends with a goodbye that is said, not told of."""
    for goodbye, told in ((_ZH, _ZH_TOLD), (_EN, _EN_TOLD)):
        found = list(goodbye.finditer(clause))
        if found and _without_marks(clause[found[-1].end() :]) and not told.search(clause[: found[-1].start()]):
            return True
    return False


def _without_marks(rest: str) -> bool:
    """Whether nothing but symbols, such as a smile, is left."""
    return not any(unicodedata.category(character)[0] in "LN" for character in rest)
