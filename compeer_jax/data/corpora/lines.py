"""Talks written down as lines: CPsyCoun's, which begin with the role, and AugESC's, which are pairs.

CPsyCounE (Zhang et al., 2024) is a folder with a JSON array of lines for each case, CPsyCounD a folder with a text for
each, its paragraphs beginning with 来访者 or 心理咨询师 and a colon. AugESC (Zheng et al., 2023) is a text with a
dialogue a line, `[["usr", "…"], ["sys", "…"], …]`. Seen as real files: CPsyCounE and CPsyCounD.
"""

import re

from compeer_jax.data.corpora.draft import Draft, make_turn, require_list
from compeer_jax.data.corpora.roles import SEEKER, SUPPORTER, role_of
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

_NAMES = "|".join(sorted(map(re.escape, (*SEEKER, *SUPPORTER)), key=len, reverse=True))
_ROLE = re.compile(rf"\s*({_NAMES})\s*[:：]", re.IGNORECASE)


def is_tagged(row: object) -> bool:
    """Whether a row is a text, or a list of texts, that begins with a role."""
    first = row[0] if isinstance(row, list) and row else row
    return isinstance(first, str) and _ROLE.match(first) is not None


def read_tagged(row: object, where: str) -> Draft:
    """One case. In a text, a line that begins with no role goes on with the turn before it."""
    if isinstance(row, str):
        row = _paragraphs(row)
    lines = require_list(row, "lines", where)
    return Draft(tuple(_turn(line, f"{where}, turn {number}") for number, line in enumerate(lines, start=1)))


def _paragraphs(text: str) -> list[str]:
    turns: list[str] = []
    for line in text.splitlines():
        if _ROLE.match(line) or not turns:
            turns.append(line)
        else:
            turns[-1] += f"\n{line}"
    return [turn for turn in turns if turn.strip()]


def _turn(line: object, where: str) -> Turn:
    found = _ROLE.match(line) if isinstance(line, str) else None
    if found is None:
        raise UserError(f"{where}: the line begins with no role, such as 求助者： or 支持者：.")
    return make_turn(where, role_of(found[1], where), line[found.end() :])


def is_pairs(row: object) -> bool:
    """Whether a row is a list of pairs of role and text."""
    first = row[0] if isinstance(row, list) and row else None
    return isinstance(first, list) and len(first) == 2 and isinstance(first[0], str)


def read_pairs(row: object, where: str) -> Draft:
    """One dialogue of AugESC."""
    turns = []
    for number, pair in enumerate(require_list(row, "lines", where), start=1):
        place = f"{where}, turn {number}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{place}: expected a pair of role and text.")
        role = role_of(pair[0], place)
        if role is not None:
            turns.append(make_turn(place, role, pair[1]))
    return Draft(tuple(turns))
