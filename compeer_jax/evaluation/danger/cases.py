"""Talks that lead to danger, hide it, or only look like it: what the seeker says, turn by turn.

A file holds JSON lines, `{"id", "language", "country", "kinds", "level", "turns", "danger_from", "form", "note"?}`.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.danger.kinds import Level
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language
from compeer_jax.errors import UserError
from compeer_jax.evaluation.danger.sentences import Kind
from compeer_jax.structure import Text, structured

CaseForm = Literal["explicit", "rising", "hidden", "look_alike"]
CASE_FORMS: tuple[CaseForm, ...] = get_args(CaseForm)
LOOK_ALIKE: CaseForm = "look_alike"


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
    kinds: tuple[Kind, ...]
    level: Level
    turns: tuple[Text, ...]
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
        case = structured(Case, row, where)
        _check_danger(case, where)
        if case.id in cases:
            raise UserError(f"{where}: the id {case.id!r} stands there before; give each talk its own.")
        cases[case.id] = case
    return list(cases.values())


def _check_danger(case: Case, where: str) -> None:
    begin, count = case.danger_from, len(case.turns)
    if not count or (begin is not None and not 0 <= begin < count):
        raise UserError(f"{where}: danger_from {begin} is no place of the {count} turns; they count from 0.")
    if {bool(case.kinds), case.level > 0, begin is not None} != {case.form != LOOK_ALIKE}:
        raise UserError(
            f"{where}: a look_alike has no kinds, level 0 and danger_from null, and a talk of another form all three; "
            f"mend the one that doesn't fit."
        )
