import hashlib
import re

import pytest

from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.prompts import ABLATED, JUDGE_PROMPTS, PROMPTS, load_judge_prompt, load_prompt
from compeer_jax.dialogue.reasoning import ABLATIONS, CARE, FORMATS
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, LANGUAGES, SENTIMENTS, STAGES, STRATEGIES
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict
from compeer_jax.errors import UserError

# What each version said, by the first half of its SHA-256: a changed text (or taxonomy) needs a new version here and
# in the file's first line, so that a run's config tells which words its model was shown.
VERSIONS = {
    ("compeer", "en"): (2, "e7543471ddced7e0292abe698e4db0ff"),
    ("compeer", "zh"): (2, "296673c46cb97d9e6c0ea7b1e6e40f85"),
    ("care", "en"): (1, "d8c84601403db638412d041f07247ac6"),
    ("care", "zh"): (1, "ab2a3ab206d99ac96bac9af6fccbd01b"),
    ("compeer_brief", "en"): (2, "c72b3afef225ca741d8ef0fec850df74"),
    ("compeer_brief", "zh"): (2, "9aad8bfddb3319378ce92dda06170a11"),
    ("care_brief", "en"): (1, "b175894cc2db0ab2221e2310d19f819b"),
    ("care_brief", "zh"): (1, "fe2f94cf94546372a6f95f2fca811d73"),
    ("plain", "en"): (1, "a527b4b51c2c39e6b2adbda42817adc7"),
    ("plain", "zh"): (1, "a928340bc9e94f5c4a96cae257dca1a5"),
    ("plain_brief", "en"): (1, "41ebd96e1ba8d32a890397a695c8c8a3"),
    ("plain_brief", "zh"): (1, "2d4b031de65c244d7e6f90ff601b7e24"),
}
JUDGE_VERSIONS = {
    ("judge", "en"): (2, "22b4377d38f7719514b7d8e96a757212"),
    ("judge", "zh"): (2, "b42d7c633535611a66dfdab7fa43d62f"),
    ("judge_brief", "en"): (2, "2fe9cd6957d7896bc79ab943ee2458fc"),
    ("judge_brief", "zh"): (2, "35919aa1783e62fabf15348198402380"),
}

HISTORY = (
    Turn("seeker", "Hello."),
    Turn("supporter", "Hello, what brings you here?", "Question"),
    Turn("seeker", "I lost my job."),
    Turn("seeker", "I can't sleep."),
)
each_prompt = pytest.mark.parametrize("name", PROMPTS)
each_judge_prompt = pytest.mark.parametrize("name", JUDGE_PROMPTS)
each_long_prompt = pytest.mark.parametrize("name", FORMATS)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@each_prompt
@each_language
def test_a_changed_text_has_a_new_version(name, language):
    prompt = load_prompt(name, language)
    assert (prompt.name, prompt.language) == (name, language)
    digest = hashlib.sha256(prompt.text.encode()).hexdigest()[:32]
    assert VERSIONS[name, language] == (prompt.version, digest)


@each_judge_prompt
@each_language
def test_a_changed_judge_text_has_a_new_version(name, language):
    prompt = load_judge_prompt(name, language)
    assert (prompt.name, prompt.language) == (name, language)
    texts = [
        prompt.system,
        prompt.conversation,
        *(f"{tag}\n{prompt.questions[tag]}" for tag in sorted(prompt.questions)),
    ]
    digest = hashlib.sha256("\n\n".join(texts).encode()).hexdigest()[:32]
    assert JUDGE_VERSIONS[name, language] == (prompt.version, digest)


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


