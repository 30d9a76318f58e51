"""Help lines by country: every country has its emergency number, and each line says whose it is and where from."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.numbers import (
    PURPOSES,
    check_country,
    countries,
    help_for,
    known_numbers,
    lines_of,
    numbers_in,
    unknown_numbers,
)
from compeer_jax.errors import UserError

# Written down apart from the file.
EMERGENCY = {
    "US": "911", "CA": "911", "GB": "999", "IE": "112", "AU": "000", "NZ": "111", "IN": "112", "SG": "999", "ZA": "112",
    "DE": "112", "AT": "112", "CH": "112", "FR": "112", "BE": "112", "NL": "112", "ES": "112", "PT": "112", "IT": "112",
    "SE": "112", "NO": "112", "DK": "112", "FI": "112", "PL": "112", "JP": "119", "KR": "119", "BR": "190", "MX": "911",
    "AR": "911", "CN": "120", "HK": "999", "MO": "999", "TW": "119", "MY": "999", "PH": "911", "TH": "191",
}  # fmt: skip
SUICIDE = {
    "US": "988", "CA": "988", "GB": "116123", "IE": "116123", "AU": "131114", "NZ": "1737", "IN": "14416", "SG": "1767",
    "DE": "08001110111", "FR": "3114", "ES": "024", "IT": "0223272327", "NL": "113", "SE": "90101", "JP": "0120279338",
    "KR": "109", "BR": "188", "CN": "12356", "HK": "23892222", "TW": "1925", "MO": "28525222", "MY": "15555",
}  # fmt: skip


def numbers(country: str, purpose: str) -> set[str]:
    return {number for line in lines_of(country) if line.purpose == purpose for number in line.numbers}


def test_each_country_has_its_emergency_number_and_a_line_for_suicidal_thoughts():
    assert set(countries()) == set(EMERGENCY)
    assert len(countries()) >= 25
    for country, number in EMERGENCY.items():
        assert number in numbers(country, "emergency")
        assert any(line.purpose == "suicide" for line in lines_of(country))
    for country, number in SUICIDE.items():
        assert number in numbers(country, "suicide")


def test_every_line_is_whole():
    seen = set()
    for country in (*countries(), ""):
        for line in lines_of(country):
            assert line.country == country
            assert line.purpose in PURPOSES
            assert line.name
            assert line.calls or line.text or line.chat
            assert all(isinstance(call, str) and re.fullmatch(r"[0-9][0-9 -]*", call) for call in line.calls)
            assert re.fullmatch(r"|[0-9 ]+|[A-Z]+ to [0-9]+", line.text)
            for site in (line.chat, line.source):
                assert re.fullmatch(r"|[a-z0-9-]+(\.[a-z0-9-]+)+(/[a-z]+)?", site)
            assert line.source
            assert line.languages
            assert all(re.fullmatch(r"[a-z]{2}|many", language) for language in line.languages)
            assert isinstance(line.checked, date)
            assert (country, line.purpose, line.name) not in seen
            seen.add((country, line.purpose, line.name))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("country", EMERGENCY)
def test_every_kind_has_help_in_every_country(country, name):
    lines = help_for(country, [name])
    assert lines
    assert any(line.purpose == "emergency" for line in lines)
    assert {line.purpose for line in lines} <= set(KINDS[name].help)


def test_the_fitting_line_comes_first():
    assert help_for("us", ["abuse"])[0].name == "National Domestic Violence Hotline"
    assert help_for("GB", ["child_at_risk"])[0].name == "Childline"
    assert help_for("FR", ["attempt"])[0].purpose == "emergency"
    assert [line.purpose for line in help_for("ZA", ["passive_ideation", "abuse"])] == [
        "domestic_violence",
        "emergency",
        "suicide",
    ]


def test_where_no_country_is_known_there_are_international_pointers():
    for nowhere in (None, "", " "):
        assert [line.source for line in help_for(nowhere, ["attempt"])] == ["findahelpline.com", "befrienders.org"]
    assert check_country(" de ") == "DE"
    with pytest.raises(UserError, match="country 'XX' has no numbers here; give one of AR, AT"):
        help_for("XX")


def test_known_numbers_are_found_however_they_are_spaced():
    assert {"988", "116123", "131114", "12356", "18007997233", "85258"} <= known_numbers()
    text = "Call 1-800-799-7233 or 1 800 799 7233, (988), 13 11 14 (24/7), 116123. Text HOME to 741741."
    assert numbers_in(text) == {"18007997233", "988", "131114", "116123", "741741"}
    assert numbers_in("I am 17, it is 9 pm, my flat is 9881 and I am 100% sure.") == frozenset()
    assert unknown_numbers(text) == ()
    assert numbers_in("９８８ or 1\u2011800\u2011799\u20117233, 116\u00a0123") == {"988", "18007997233", "116123"}
    assert numbers_in("(800) 799-7233, +1 800 799 7233, +44 116 123") == {"18007997233", "116123"}


@pytest.mark.parametrize(
    "text",
    [
        "Call 1-800-555-0142.",
        "The national line is 0300 999 1234, or 116 123.",
        "拨打 400-123-4567，或者 12356。",
        "Dial 4477 now.",
        "热线：5566",
    ],
)
def test_a_number_that_nobody_answers_for_is_found(text):
    assert len(unknown_numbers(text)) == 1


def test_other_figures_are_no_numbers_to_call():
    text = "Open 24/7; I called 2 friends in 2019. It took 45 minutes, 1800RESPECT answers, 13 11 14 24 hours a day."
    assert unknown_numbers(text) == ()


@given(st.sampled_from(sorted(known_numbers())), st.sampled_from(" -."), st.integers(1, 5))
def test_a_known_number_is_known_in_any_grouping(number, between, size):
    grouped = between.join(number[start : start + size] for start in range(0, len(number), size))
    found = numbers_in(f"call {grouped}, now")
    assert found & {number, f"1{number}"}
