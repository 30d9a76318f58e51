r"""The thoughts of deep-reasoning models, and what they say once these are taken off.

Such models write `<think> … </think>` before they speak, unless their server takes it off; or only `</think>`, where
the chat template has opened the thoughts already. What stands in them is tried, quoted and taken back, so it is no
answer. All that reads a model's words passes here: `chat.types.Answer.text` for answers of chat models,
`ReasoningFormat.parse` for outputs of a policy, `verdicts` for replies of a judge.

Only thoughts at the beginning are thoughts: `<think>` later on is a word like any other. A tag that is meant as a word
where it would be read as one is written with a backslash, `<\/think>`, by `material.escape`.
"""

import re
import unicodedata
from typing import NamedTuple

# One character for one, so places stay: half-width signs, and brackets that look like < and >.
_PLAIN_SIGNS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    "‹›〈〉⟨⟩❮❯˂˃《》", "<><><><><><>"
)

# <think>, <thinking>, <thought>, <reasoning>, <seed:think>, <|begin_of_thought|>, <|START_THINKING|>, ◁think▷, [THINK],
# <|channel|>analysis<|message|>, <|channel>thought, and what closes them. Linear: no run can be cut in two ways, and
# all but the backslashes are bounded.
_NAME = r"(?:[a-z]{1,12}[:_])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|scratchpad|reflection)"
_EDGE = r"(?:(?P<close>/\s{0,8}|end_(?:of_)?)|(?:begin|start)_(?:of_)?)?"
_ATTRIBUTES = r"(?:\s[^<>]{0,64})?"
TAG = re.compile(
    rf"(?:[<◁]|&lt;)(?P<escape>\\*)\|?\s{{0,8}}{_EDGE}{_NAME}{_ATTRIBUTES}(?P<empty>/)?\|?(?:[>▷]|&gt;)"
    r"|\[(?P<escape_square>\\*)(?P<close_square>/)?(?-i:THINK)\]"
    r"|<(?P<escape_channel>\\*)(?:\|channel\|>(?:analysis|commentary|(?P<close_final>final))<\|message\|>"
    r"|\|channel>thought|(?P<close_channel>channel\|>))",
    re.IGNORECASE,
)
# What a template may leave before the thoughts.
_ROLE = re.compile(r"(?:<\|[a-z_]{1,20}\|>)?\s{0,8}(?:assistant)?\s{0,8}:?", re.IGNORECASE)


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
        if not tag.closes:
            if not _is_blank(text[start : tag.start]):
                break  # a word among words
            begin = tag.end
            if not tag.empty:
                index = next((later for later in range(index + 1, len(tags)) if tags[later].closes), len(tags))
                if index == len(tags):
                    return Spoken("", "\n".join([*thoughts, text[begin:].strip()]).strip(), open=True)
        thoughts.append(text[begin : max(begin, tags[index].start)].strip())
        start = tags[index].end
        index += 1
    return Spoken(_without_lead(text[start:]) if start else text, "\n".join(filter(None, thoughts)))


class _Tag(NamedTuple):
    start: int
    end: int
    closes: bool
    empty: bool


def _tags(text: str) -> list[_Tag]:
    """The tags of thoughts in `text`, without those behind backslashes. Signs that can't be seen make no difference."""
    places = [place for place, sign in enumerate(text) if not _unseen(sign)]
    seen = "".join(text[place] for place in places) if len(places) < len(text) else text
    return [
        _Tag(places[tag.start()], places[tag.end() - 1] + 1, _closes(tag), bool(tag["empty"]))
        for tag in TAG.finditer(seen.translate(_PLAIN_SIGNS))
        if not any(tag[name] for name in ("escape", "escape_square", "escape_channel"))
    ]


def _closes(tag: re.Match) -> bool:
    return any(tag[name] for name in ("close", "close_square", "close_final", "close_channel"))


def _unseen(sign: str) -> bool:
    return not sign.isascii() and unicodedata.category(sign) == "Cf"


def _without_lead(text: str) -> str:
    """`text` from the first sign that can be seen."""
    return text[next((place for place, sign in enumerate(text) if not (sign.isspace() or _unseen(sign))), len(text)) :]


def _is_blank(text: str) -> bool:
    """Whether nothing is said in `text`: at most the name of the role."""
    return bool(_ROLE.fullmatch("".join(sign for sign in _without_lead(text) if not _unseen(sign)).strip()))