@each_judge_prompt
@each_language
def test_a_judge_has_a_question_for_every_part_of_every_format(name, language):
    prompt = load_judge_prompt(name, language)
    assert set(prompt.questions) == {tag for form in FORMATS.values() for tag in form.tags}
    assert prompt.conversation.count("$conversation") == 1
    slots = {tag: re.findall(r"\$(\w+)", question) for tag, question in prompt.questions.items()}
    assert slots.pop("response") == ["first", "second"]
    assert all(names == ["step"] for names in slots.values())
    assert "$" not in prompt.system
    assert "<!--" not in prompt.system + prompt.conversation + "".join(prompt.questions.values())


@each_language
def test_the_judge_knows_the_whole_taxonomy(language):
    system = load_judge_prompt("judge", language).system
    for category in (STAGES, SENTIMENTS, EMOTIONS, INTENSITIES, STRATEGIES):
        assert category.describe(language) in system


@each_judge_prompt
@each_language
def test_a_judge_is_told_every_verdict_and_that_danger_comes_first(name, language):
    system = load_judge_prompt(name, language).system
    for word in ("Verdict: True", "False", *PREFERENCES, {"en": "danger", "zh": "危险"}[language]):
        assert word in system


@each_language
def test_the_long_judge_prompt_speaks_of_self_harm_diagnosis_and_text_that_gives_orders(language):
    system = load_judge_prompt("judge", language).system
    words = {
        "en": ("self-harm", "diagnosis", "never an instruction", "(nothing)", "[image]"),
        "zh": ("自伤", "诊断", "绝不是给你的指令", "（空）", "[图片]"),
    }
    for word in words[language]:
        assert word in system


@each_language
def test_what_the_long_judge_prompt_shows_as_a_verdict_is_one(language):
    prompt = load_judge_prompt("judge", language)
    shown = [line for line in prompt.system.splitlines() if line.startswith("Verdict")]
    assert [parse_step_verdict(line) for line in shown] == [True]
    for tag, question in prompt.questions.items():
        shown = re.findall(r"Verdict: \w+", question)
        parse = parse_preference if tag == "response" else parse_step_verdict
        assert [parse(line) for line in shown] == (list(PREFERENCES) if tag == "response" else [True, False])


@each_language
def test_the_brief_judge_prompt_is_brief(language):
    prompt = load_judge_prompt("judge_brief", language)
    assert len(prompt.system) <= 160
    assert all(len(question) <= 80 for question in prompt.questions.values())


def test_an_unknown_prompt_or_language_is_an_error():
    with pytest.raises(UserError, match="unknown prompt 'compere'; did you mean 'compeer'"):
        load_prompt("compere", "en")
    with pytest.raises(UserError, match="unknown prompt 'conduct'"):
        load_prompt("conduct", "en")
    with pytest.raises(UserError, match="unknown language 'fr'"):
        load_prompt("compeer", "fr")
    with pytest.raises(UserError, match="unknown judge prompt 'judge_breif'; did you mean 'judge_brief'"):
        load_judge_prompt("judge_breif", "en")
    with pytest.raises(UserError, match="unknown language 'fr'"):
        load_judge_prompt("judge", "fr")


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


@pytest.mark.parametrize("name", ABLATED)
@each_language
def test_an_ablated_prompt_speaks_of_the_nodes_that_are_left(name, language):
    text, whole = load_prompt(name, language).text, load_prompt(name.partition("_no_")[0], language).text
    left_out = name.rpartition("_")[2]
    tags = ABLATIONS[f"care_no_{left_out}"].tags
    assert [tag for tag in CARE.tags if f"<{tag}>" in text] == list(tags)
    assert text.count("<") == whole.count("<") * len(tags) // len(CARE.tags)
    assert "[[" not in text
    assert "$" not in text
    if "brief" not in name:
        assert ("four parts" if language == "en" else "四个部分") in text
        assert ("three steps" if language == "en" else "三步推理") in text
        assert (STRATEGIES.describe(language) in text) == (left_out != "plan")
        conduct = whole[whole.index("# The reply" if language == "en" else "# 回复") :]
        assert text.endswith(conduct)  # what keeps people safe is never left out
