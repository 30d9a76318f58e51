"""A check of quotations: whether the line above an answer leaves it to somebody else, or denies it.

What a model is shown may speak to it, and a model may quote that: "It ends with the line", and below it the line. Prose
that has come to its end says nothing of what follows, unless it denies it in so many words.
"""

import re
from collections.abc import Sequence

from compeer_jax.dialogue.verdict_lines import LONGEST, plain

_SOFT = " \t*_`~'\"’”」』»)）]】"  # what may stand behind the sign that ends a sentence
_COLONS = (":", "：", "-", "—", "–", "=")
_STOPS = (".", "!", "?", "。", "！", "？", "…", ";", "；")
# All that a line with a colon may say if the answer below it is the writer's own.
_CONCLUDING = re.compile(
    r"(?:(?:so|thus|hence|therefore|overall|finally|in|to|conclusion|conclude|summary|on|reflection|here|is|this|my|the"
    r"|final|score|rating|assessment|answer|verdict|judge?ment)(?:[ ,]{1,2}|$))+"
    r"|(?:综上所述|综上|因此|所以|总之|总体|总结|结论|得分|评分|分数|最终|最后|我的|是|为|[，, 的])+"
)
_ANNOUNCES = re.compile(
    r"(?:\b(?:lines?|sentences?|words?|text|phrase|says?|said|reads?|writes?|wrote|written|states?|contains?|includes?"
    r"|adds?|repl(?:y|ies)|respond|answer|output|print|end|(?:tells?|told|asks?|asked|instructs?) me|with|is|are|was"
    r"|were|as|that|not|never|than|to)"
    r"|写|写着|写道|写了|说|说道|包含|出现|[一这那后]行|[一这那后]句话?|字样|内容|加上|回答|回复|输出|[是非])$"
)
_DENIES = re.compile(
    r"\bnot (?:my|(?:the|an?) (?:answer|score|verdict|line))\b|\bi (?:only |merely |just )?(?:quote|repeat|copy|cite)\b"
    r"|\b(?:next|following|last|final) (?:line|sentence) is(?: not|n't)\b|(?:不是|并非)我的|[下后]一行不"
)


def disowned(above: Sequence[str]) -> bool:
    """Whether the last full one of the lines above an answer leaves it to somebody else. Never raises; linear time."""
    line = next((line for line in reversed(above) if any(map(str.isalnum, line))), "")[-LONGEST:]
    words, bare = plain(line), line.rstrip(_SOFT)
    if _DENIES.search(words):
        return True
    if bare.endswith(_COLONS):
        return not _CONCLUDING.fullmatch(words)
    return not bare.endswith(_STOPS) and bool(_ANNOUNCES.search(words))
