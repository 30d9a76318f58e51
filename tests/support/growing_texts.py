"""Texts that repeat what regular expressions look for, up to a given length."""

import functools

# What patterns look for, or begin with: repeated, it makes them try again and again.
PIECES = """a|1|-|<|[|(|`|*|"|“|「|@|:|：|.|_|\\|$|{|{{|#|'|=|%|;|。|、|你|不|一|说|</|<|[[|()|**|a.|a@|a:|a'|a,|a=|1.
1-|1x|(1|12|00|-1|+1|&lt;|<||/*|'a'=1|[a]|[a](|a(|a();|AB12|A1|http://|www.|@a|u/|电话|卡号|微信|my number|phone|qq|bye
passport is|instagram|def a|return|SELECT a|as an ai|作为|我是|我是由|抱歉，|sure, here is the|verdict:|结论：|score:
first :|分|strategy:|the supporter|标注|ROOT|\ud83d|é|�|[insert name|$conversation|12 12|身份证|\\text|\\boxed"""
SPACES = ("", " ", "\n")
SHORT, LONG = 1_000, 16_000


@functools.cache
def texts(length: int) -> list[str]:
    pieces = ["", *(piece for line in PIECES.split("\n") for piece in line.split("|"))]
    units = dict.fromkeys(piece + space for piece in pieces for space in SPACES if piece + space)
    return [(unit * (length // len(unit) + 1))[:length] for unit in units]
