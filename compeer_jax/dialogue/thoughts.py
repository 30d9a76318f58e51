r"""The thoughts of deep-reasoning models, and what they say once these are taken off.

Such models write `<think> … </think>` before they speak, unless their server takes it off; or only `</think>`, where
the chat template has opened the thoughts already. What stands in them is tried, quoted and taken back, so it is no
answer. All that reads a model's words passes here: `chat_reply.Answer.text` for answers of chat models,
`ReasoningFormat.parse` for outputs of a policy, `verdicts` for replies of a judge.

Only thoughts at the beginning are thoughts: `<think>` later on is a word like any other. A tag that is meant as a word
where it would be read as one is written with a backslash, `<\/think>`, by `material.escape`.
"""

import re
from typing import NamedTuple

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # one character for one, so places stay
_INVISIBLE = " \t\r\n\f\v\u00a0\u3000\u200b\ufeff"

# <think>, <thinking>, <thought>, <reasoning>, <seed:think>, <|begin_of_thought|>, <|START_THINKING|>, ◁think▷, [THINK]
# and what closes them. Linear: no run can be cut in two ways, and all but the backslashes are bounded.
_NAME = r"(?:[a-z]{1,12}[:_])?(?:think(?:ing)?|thoughts?|reasoning)"
_EDGE = r"(?:(?P<close>/[ \t]{0,8}|end_(?:of_)?)|(?:begin|start)_(?:of_)?)?"
_ATTRIBUTES = r"(?:[ \t][^<>]{0,64})?"
TAG = re.compile(
    rf"(?:[<◁]|&lt;)(?P<escape>\\*)\|?[ \t]{{0,8}}{_EDGE}{_NAME}{_ATTRIBUTES}(?P<empty>/)?\|?(?:[>▷]|&gt;)"
    r"|\[(?P<escape_square>\\*)(?P<close_square>/)?(?-i:THINK)\]",
    re.IGNORECASE,
)


class Spoken(NamedTuple):
    """What a model says, and what it thought before.

    Attributes:
        text: what it says; "" when the thoughts have no end.
        thoughts: what it thought, without tags and outer white space; "" when there is nothing of that.
        open: whether the thoughts have no end. Then nothing is said, so there is no answer.
    """

    text: str
    thoughts: str = ""
    open: bool = False


def spoken(text: str) -> Spoken:
    """What `text` says once leading thoughts are taken off; a text without them is returned as it is.

    Taking them off again changes nothing: `spoken(spoken(text).text).text == spoken(text).text`. Linear time.
    """
    tags = _tags(text)
    thoughts: list[str] = []
    start = index = 0  # of what is left of the text, and of its tags
    while index < len(tags):
        tag = tags[index]
        begin = start
        if not _closes(tag):
            if text[start : tag.start()].strip(_INVISIBLE):
                break  # a word among words
            begin = tag.end()
            if not tag["empty"]:
                index = next((later for later in range(index + 1, len(tags)) if _closes(tags[later])), len(tags))
                if index == len(tags):
                    return Spoken("", "\n".join([*thoughts, text[begin:].strip()]).strip(), open=True)
        thoughts.append(text[begin : max(begin, tags[index].start())].strip())
        start = tags[index].end()
        index += 1
    return Spoken(text[start:].lstrip(_INVISIBLE) if start else text, "\n".join(filter(None, thoughts)))


def _tags(text: str) -> list[re.Match]:
    """The tags of thoughts in `text`, without those behind backslashes."""
    found = TAG.finditer(text.translate(_HALF_WIDTH))
    return [tag for tag in found if len(set(_backslashes(tag))) == 1]


def _backslashes(tag: re.Match) -> tuple[int, int]:
    return tag.span("escape" if tag["escape"] is not None else "escape_square")


def _closes(tag: re.Match) -> bool:
    return bool(tag["close"] or tag["close_square"])
