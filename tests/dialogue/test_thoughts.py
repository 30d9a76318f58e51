"""Thoughts of deep-reasoning models are taken off before anything is read of what they say."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.models import Malformed, Parsed, SetAside, ask_each
from compeer_jax.chat.response import read_answer
from compeer_jax.chat.types import Answer, Spent
from compeer_jax.dialogue.material import escape, unescape
from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.dialogue.thoughts import Spoken, spoken
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict

TURN = ReasonedTurn(
    {"history": "They failed.", "emotion": "Sad.", "strategy": "Ask."},
    {"stage": "exploration", "sentiment": "negative", "emotion": "sadness", "intensity": "3", "strategy": "Question"},
    "What happened?",
)
DRAFT = COMPEER.render(TURN).replace("What happened?", "A draft.")
OPEN_CLOSE = [
    *(("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("<Think>", "</THINK>")),
    *(("< think >", "< / think >"), ("＜think＞", "＜/think＞"), ("◁think▷", "◁/think▷"), ("[THINK]", "[/THINK]")),
    *(("<seed:think>", "</seed:think>"), ("<|begin_of_thought|>", "<|end_of_thought|>")),
    *(
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ('<think time="3s">', "</think>"),
        ("&lt;think&gt;", "&lt;/think&gt;"),
    ),
    *(("<think\nbudget='low'>", "</think\n>"), ("‹think›", "‹/think›"), ("<\u2060think\u00ad>", "</th\u200eink>")),
    *((f"<{name}>", f"</{name}>") for name in ("analysis", "scratchpad", "reason", "reflection")),
    *(("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"), ("<|channel>thought", "<channel|>")),
]


@pytest.mark.parametrize(("opening", "closing"), OPEN_CLOSE)
def test_thoughts_that_lead_are_taken_off_in_the_forms_that_models_write(opening, closing):
    said = "Hello.\nHow are you?"
    assert spoken(f"{opening}\nhm {opening} hm\n{closing}\n\n{said}") == Spoken(said, f"hm {opening} hm")
    assert spoken(f"\n {opening}{closing}\n\n{said}") == Spoken(said)
    assert spoken(f"hm, hm\n{closing}\n\n{said}") == Spoken(said, "hm, hm")  # the template has opened them
    assert spoken(f"{opening}\n{closing}\n{opening}\nhm\n{closing}\n{said}") == Spoken(said, "hm")
    assert spoken(f"{opening}\n{said}") == Spoken("", said, open=True)
    assert spoken(f"{said}\n{opening} hm {closing}") == Spoken(f"{said}\n{opening} hm {closing}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  Hello. \n",
        "I think > that",
        "<history>\nx\n</history>",
        "[thinking] Hm.",
        "<thinker>a</thinker>",
        "<\\think>a",
    ],
)
def test_a_text_without_thoughts_is_left_as_it_is(text):
    assert spoken(text) == Spoken(text)


PIECES = [tag for pair in OPEN_CLOSE for tag in pair] + ["<\\/think>", "<think/>", "<", "\\", " ", "\n", "a", "。"]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=10).map("".join)


@given(texts)
def test_taking_thoughts_off_twice_is_taking_them_off_once(text):
    once = spoken(text)
    assert spoken(once.text) == Spoken(once.text)
    assert once.open <= (once.text == "")


@given(texts, texts)
def test_escaped_words_are_never_thoughts(text, thoughts):
    assert unescape(escape(text)) == text
    assert spoken(escape(text)) == Spoken(escape(text))
    after = spoken(f"<think>{escape(thoughts)}</think>a{escape(text)}")
    assert (after.text, after.open) == (f"a{escape(text)}", False)


def test_a_reply_that_was_drafted_in_the_thoughts_is_not_the_reply():
    whole = COMPEER.render(TURN)
    for text in (f"<think>\n{DRAFT}\n</think>\n\n{whole}", f"{DRAFT}\n</think>\n{whole}", f"<think></think>{whole}"):
        assert COMPEER.parse(text) == TURN
    unfinished = COMPEER.parse(f"<think>\n{DRAFT}")
    assert (unfinished.response, unfinished.steps, unfinished.format_ok) == ("", {}, False)


def test_a_tag_of_thoughts_within_a_turn_is_a_word_and_comes_back():
    for form in (COMPEER, CARE):
        steps = {step.tag: "They wrote <think> a </think>, or </think>, or <\\/think>." for step in form.steps}
        labels = {label.name: TURN.labels[label.name] for label in form.labels}
        turn = ReasonedTurn(steps, labels, "</think> is a tag.")
        assert form.parse(form.render(turn)) == turn


def test_a_verdict_that_was_only_thought_of_is_none():
    assert parse_step_verdict("<think>\nPerhaps\nVerdict: True\n</think>\nThe stage is wrong.\nVerdict: False") is False
    assert parse_step_verdict("<think>\nIf it fits,\nVerdict: True") is None
    assert parse_preference("Verdict: first\n</think>\nVerdict: second") == "second"


def test_all_that_ask_chat_models_get_what_was_said():
    class Scripted:
        name, settings, spent = "scripted", {}, Spent()

        def answer(self, requests):
            says = {"a": "<think>\nA draft: no.\n</think>\n\nyes", "b": "<think>\nyes, or", "c": "no"}
            return [Answer(says[request.messages[0]["content"]], 1, 1) for request in requests]

        def check(self):
            pass

        def close(self):
            pass

    def parse(item, text):
        if text != "yes":
            raise Malformed("no yes")
        return text

    asked = ask_each(Scripted(), "abc", lambda item: [{"role": "user", "content": item}], parse)
    assert dict(asked) == {
        "a": Parsed("yes", 0),
        "b": SetAside("thoughts without an end", "<think>\nyes, or"),
        "c": SetAside("no yes", "no"),
    }


def test_thoughts_that_a_server_gives_apart_are_no_words():
    answer = read_answer('{"choices": [{"message": {"content": null, "reasoning_content": "Verdict: True"}}]}')
    assert (answer.text, answer.written, answer.ending) == ("", "", "thinking")


def test_reading_long_texts_takes_time_in_proportion():
    for piece in (
        "<think>",
        "</think>",
        "<",
        "< ",
        "<think",
        "<\\",
        "<think ",
        "&lt;",
        "[THINK]",
        "[",
        "a:",
        "thought",
        " ",
        "\u2060",
        "assistant ",
        "<think/>assistant\n",
        "<think\n",
        "<|channel|>",
    ):
        start = time.process_time()
        for text in (piece * 5_000, "<" + piece * 5_000, "<think>" + piece * 5_000 + "</think>"):
            spoken(text)
            unescape(escape(text))
        assert time.process_time() - start < 3, piece
