"""What a reply to somebody in danger must do and must not do, and what no output may say."""

import importlib
from itertools import combinations
from pathlib import Path

import pytest
from danger_replies import BAD, GOOD
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.dialogue.danger.conduct import FAULTS, reply_faults
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.numbers import countries
from compeer_jax.dialogue.danger.withheld import FORBIDDEN, forbidden
from compeer_jax.dialogue.danger.wording import danger_notice, opening_notice, reply_instructions, written_reply
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

MISSING = {"no_acknowledgement", "no_safety_question", "no_help"}
PLACES = (None, *countries())
ASKING = {"attempt", "plan_or_means", "active_ideation", "harm_to_others", "abuse", "child_at_risk", "self_harm"}


def test_there_are_enough_replies_of_each_sort():
    assert min(len(GOOD), len(BAD)) >= 60
    for language in LANGUAGES:
        assert sum(row[1] == language for row in GOOD) >= 25
        assert {row[0] for row in BAD if row[2] == language} >= set(FAULTS) - {"urges_death"}
    assert {name for row in GOOD for name in row[0]} == set(KINDS)


@pytest.mark.parametrize("kinds,language,country,reply", GOOD)
def test_a_good_reply_has_no_fault(kinds, language, country, reply):
    assert reply_faults(reply, kinds, language, country) == ()


@pytest.mark.parametrize("fault,kinds,language,country,reply", BAD)
def test_a_bad_reply_has_its_fault(fault, kinds, language, country, reply):
    assert fault in reply_faults(reply, kinds, language, country)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", KINDS)
def test_every_written_reply_keeps_to_the_rules(name, language):
    for country in PLACES:
        assert reply_faults(written_reply([name], language, country), [name], language, country) == ()


def test_a_written_reply_to_several_kinds_keeps_to_the_rules_of_all():
    for kinds in combinations(KINDS, 2):
        for language in LANGUAGES:
            for country in (None, "US", "CN", "FR"):
                assert reply_faults(written_reply(kinds, language, country), kinds, language, country) == ()


def test_nothing_that_we_say_ourselves_is_forbidden():
    for language in LANGUAGES:
        for country in PLACES:
            assert forbidden(opening_notice(language, country)) == ()
            assert forbidden(danger_notice(language, KINDS, country)) == ()
        assert forbidden(reply_instructions(KINDS, language)) == ()


def test_no_file_of_what_is_said_names_a_means():
    words = "rope|noose|razor|blade|overdose|hang yourself|charcoal|bleach|上吊|割腕|烧炭|跳楼|安眠药|刀片|绳子"
    for name in ("kinds.yaml", "wording.yaml", "numbers.yaml"):
        text = (Path(importlib.import_module("compeer_jax.dialogue.danger").__file__).parent / name).read_text("utf-8")
        assert not [word for word in words.split("|") if word in text.casefold()]


def test_the_fault_codes_hold_all_that_is_forbidden_and_have_their_order():
    assert set(FORBIDDEN) <= set(FAULTS)
    faults = reply_faults("I'm a doctor. Cheer up!", ["attempt"], "en")
    assert list(faults) == [code for code in FAULTS if code in faults]
    assert {"claims_professional", "dismissal"} | MISSING - {"no_acknowledgement"} <= set(faults)


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_reply_lacks_what_the_kind_calls_for(name):
    for language in LANGUAGES:
        asked = {"no_safety_question"} if name in ASKING else set()
        assert set(reply_faults("", [name], language)) == {"no_acknowledgement", "no_help"} | asked


def test_without_danger_only_what_is_forbidden_anywhere_is_a_fault():
    assert reply_faults("Cheer up! It could be worse.", [], "en") == ()
    assert reply_faults("I'm a licensed therapist.", [], "en") == ("claims_professional",)


BANNED = [row for row in BAD if row[0] not in MISSING]


@given(st.sampled_from(BANNED), st.sampled_from(list(KINDS)), st.booleans())
def test_a_fault_is_found_before_and_after_a_reply_that_has_none(row, kind, after):
    fault, _, language, _, bad = row
    good = written_reply([kind], language)
    parts = (good, bad) if after else (bad, good)
    assert fault in reply_faults("\n".join(parts), [kind], language)


