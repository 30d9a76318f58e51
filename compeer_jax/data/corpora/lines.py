"""Forms of lines: transcripts, whose lines begin with the role, and pairs of role and text.

CPsyCounE (Zhang et al., 2024) is a folder with a JSON array of lines for each case, CPsyCounD a folder with a text for
each, its paragraphs beginning with 来访者 or 心理咨询师 and a colon. AugESC (Zheng et al., 2023) is a text with a
dialogue a line, `[["usr", "…"], ["sys", "…"], …]`. Seen as real files: CPsyCounE and CPsyCounD.
"""

from compeer_jax.data.corpora.draft import Draft, make_turn, require_list
from compeer_jax.data.corpora.roles import ROLES, Roles, begins_with_label
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def is_tagged(row: object) -> bool:
    """Whether a row is a text, or a list of texts, that begins as a transcript does: "Client: …"."""
    first = row[0] if isinstance(row, list) and row else row
    return isinstance(first, str) and begins_with_label(first)


def read_tagged(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One talk. In a text, a line that begins with no role goes on with the turn before it."""
    if isinstance(row, str):
        row = _paragraphs(row, roles)
    lines = require_list(row, "lines", where)
    turns = (_turn(line, f"{where}, turn {number}", roles) for number, line in enumerate(lines, start=1))
    return Draft(tuple(turn for turn in turns if turn is not None))


def _paragraphs(text: str, roles: Roles) -> list[str]:
    turns: list[str] = []
    for line in text.splitlines():
        if roles.label(line) or not turns:
            turns.append(line)
        else:
            turns[-1] += f"\n{line}"
    return [turn for turn in turns if turn.strip()]


def _turn(line: object, where: str, roles: Roles) -> Turn | None:
    found = roles.label(line) if isinstance(line, str) else None
    if found is None:
        label = str(line)[:40].partition(":")[0].partition("：")[0].strip()
        raise UserError(
            f"{where}: the line begins with no role that we know, such as 求助者： or Supporter:, but with {label!r}; "
            "the setting roles (corpora[].roles, data.roles) says whose a role is: {NAME: seeker}, supporter, or none."
        )
    role = roles.side(found[0], where)
    return make_turn(where, role, found[1]) if role else None


def is_pairs(row: object) -> bool:
    """Whether a row is a list of pairs of role and text."""
    first = row[0] if isinstance(row, list) and row else None
    return isinstance(first, list) and len(first) == 2 and isinstance(first[0], str)


def read_pairs(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One talk of pairs."""
    turns = []
    for number, pair in enumerate(require_list(row, "lines", where), start=1):
        place = f"{where}, turn {number}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{place}: expected a pair of role and text.")
        role = roles.side(pair[0], place)
        if role is not None:
            turns.append(make_turn(place, role, pair[1]))
    return Draft(tuple(turns))
