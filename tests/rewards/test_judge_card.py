"""judge.json: a judge is known by it, and one that would be asked in another way than it was trained is refused."""

import json
from dataclasses import replace

import pytest
from tiny import tiny_model

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.errors import UserError
from compeer_jax.rewards.judge_card import CARD, JudgeCard, check_tokenizer

PRM = JudgeCard("prm", "care", JudgeLimits("judge_brief", max_history_tokens=64, max_part_tokens=32), 16)


@pytest.mark.parametrize("card", [JudgeCard(), PRM, replace(PRM, prm_calls="together")])
def test_a_card_is_read_as_it_was_written(tmp_path, card):
    card.write(tmp_path / "new")
    assert JudgeCard.read(tmp_path / "new") == card


def test_a_card_of_before_there_was_a_choice_is_of_a_prm_that_rates_each_step_apart(tmp_path):
    PRM.write(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    del card["prm_calls"]
    (tmp_path / CARD).write_text(json.dumps(card))
    assert JudgeCard.read(tmp_path) == PRM


def test_a_card_says_which_rounds_the_judge_goes_through():
    assert JudgeCard().conversations == (("history", "emotion", "strategy", "response"),)
    assert PRM.conversations == (("context",), ("cognition",), ("emotion",), ("plan",))
    assert replace(PRM, prm_calls="together").conversations == (("context", "cognition", "emotion", "plan"),)
    assert JudgeCard("orm").conversations == (("response",),)


def test_a_directory_without_a_card_is_no_judge(tmp_path):
    with pytest.raises(UserError, match=r"is no judge: it has no judge\.json; train one with `compeer reward train`"):
        JudgeCard.read(tmp_path)
    with pytest.raises(UserError, match="nowhere is no judge"):
        JudgeCard.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"kind": "unify"}, r"unknown kind 'unify'; did you mean 'unifi'"),
        ({"kind": ["prm"]}, r"unknown kind \['prm'\]"),
        ({"prm_calls": "twice"}, r"unknown prm_calls 'twice'; it can be one of: apart, together"),
        ({"format": "compere"}, r"unknown format 'compere'; did you mean 'compeer'"),
        ({"max_new_tokens": 0}, r"max_new_tokens is 0; it must be a whole number above 0"),
        ({"max_new_tokens": True}, r"max_new_tokens is True"),
        ({"max_new_tokens": "16"}, r"max_new_tokens is '16'"),
        ({"limits": None}, r"limits must be a JSON object"),
        ({"limits": {"prompt": "judge"}}, r"limits lacks 'max_history_tokens'"),
        ({"limits": {"prompt": "jugde", "max_history_tokens": 1, "max_part_tokens": 1}}, r"did you mean 'judge'"),
        ({"limits": {"prompt": [], "max_history_tokens": 1, "max_part_tokens": 1}}, r"unknown prompt \[\]"),
        ({"limits": {"prompt": "judge", "max_history_tokens": -1, "max_part_tokens": 1}}, r"max_history_tokens is -1"),
        (
            {"prompt_version": {"en": 0, "zh": 1}},
            r"version \{'en': 0, 'zh': 1\} of the prompt 'judge_brief'",
        ),
        ({"prompt_version": None}, r"learnt with version None"),
        ({"knd": "prm"}, r"unknown field 'knd'; did you mean 'kind'"),
    ],
)
def test_a_wrong_card_is_one_sentence_that_names_the_file(tmp_path, change, sentence):
    PRM.write(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(card | change))
    with pytest.raises(UserError, match=sentence) as error:
        JudgeCard.read(tmp_path)
    assert "\n" not in str(error.value)
    assert "judge.json" in str(error.value)


@pytest.mark.parametrize("name", ["kind", "format", "limits", "max_new_tokens", "prompt_version"])
def test_a_card_that_lacks_something_says_what(tmp_path, name):
    PRM.write(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    del card[name]
    (tmp_path / CARD).write_text(json.dumps(card))
    with pytest.raises(UserError, match=f"the card lacks '{name}'"):
        JudgeCard.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe"])
def test_a_file_that_is_no_card_is_one_sentence(tmp_path, content):
    (tmp_path / CARD).write_bytes(content)
    with pytest.raises(UserError, match=r"judge\.json") as error:
        JudgeCard.read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_tokenizer_with_more_ids_than_the_weights_have_rows_is_refused(tmp_path):
    tiny_model(vocab_size=64).save_pretrained(tmp_path)
    check_tokenizer(tmp_path, range(64))
    with pytest.raises(UserError, match=r"has 65 tokens, but vocab_size in its config.json is 64"):
        check_tokenizer(tmp_path, range(65))
