import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.curation.filter.machine_style import machine_like
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

MACHINES = {
    "it says that it is a model": (
        ("en", "As an AI language model, I don't have feelings."),
        ("en", "I'm just an AI, but I hear you."),
        ("en", "I am a large language model trained to help."),
        ("en", "My knowledge cutoff is in 2023."),
        ("en", "I was developed by OpenAI and cannot feel."),
        ("zh", "作为一个人工智能，我无法体会你的感受。"),
        ("zh", "作为AI语言模型，我建议你休息。"),
        ("zh", "我只是一个人工智能助手，没有感情。"),
        ("zh", "我是由阿里云开发的大模型。"),
        ("zh", "As an AI assistant, I can't say."),  # models fall into English
    ),
    "a stock phrase of models": (
        ("en", "I cannot assist with that request."),
        ("en", "Sure, here is a rewritten version of the dialogue"),
        ("en", "Certainly! Here's the revised response:"),
        ("zh", "抱歉，我无法满足您的请求。"),
        ("zh", "好的，以下是改写后的对话"),
    ),
    "markdown": (
        ("en", "## Coping with loss\nTake your time."),
        ("en", "**Breathe:** in and out."),
        ("en", "**Breathe**: in and out."),
        ("en", "First **rest**, then **talk** to her."),
        ("en", "See [this page](https://example.org)."),
        ("en", "```\nprint(1)\n```"),
        ("zh", "| 步骤 | 做法 |\n|---|---|"),
        ("en", "So.\n---\nThen."),
    ),
    "a list": (
        ("en", "Try this:\n1. Rest\n2. Eat\n3. Talk"),
        ("en", "- rest\n- eat\n- talk"),
        ("zh", "你可以：\n1、休息\n2、吃饭\n3、聊天"),
        ("zh", "（一）休息\n（二）吃饭\n（三）聊天"),
    ),
    "residue of a prompt": (
        ("en", "I hear you.<|im_end|>"),
        ("en", "[INST] Be kind [/INST] Hello."),
        ("en", "I hear you. </response>"),
        ("en", "Hello {name}, how are you?"),
        ("en", "Hello [insert name here], how are you?"),
        ("en", "### Response: I hear you."),
        ("zh", "改写后：我听到了。"),
    ),
    "a speaker's name in a turn": (
        ("en", "Supporter: I hear you."),
        ("en", "I hear you.\nSeeker: Thanks."),
        ("en", "12. User: hello"),
        ("zh", "支持者：我听到了。"),
        ("zh", "我听到了。求助者：谢谢你。"),
    ),
}
PEOPLE = (
    ("en", "I hope this helps! Let me know how it goes."),
    ("en", "I work as an AI engineer, and I'm an AI researcher by training."),
    ("en", "He treats me like a machine. As an artist I can't stand it."),
    ("en", "My therapist: she is great. The user name was mine, and the client left."),
    ("en", "1) yes 2) no 3) maybe"),
    ("en", "1. I called her.\n2. She hung up."),
    ("en", "*hugs* I *really* mean it, **really**. I give it 5/10 ***"),
    ("en", "I can't help with that question, I just don't know him."),
    ("en", "See the [email] and {sigh} <3 :-)"),
    ("zh", "我是学人工智能的，作为人工智能专业的学生，压力很大。"),
    ("zh", "他说我是机器人，作为一个人，我很难过。"),
    ("zh", "一是工作，二是家里，三是我自己。"),
    ("zh", "咨询师说：你要休息。我的支持者：没有一个。"),
)


@pytest.mark.parametrize("sign, language, text", [(sign, *case) for sign, cases in MACHINES.items() for case in cases])
def test_a_machines_turn_is_told_by(sign, language, text):
    assert machine_like(text, language) == sign
    assert machine_like(f"I see.\n{text}", language) == sign


@pytest.mark.parametrize("language, text", PEOPLE)
def test_a_persons_turn_is_no_machines(language, text):
    assert machine_like(text, language) is None


@given(st.text(st.characters(categories=("Lu", "Ll")), max_size=80), st.sampled_from(LANGUAGES))
def test_words_of_letters_alone_are_no_machines(text, language):
    assert machine_like(text, language) is None


def test_an_unknown_language_is_an_error():
    with pytest.raises(UserError, match="unknown language 'fr'"):
        machine_like("Bonjour.", "fr")


UNITS = (
    "*",
    "**a",
    "1.",
    "- ",
    "[a](",
    "[",
    "|",
    "#",
    " ",
    "\n",
    "<|",
    "as an ai ",
    "作为AI",
    "我是由",
    "当然。",
    "${",
    "a**:",
)


@pytest.mark.timeout(30)  # a pattern that backtracks over the whole text takes hours
@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_of_one_thing_over_and_over_ends(unit):
    assert machine_like(unit * 20_000, "zh") in (None, *MACHINES)


def test_no_turn_of_the_corpora_at_hand_is_taken_for_a_machines(shared_data):
    talks = json.loads((shared_data / "esconv/ESConv.json").read_text(encoding="utf-8"))
    assert not any(machine_like(turn["content"], "en") for talk in talks for turn in talk["dialog"])
    for line in (shared_data / "smile/smile_300.jsonl").read_text(encoding="utf-8").splitlines():
        assert not any(machine_like(turn["content"], "zh") for turn in json.loads(line)["dialog"])
