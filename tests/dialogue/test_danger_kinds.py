"""Kinds of danger: ten of them, in four levels, each with every field in both languages."""

import pytest

from compeer_jax.dialogue.danger.kinds import KINDS, Level, in_order, level_of, reviewed_by
from compeer_jax.dialogue.danger.numbers import PURPOSES
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

LEVELS = {
    "passive_ideation": Level.CONCERN,
    "active_ideation": Level.SERIOUS,
    "plan_or_means": Level.EMERGENCY,
    "attempt": Level.EMERGENCY,
    "self_harm": Level.SERIOUS,
    "abuse": Level.SERIOUS,
    "harm_to_others": Level.SERIOUS,
    "child_at_risk": Level.SERIOUS,
    "acute_medical": Level.EMERGENCY,
    "psychosis": Level.SERIOUS,
}


def test_the_kinds_are_these_at_these_levels():
    assert {name: kind.level for name, kind in KINDS.items()} == LEVELS
    assert list(Level) == [0, 1, 2, 3]
    assert [kind.level for kind in KINDS.values()] == sorted(LEVELS.values(), reverse=True)


@pytest.mark.parametrize("name", LEVELS)
def test_a_kind_has_every_field_in_both_languages_and_a_source(name):
    kind = KINDS[name]
    assert kind.name == name
    for field in (kind.title, kind.definition, kind.must, kind.must_not):
        assert set(field) == set(LANGUAGES)
        assert all(field.values())
        chinese = "".join(field["zh"])
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
        assert not any("\u4e00" <= character <= "\u9fff" for character in "".join(field["en"]))
    assert len(kind.must["en"]) == len(kind.must["zh"])
    assert len(kind.must_not["en"]) == len(kind.must_not["zh"])
    assert kind.sources
    assert kind.help
    assert set(kind.help) <= set(PURPOSES)
    assert "emergency" in kind.help


def test_no_professional_has_reviewed_them():
    assert reviewed_by() is None


def test_the_most_urgent_kind_comes_first():
    assert in_order(["self_harm", "attempt", "self_harm", "passive_ideation"]) == (
        "attempt",
        "self_harm",
        "passive_ideation",
    )
    assert in_order([]) == ()
    assert level_of(["passive_ideation", "abuse"]) is Level.SERIOUS
    assert level_of([]) is Level.NONE
    with pytest.raises(UserError, match=r"unknown kind of danger 'attemt'; did you mean 'attempt'\?"):
        in_order(["attemt"])
