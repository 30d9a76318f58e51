import json
import pickle
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora.published import strategy_names
from compeer_jax.dialogue.taxonomy import (
    EMOTIONS,
    INTENSITIES,
    LANGUAGES,
    SENTIMENTS,
    STAGES,
    STRATEGIES,
    check_language,
)
from compeer_jax.errors import UserError

CATEGORIES = (STAGES, SENTIMENTS, EMOTIONS, INTENSITIES, STRATEGIES)
each_category = pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.kind)


def test_the_closed_lists_are_those_of_the_design():
    assert STAGES.names() == ("exploration", "comforting", "action")
    assert SENTIMENTS.names() == ("positive", "negative", "neutral")
    assert INTENSITIES.names() == ("1", "2", "3", "4", "5")
    assert STRATEGIES.names() == (
        "Question",
        "Restatement or Paraphrasing",
        "Reflection of feelings",
        "Self-disclosure",
        "Affirmation and Reassurance",
        "Providing Suggestions",
        "Information",
        "Others",
    )


def test_every_esconv_label_is_known_and_already_canonical(shared_data):
    dialogues = json.loads((shared_data / "esconv" / "ESConv.json").read_text(encoding="utf-8"))
    emotions = {dialogue["emotion_type"] for dialogue in dialogues}
    strategies = {turn["annotation"].get("strategy") for dialogue in dialogues for turn in dialogue["dialog"]} - {None}
    assert emotions <= {name for name in EMOTIONS.names() if EMOTIONS.label(name).sentiment == "negative"}
    assert strategies == set(STRATEGIES.names())


@each_category
def test_every_label_is_complete_in_both_languages(category):
    for label in category.labels:
        assert set(label.names) == set(label.definitions) == set(label.aliases) == set(LANGUAGES)
        assert label.names["en"] == label.name
        assert label.definitions["en"].endswith(".")
        assert label.definitions["zh"].endswith("。")
        for text in (*label.names.values(), *label.aliases["en"], *label.aliases["zh"]):
            assert isinstance(text, str), text
            assert text == text.strip() != ""


@each_category
def test_names_and_aliases_in_either_language_have_one_reading(category):
    for label in category.labels:
        for text in (*label.names.values(), *label.aliases["en"], *label.aliases["zh"]):
            assert category.canonical(text) == label.name
            for before, after in product(("", *category.before), ("", *category.after)):
                assert category.canonical(f"{before} {text} {after}") == label.name, (before, text, after)
        for language in LANGUAGES:
            assert category.display(label.names["zh"], language) == label.names[language]


def test_every_emotion_has_a_sentiment():
    assert {EMOTIONS.label(name).sentiment for name in EMOTIONS.names()} == set(SENTIMENTS.names())


@pytest.mark.parametrize(
    "spelling, name",
    [
        ("Questions", "Question"),
        ("other", "Others"),
        ("Reflection of Feelings", "Reflection of feelings"),
        ("  reflection_of-feelings. ", "Reflection of feelings"),
        ("Restatement", "Restatement or Paraphrasing"),
        ("Self Disclosure", "Self-disclosure"),
        ("SELF—DISCLOSURE", "Self-disclosure"),
        ("Affirmation & Reassurance", "Affirmation and Reassurance"),
        ("**Providing Suggestions**", "Providing Suggestions"),
        ("Ｉｎｆｏｒｍａｔｉｏｎ", "Information"),
        ("【提供建议】", "Providing Suggestions"),
        ("自我 暴露", "Self-disclosure"),
    ],
)
def test_public_spellings_of_strategies_are_normalised(spelling, name):
    assert STRATEGIES.canonical(spelling) == name


@pytest.mark.parametrize("text", ["", " ", "1-5", "6", "0", "45", "1.5", "Intensity", "３４"])
def test_what_is_no_intensity_stays_unknown(text):
    assert INTENSITIES.canonical(text) is None


def test_full_width_digits_are_intensities():
    assert INTENSITIES.canonical("４") == INTENSITIES.canonical("4 out of 5") == INTENSITIES.canonical("四") == "4"


@pytest.mark.parametrize(
    "words, name",
    [
        ("joy happiness happy proud 开心 幸福", "joy"),
        ("surprise shocked curious 惊讶 震惊", "surprise"),
        ("loneliness lonely isolated 孤独 寂寞 孤独感", "loneliness"),
        ("confusion torn uncertain 困惑 迷茫", "confusion"),
        ("anxious worried stressed overwhelmed 压力 担心 不安", "anxiety"),
        ("depressed hopeless hopelessness helplessness exhausted 绝望 无助 疲惫", "depression"),
        ("sad grief disappointed 难过 委屈 失落", "sadness"),
        ("frustrated frustration irritated resentment 烦躁", "anger"),
        ("embarrassed inadequate 尴尬 自卑", "shame"),
        ("regret self-blame 后悔 自责", "guilt"),
        ("envy 羡慕", "jealousy"),
        ("distress heartbroken 难受 心碎", "pain"),
        ("neutral 放松", "calm"),
    ],
)
def test_emotions_that_people_and_models_name_are_understood(words, name):
    assert {EMOTIONS.canonical(word) for word in words.split()} == {name}


@pytest.mark.parametrize(
    "text", ["sadness and joy", "not sad", "unknown", "happy or sad", "a sense of", "感", "7", "sadder"]
)
def test_what_is_no_one_emotion_stays_unknown(text):
    assert EMOTIONS.canonical(text) is None


def test_strategies_of_other_lists_are_read_as_corpora_read_them():
    for corpus, names in strategy_names().items():
        for name, ours in names.items():
            assert STRATEGIES.canonical(name) in (None, STRATEGIES.require(ours)), (corpus, name)


def test_the_strategies_that_the_paper_names_are_understood():
    assert STRATEGIES.canonical("progressive questioning") == STRATEGIES.canonical("渐进式提问") == "Question"
    assert STRATEGIES.canonical("Emotional Mapping") == STRATEGIES.canonical("情绪映射") == "Reflection of feelings"


def test_an_unknown_label_is_an_error_that_names_the_place_and_the_nearest():
    with pytest.raises(UserError, match=r"^a\.jsonl, line 3: unknown strategy 'Reflexion of feelings'; did you mean"):
        STRATEGIES.require("Reflexion of feelings", "a.jsonl, line 3")
    with pytest.raises(UserError, match="unknown emotion 'bored'"):
        EMOTIONS.display("bored", "en")
    with pytest.raises(UserError, match="unknown emotion None"):
        EMOTIONS.require(None)


def test_an_unknown_language_is_an_error():
    with pytest.raises(UserError, match="line 1: unknown language 'fr'"):
        check_language("fr", "line 1")
    with pytest.raises(UserError, match="unknown language"):
        STAGES.names("fr")


@each_category
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_described_list_holds_each_label_once(category, language):
    lines = category.describe(language).splitlines()
    assert len(lines) == len(category.labels)
    for line, name in zip(lines, category.names(language), strict=True):
        assert line.startswith(f"- {name}")


@given(st.text(st.characters()))
def test_any_text_is_read_or_unknown_and_never_an_accident(text):
    for category in CATEGORIES:
        assert category.canonical(text) in (None, *category.names())


def test_categories_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(CATEGORIES)) == CATEGORIES
