import hashlib
import re

import pytest

from compeer_jax.dialogue.prompts import PROMPTS, chat_messages, load_prompt
from compeer_jax.dialogue.reasoning import FORMATS
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, LANGUAGES, SENTIMENTS, STAGES, STRATEGIES
from compeer_jax.errors import UserError

# What each version said, by the first half of its SHA-256: a changed text (or taxonomy) needs a new version here and
# in the file's first line, so that a run's config tells which words its model was shown.
VERSIONS = {
    ("compeer", "en"): (1, "78d1496c33cc03a3c36829d2b3e48030"),
    ("compeer", "zh"): (1, "5fecb90792e17795f6c3c72407e6348b"),
    ("care", "en"): (1, "d8c84601403db638412d041f07247ac6"),
    ("care", "zh"): (1, "ab2a3ab206d99ac96bac9af6fccbd01b"),
    ("compeer_brief", "en"): (2, "c72b3afef225ca741d8ef0fec850df74"),
    ("compeer_brief", "zh"): (2, "9aad8bfddb3319378ce92dda06170a11"),
}

HISTORY = (
    Turn("seeker", "Hello."),
    Turn("supporter", "Hello, what brings you here?", "Question"),
    Turn("seeker", "I lost my job."),
    Turn("seeker", "I can't sleep."),
)
each_prompt = pytest.mark.parametrize("name", PROMPTS)
each_long_prompt = pytest.mark.parametrize("name", FORMATS)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@each_prompt
@each_language
def test_a_changed_text_has_a_new_version(name, language):
    prompt = load_prompt(name, language)
    assert (prompt.name, prompt.language) == (name, language)
    digest = hashlib.sha256(prompt.text.encode()).hexdigest()[:32]
    assert VERSIONS[name, language] == (prompt.version, digest)


@each_prompt
@each_language
def test_nothing_is_left_to_fill_in(name, language):
    text = load_prompt(name, language).text
    assert "$" not in text
    assert "<!--" not in text
    assert text == text.strip()


@each_language
def test_the_compeer_prompt_lists_the_whole_taxonomy(language):
    text = load_prompt("compeer", language).text
    for category in (STAGES, SENTIMENTS, EMOTIONS, INTENSITIES, STRATEGIES):
        assert category.describe(language) in text


@each_language
def test_the_care_prompt_lists_the_strategies(language):
    assert STRATEGIES.describe(language) in load_prompt("care", language).text


@each_long_prompt
@each_language
def test_the_shape_that_a_prompt_shows_is_the_shape_that_is_parsed(name, language):
    form = FORMATS[name]
    text = load_prompt(name, language).text
    shape = text[text.index(f"<{form.tags[0]}>") : text.index("</response>") + len("</response>")]
    turn = form.parse(shape)
    # Only the labels are wrong, since each shows all of its choices; their titles are where the parser looks for them.
    assert set(turn.problems) == {f"label:{label.name}" for label in form.labels}
    for label in form.labels:
        names = label.category.names(language)
        filled = re.sub(f"(?m)({label.category.titles[language]}[:：])[^;；\n]*", rf"\1 {names[0]}", shape)
        assert form.parse(filled).labels[label.name] == label.category.names()[0]


@each_prompt
@each_language
def test_every_prompt_speaks_of_danger_and_of_being_a_machine(name, language):
    text = load_prompt(name, language).text
    for word in {"en": ("emergency", "professional", "AI"), "zh": ("紧急", "专业帮助", "人工智能")}[language]:
        assert word in text


@each_long_prompt
@each_language
def test_long_prompts_name_self_harm_and_forbid_diagnosis(name, language):
    text = load_prompt(name, language).text
    for word in {"en": ("self-harm", "Do not diagnose"), "zh": ("自伤", "不作诊断")}[language]:
        assert word in text


@each_language
def test_the_brief_prompt_is_brief(language):
    text = load_prompt("compeer_brief", language).text
    assert len(re.findall(r"[.。]", text)) <= 2
    assert len(text) <= 200


def test_an_unknown_prompt_or_language_is_an_error():
    with pytest.raises(UserError, match="unknown prompt 'compere'; did you mean 'compeer'"):
        load_prompt("compere", "en")
    with pytest.raises(UserError, match="unknown prompt 'conduct'"):
        load_prompt("conduct", "en")
    with pytest.raises(UserError, match="unknown language 'fr'"):
        load_prompt("compeer", "fr")


def test_a_talk_becomes_chat_messages():
    assert chat_messages(HISTORY, prompt="compeer_brief", language="en") == [
        {"role": "system", "content": load_prompt("compeer_brief", "en").text},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello, what brings you here?"},
        {"role": "user", "content": "I lost my job.\nI can't sleep."},
    ]


@pytest.mark.parametrize(
    "language, last", [("en", "The seeker's situation: Laid off."), ("zh", "求助者的处境：Laid off.")]
)
def test_the_situation_closes_the_system_prompt(language, last):
    system, *_ = chat_messages(HISTORY, prompt="care", language=language, situation=" Laid off.\n")
    assert system["content"] == f"{load_prompt('care', language).text}\n\n{last}"


def test_only_a_seeker_can_be_answered():
    with pytest.raises(UserError, match="the history is empty"):
        chat_messages([], prompt="compeer", language="en")
    with pytest.raises(UserError, match="ends with the supporter"):
        chat_messages(HISTORY[:2], prompt="compeer", language="en")
