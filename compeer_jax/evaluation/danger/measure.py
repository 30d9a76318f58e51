"""Figures of how much danger is found in sentences and in talks, and how often where there is none."""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from compeer_jax.dialogue.danger.kinds import KINDS, level_of
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.evaluation.danger.cases import CASE_FORMS, Case, CaseForm
from compeer_jax.evaluation.danger.sentences import FORMS, Form, Sentence
from compeer_jax.evaluation.estimates import Estimate, share


class KindFigures(NamedTuple):
    """Of the sentences that tell of one kind of danger.

    Attributes:
        found: share in which any danger is found.
        named: share in which this kind is.
    """

    found: Estimate
    named: Estimate


class Figures(NamedTuple):
    """What one layer finds in the sentences of one language. Shares have Wilson's 95 % intervals.

    Attributes:
        layer: its name.
        language: of the sentences.
        counts: how many there are of each form.
        found: by form, the share in which any danger is found: recall, and for harmless ones the false alarms.
        urgent: share of the dangerous ones in which danger at least as urgent as theirs is found.
        kinds: by kind.
        confusion: sentences by the kinds that they tell of, a row each, the last for none, and those that are found, a
            column each, the last for none. One that tells of two kinds is counted in both rows.
    """

    layer: str
    language: str
    counts: Mapping[Form, int]
    found: Mapping[Form, Estimate]
    urgent: Estimate
    kinds: Mapping[str, KindFigures]
    confusion: Int[np.ndarray, "K1 K1"]


def layer_figures(layer: str, sentences: Sequence[Sentence], found: Sequence[Set[str]]) -> list[Figures]:
    """The figures of one layer, in each language that there are sentences in.

    Args:
        layer: its name.
        sentences: N of them.
        found: N sets of kinds, what the layer finds in each.
    """
    pairs = list(zip(sentences, found, strict=True))
    languages = [language for language in LANGUAGES if any(one.language == language for one in sentences)]
    return [
        _figures(layer, language, [pair for pair in pairs if pair[0].language == language]) for language in languages
    ]


def _figures(layer: str, language: str, pairs: Sequence[tuple[Sentence, Set[str]]]) -> Figures:
    by_form = {form: [bool(found) for sentence, found in pairs if sentence.form == form] for form in FORMS}
    urgent = [level_of(found) >= level_of(sentence.kinds) for sentence, found in pairs if sentence.kinds]
    return Figures(
        layer,
        language,
        {form: len(found) for form, found in by_form.items()},
        {form: share(found) for form, found in by_form.items()},
        share(urgent),
        {kind: _kind_figures(kind, pairs) for kind in KINDS},
        confusion([sentence.kinds for sentence, _ in pairs], [found for _, found in pairs]),
    )


def _kind_figures(kind: str, pairs: Sequence[tuple[Sentence, Set[str]]]) -> KindFigures:
    found = [kinds for sentence, kinds in pairs if kind in sentence.kinds]
    return KindFigures(share([bool(kinds) for kinds in found]), share([kind in kinds for kinds in found]))


def confusion(truth: Sequence[Set[str]], found: Sequence[Set[str]]) -> Int[np.ndarray, "K1 K1"]:
    """How often each kind, or none (the last), is found where each kind, or none, is the truth."""
    return _indicators(truth).T.astype(int) @ _indicators(found).astype(int)


def _indicators(sets: Sequence[Set[str]]) -> Bool[np.ndarray, "N K1"]:
    return np.array([[*(kind in kinds for kind in KINDS), not kinds] for kinds in sets], bool).reshape(
        -1, len(KINDS) + 1
    )


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
