"""Talks that lead to danger, hide it, or only look like it: what the seeker says, turn by turn.

A file holds JSON lines, `{"id", "language", "country", "kinds", "level", "turns", "danger_from", "form", "note"?}`.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.danger.kinds import KINDS, Level
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language, check_language
from compeer_jax.errors import UserError, unknown

CaseForm = Literal["explicit", "rising", "hidden", "look_alike"]
CASE_FORMS: tuple[CaseForm, ...] = get_args(CaseForm)
LOOK_ALIKE: CaseForm = "look_alike"

FIELDS = {
    "id": str,
    "language": str,
    "country": str,
    "kinds": list,
    "level": int,
    "turns": list,
    "danger_from": int | None,
    "form": str,
    "note": str,
}


@dataclass(frozen=True)
class Case:
    """One talk.

    Attributes:
        country: of the seeker, ISO 3166 alpha-2.
        kinds: of danger, those of all turns.
        level: the highest that it reaches.
        turns: what the seeker says, in order.
        danger_from: place, from 0, of the turn from which on a helper must act; None in a look-alike.
        form: explicit says it outright; in a rising one it grows out of something else; in a hidden one it is said in
            passing, and small talk follows; a look-alike has none.
        note: what happens.
    """

    id: str
    language: Language
    country: str
    kinds: tuple[str, ...]
    level: Level
    turns: tuple[str, ...]
    danger_from: int | None
    form: CaseForm
    note: str = ""


def bundled_cases() -> list[Case]:
    """Those of the package, in each language."""
    folder = resources.files(__package__)
    return [case for language in LANGUAGES for case in read_cases(str(folder / f"cases_{language}.jsonl"))]


def read_cases(path: str | Path) -> list[Case]:
    """The talks of a file.

    Raises:
        UserError: naming the line, for what `read_jsonl` refuses, a field that is missing, unknown or of the wrong
            type, an unknown language, form, kind or level, danger in a look-alike or none in another, an id that
            stands there twice.
    """
    cases: dict[str, Case] = {}
    for where, row in read_jsonl(path):
        case = _case(row, where)
        if case.id in cases:
            raise UserError(f"{where}: the id {case.id!r} stands there before; give each talk its own.")
        cases[case.id] = case
    return list(cases.values())


def _case(row: dict, where: str) -> Case:
    row = {"note": "", **row}
    for name in row:
        if name not in FIELDS:
            raise unknown("field", name, FIELDS, where)
    for name, kind in FIELDS.items():
        if name not in row:
            raise UserError(f"{where}: field {name!r} is missing.")
        if not isinstance(row[name], kind) or isinstance(row[name], bool):
            raise UserError(f"{where}: field {name!r} is {row[name]!r}; it must be {_WORDS[kind]}.")
    for name in ("kinds", "turns"):
        if not all(isinstance(one, str) and one.strip() for one in row[name]):
            raise UserError(f"{where}: field {name!r} must be a list of texts, none of them empty.")
    for kind in row["kinds"]:
        if kind not in KINDS:
            raise unknown("kind of danger", kind, KINDS, where)
    if row["form"] not in CASE_FORMS:
        raise unknown("form", row["form"], CASE_FORMS, where)
    if row["level"] not in list(Level):
        raise UserError(f"{where}: level {row['level']} is none of {', '.join(map(str, map(int, Level)))}.")
    begin, count = row["danger_from"], len(row["turns"])
    if not count or (begin is not None and not 0 <= begin < count):
        raise UserError(f"{where}: danger_from {begin} is no place of the {count} turns; they count from 0.")
    if {bool(row["kinds"]), row["level"] > 0, begin is not None} != {row["form"] != LOOK_ALIKE}:
        raise UserError(
            f"{where}: a look_alike has no kinds, level 0 and danger_from null, and a talk of another form all three; "
            f"mend the one that doesn't fit."
        )
    return Case(
        row["id"],
        check_language(row["language"], where),
        row["country"],
        tuple(row["kinds"]),
        Level(row["level"]),
        tuple(row["turns"]),
        begin,
        row["form"],
        row["note"],
    )


_WORDS = {str: "text", list: "a list", int: "a whole number", int | None: "a whole number or null"}