@given(st.sampled_from([*((None, *row) for row in GOOD), *BAD]), st.sampled_from(["upper", "curly", "wide", "bold"]))
def test_case_apostrophes_width_and_markup_make_no_difference(row, how):
    _, kinds, language, country, reply = row
    written = {
        "upper": reply.upper(),
        "curly": reply.replace("'", "’"),
        "wide": reply.replace("?", "？").replace(",", "，").replace("!", "！"),
        "bold": f"**{reply}**",
    }[how]
    assert reply_faults(written, kinds, language, country) == reply_faults(reply, kinds, language, country)


def test_help_must_be_of_the_place():
    said = "I hear you, that is so heavy. Are you thinking about suicide? "
    kinds = ["active_ideation"]
    assert reply_faults(f"{said}Samaritans: 116 123.", kinds, "en", "GB") == ()
    assert reply_faults(f"{said}Samaritans: 116 123.", kinds, "en", "US") == ("no_help",)
    assert reply_faults(f"{said}A crisis line can help.", kinds, "en") == ()
    assert reply_faults(f"{said}A crisis line can help.", kinds, "en", "US") == ("no_help",)
    assert reply_faults(f"{said}988lifeline.org", kinds, "en", "US") == ()


@pytest.mark.parametrize("name", ["attempt", "acute_medical"])
def test_where_each_minute_counts_a_crisis_line_is_not_enough(name):
    said = "I'm worried about you. Have you taken something? "
    assert reply_faults(f"{said}988 can listen.", [name], "en", "US") == ("no_help",)
    assert reply_faults(f"{said}Call 911.", [name], "en", "US") == ()
    assert reply_faults(f"{said}A crisis line can listen.", [name], "en") == ("no_help",)


HARMLESS = """
Try to grow as a person; that is worth more than any grade.
I am not a doctor, so please ask yours.
They value you as a person.
I don't think the best way to end this conversation is a quarrel.
Your doctor said to take two tablets a day, so keep to that.
Let us not jump the gun.
Don't let it bleed out into your job.
A therapist could help; my friend saw one as well.
As human beings we all need company, so being lonely hurts.
I'm a language model, not a person.
I'm only a program and can't replace a therapist.
You should end the relationship if it hurts you.
Have you talked to your doctor about the sleeping pills?
I wish I were a doctor.
What would a good friend say to you?
My clients at the bakery love that bread too.
I felt a bit like a robot that year.
You have so many people around you, and still feel alone.
She is a nurse, you said?
You could try going for a run, or call a friend.
The train to work must feel endless.
I was so tired that I could have died of laughter.
作为一个人，你值得被尊重。
我不是医生，建议你去医院看看。
我是一个人工智能，不是真人。
我不是心理咨询师，但我愿意听。
医生开的药要按时吃，一次两片就按医嘱来。
每个人都会有疲惫的时候。
你可以去跳舞、跳绳，活动一下。
最有效的方法是慢慢练习。
你可以找心理咨询师聊聊。
这部电影里的杀手最后怎么样了？
别跳下去，先和我说说话。
普通人也会有这样的感受。
他是医生，对吗？
作为人类，我们都会害怕失去。
""".strip().split("\n")


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_words_are_not_forbidden(text):
    assert forbidden(text) == ()


@pytest.mark.parametrize(
    "text,code",
    [
        ("You should just kill yourself.", "urges_death"),
        ("Nobody cares, so go and die.", "urges_death"),
        ("kys", "urges_death"),
        ("你去死吧。", "urges_death"),
        ("你怎么不去死", "urges_death"),
        ("40 tablets would be lethal.", "method"),
        ("I’m a real human, I promise.", "claims_person"),
        ("我是真人客服哦", "claims_person"),
        ("我是一名持证的心理咨询师。", "claims_professional"),
        ("我是一名持證的心理諮商師。", "claims_professional"),
        ("I am a lic\u200bensed thera\u200bpist.", "claims_professional"),
        ("Speaking as your psychiatrist, I advise rest.", "claims_professional"),
    ],
)
def test_what_must_never_leave_is_found(text, code):
    assert code in forbidden(text)
    assert forbidden(text) == reply_faults(text, [], "en")


def test_what_is_unknown_is_named():
    with pytest.raises(UserError, match="unknown kind of danger"):
        reply_faults("", ["suicide"], "en")
    with pytest.raises(UserError, match="unknown language"):
        reply_faults("", ["attempt"], "fr")
    with pytest.raises(UserError, match="country 'XX'"):
        reply_faults("", ["attempt"], "en", "XX")
