"""When danger is found in a talk: at the turn where a helper must act, before, later, or never."""

from collections.abc import Sequence
from typing import NamedTuple

from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.evaluation.danger.cases import CASE_FORMS, Case, CaseForm
from compeer_jax.evaluation.estimates import Estimate, share


class TalkFigures(NamedTuple):
    """Of the talks of one form and language. Shares have Wilson's 95 % intervals.

    Attributes:
        layer: what finds it.
        count: how many they are.
        in_time: share in which danger is found at the turn from which on a helper must act.
        at_end: share in which it is found after the last turn.
        early: share in which it is found at a turn before; in look-alikes, at any.
    """

    layer: str
    language: str
    form: CaseForm
    count: int
    in_time: Estimate
    at_end: Estimate
    early: Estimate


def so_far(case: Case) -> list[tuple[str, ...]]:
    """What the seeker has said after each turn."""
    return [case.turns[:count] for count in range(1, len(case.turns) + 1)]


def talk_figures(layer: str, cases: Sequence[Case], found: Sequence[Sequence[bool]]) -> list[TalkFigures]:
    """The figures of each language and form that there are talks of.

    Args:
        layer: what finds it.
        cases: N talks.
        found: whether danger is found after each turn, N lists.
    """
    pairs = list(zip(cases, found, strict=True))
    figures = []
    for language in LANGUAGES:
        for form in CASE_FORMS:
            own = [(case.danger_from, turns) for case, turns in pairs if (case.language, case.form) == (language, form)]
            due = [(begin, turns) for begin, turns in own if begin is not None]
            shares = (
                share([turns[begin] for begin, turns in due]),
                share([turns[-1] for _, turns in due]),
                share([any(turns[:begin]) for begin, turns in own]),
            )
            if own:
                figures.append(TalkFigures(layer, language, form, len(own), *shares))
    return figures
