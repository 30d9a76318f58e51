"""What the program says itself when somebody may be in danger."""

import pytest

from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.numbers import countries, help_for, numbers_in
from compeer_jax.dialogue.danger.wording import (
    danger_notice,
    opening_notice,
    reply_instructions,
    reviewed_by,
    written_reply,
)
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

PLACES = (None, *countries())


def test_no_professional_has_reviewed_the_wording():
    assert reviewed_by() is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", KINDS)
def test_everything_names_the_lines_of_the_place(name, language):
    for country in PLACES:
        texts = (
            danger_notice(language, [name], country),
            written_reply([name], language, country),
            reply_instructions([name], language, country),
        )
        for text in texts:
            assert not set("{}") & set(text)
            assert "\n\n" not in text
            if country is None:
                assert "findahelpline.com" in text
            for line in help_for(country, [name]) if country else ():
                assert {number for number in line.numbers if len(number) > 2} <= numbers_in(text)
                assert line.chat in text


def test_the_opening_says_what_it_is_and_where_to_call():
    for country in PLACES:
        assert "no therapist, and no person" in opening_notice("en", country)
        assert "不是心理咨询师，也不是人" in opening_notice("zh", country)
    assert "988" in opening_notice("en", "US")
    assert "116 123" not in opening_notice("en", "US")
    assert "12356" in opening_notice("zh", "CN")


def test_a_written_reply_answers_the_most_urgent_kind_with_the_help_for_all():
    both = written_reply(["abuse", "attempt"], "en", "US")
    assert both.split(" Please")[0] == written_reply(["attempt"], "en", "US").split(" Please")[0]
    assert {"911", "988", "18007997233"} <= numbers_in(both)


def test_instructions_hold_what_must_and_must_not_be_done():
    text = reply_instructions(["abuse", "self_harm"], "en", "IE")
    for kind in (KINDS["abuse"], KINDS["self_harm"]):
        assert all(f"- {point}\n" in text for point in (*kind.must["en"], *kind.must_not["en"]))
        assert kind.title["en"] in text
    assert reply_instructions([], "en") == ""


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match="at least one kind"):
        written_reply([], "en")
    with pytest.raises(UserError, match="unknown language 'fr'"):
        written_reply(["abuse"], "fr")
    with pytest.raises(UserError, match="unknown kind of danger 'suicide'"):
        written_reply(["suicide"], "en")
    with pytest.raises(UserError, match="country 'ZZ'"):
        opening_notice("en", "ZZ")
