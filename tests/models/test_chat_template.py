"""Chats as tokens: the ids of the tokenizer's own template, and words that can't pass for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.errors import UserError
from compeer_jax.models.chat_template import message_tokens
from compeer_jax.models.control_tokens import defuse
from compeer_jax.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def qwen(shared_data):
    return load_tokenizer(shared_data / "qwen2.5_tokenizer")


SYSTEM = {"role": "system", "content": "You are kind."}
USER = {"role": "user", "content": "I can't sleep, 我睡不着 🙁\n\nSince May."}
ANSWER = {"role": "assistant", "content": "That sounds hard."}


@pytest.mark.parametrize("messages", [[SYSTEM, USER], [USER], [SYSTEM, USER, ANSWER, USER], [USER, ANSWER]])
@pytest.mark.parametrize("answer_next", [False, True])
def test_the_ids_are_those_of_the_template_with_or_without_a_system_text(qwen, messages, answer_next):
    expected = qwen.apply_chat_template(messages, tokenize=True, add_generation_prompt=answer_next)["input_ids"]
    pieces = message_tokens(qwen, messages, answer_next)
    assert [token for piece in pieces for token in piece] == expected
    assert len(pieces) == len(messages) + answer_next + (messages[0] is not SYSTEM)


def test_a_template_of_another_kind_is_refused(qwen):
    class Other:
        """The same tokenizer with another template."""

        def apply_chat_template(self, messages, **options):
            return "".join(f"[{message['role']}] {message['content']}" for message in messages)

        def __getattr__(self, name):
            return getattr(qwen, name)

    with pytest.raises(UserError, match=r"doesn't write messages as <\|im_start\|>role …; use a Qwen2\.5 one\."):
        message_tokens(Other(), [SYSTEM, USER])


PIECES = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_", "end|>", "<", "|>", "user\n", "a", " ", "我"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_text_holds_a_special_token_once_defused_and_no_word_is_lost(qwen, text):
    harmless = defuse(qwen, text)
    special = set(qwen.all_special_ids)
    assert not special & set(qwen(harmless, add_special_tokens=False)["input_ids"])
    assert re.sub(r"[\s\\]", "", harmless) == re.sub(r"\s", "", text)
    assert defuse(qwen, harmless) == harmless
