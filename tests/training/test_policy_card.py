"""A model is asked as it was trained, and known by its content: its card, its fingerprint, the sums of its weights."""

import dataclasses
import json
import logging

import pytest
from tiny import tiny_model

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.checksums import SUMS
from compeer_jax.cli.configure import parse_config
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.errors import UserError
from compeer_jax.evaluation.evaluate import EvalConfig
from compeer_jax.models.fingerprint import fingerprint
from compeer_jax.runs.contents import read_contents
from compeer_jax.talk.config import ChatConfig
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.policy_card import CARD, PolicyCard

TRAINED = PolicyCard("care", "care_brief", {"en": 2, "zh": 2}, 96, 40, ["zh"])


def parse(config_class, *arguments):
    return parse_config(config_class, arguments, command="x", description="")


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    tiny_model().save_pretrained(directory)
    versions = PolicyCard.of(DataConfig(prompt="care_brief"), [], 1).prompt_version
    dataclasses.replace(TRAINED, prompt_version=versions).write(directory)
    return directory


def test_a_model_that_is_named_alone_is_asked_as_it_was_trained(model, caplog):
    named = ("--model.path", str(model))
    chat, eval_ = parse(ChatConfig, *named), parse(EvalConfig, *named)
    assert (chat.data.format, chat.data.prompt, chat.data.max_prompt_tokens) == ("care", "care_brief", 96)
    assert (chat.language, chat.sampling.max_new_tokens) == ("zh", 40)
    assert (eval_.data.format, eval_.data.prompt, eval_.sampling.max_new_tokens) == ("care", "care_brief", 40)
    grpo = parse(GRPOConfig, *named, "--output", "x")
    assert (grpo.data.prompt, grpo.sampling.max_new_tokens) == ("care_brief", GRPOConfig("x").sampling.max_new_tokens)
    bench = ("--models", json.dumps({"ours": {"path": str(model)}}), "--tested", "ours", "--output", "x")
    assert (
        parse(EscEvalConfig, *bench, "--role", "ours", "--scorers", "[ours]", "--cards", "[cards.jsonl]").format_prompt
        == "care_brief"
    )
    assert not caplog.text


def test_a_setting_that_is_given_wins_and_is_told(model, caplog):
    with caplog.at_level(logging.WARNING):
        config = parse(ChatConfig, "--model.path", str(model), "--data.max_prompt_tokens", "50", "--language", "en")
    assert (config.data.max_prompt_tokens, config.language, config.data.prompt) == (50, "en", "care_brief")
    assert "The model was trained with data.max_prompt_tokens 96 (50 here), language 'zh' ('en' here)." in caplog.text


def test_a_model_of_others_has_no_card_and_another_version_of_the_prompt_is_told(model, caplog):
    dataclasses.replace(TRAINED, prompt_version={"en": 0, "zh": 0}).write(model)
    assert PolicyCard.read(model).prompt == "care_brief"
    assert "the model learnt with version {'en': 0, 'zh': 0}" in caplog.text
    (model / CARD).unlink()
    assert PolicyCard.read(model) is None
    assert parse(ChatConfig, "--model.path", str(model)).data.prompt == "compeer"


@pytest.mark.parametrize(
    "change", [{"format": "caer"}, {"format": ["care"]}, {"prompt": None}, {"max_prompt_tokens": 0}, {"languages": 3}]
)
def test_a_card_that_is_none_is_one_sentence(model, change):
    (model / CARD).write_text(json.dumps(dataclasses.asdict(TRAINED) | change))
    with pytest.raises(UserError, match=r"policy\.json") as error:
        parse(ChatConfig, "--model.path", str(model))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 50_000, '{"format": "care", "more": 1}', "\x00"])
def test_a_broken_card_is_one_sentence(model, text):
    (model / CARD).write_text(text)
    with pytest.raises(UserError, match=r"policy\.json"):
        PolicyCard.read(model)


def test_the_languages_of_a_card_are_those_of_the_records():
    data = DataConfig(prompt="compeer_brief", limit=6)
    card = PolicyCard.of(data, load_records(data).train, 12)
    assert sorted(card.languages) == ["en", "zh"]
    assert "language" not in card.settings


def test_weights_that_differ_from_their_sums_are_named_and_those_without_sums_are_taken(model):
    whole = fingerprint(model)
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors differs from its checksum in SHA256SUMS; copy it again"):
        fingerprint(model)
    contents = read_contents(SFTConfig("x", model=dataclasses.replace(SFTConfig("x").model, path=str(model))))
    assert "differs from its checksum" in contents.fault
    (model / SUMS).unlink()
    assert fingerprint(model) != whole


def test_contents_go_by_content_and_cover_all_that_is_named(model, tmp_path):
    data = tmp_path / "a.jsonl"
    data.write_text("{}\n")
    split = tmp_path / "split.json"
    split.write_text("{}")

    def contents(**changes):
        config = parse(GRPOConfig, "--output", "x", "--model.path", str(model), "--data.prompt", "care_brief")
        named = {"path": str(data), "split": str(split)} | changes
        return read_contents(dataclasses.replace(config, data=dataclasses.replace(config.data, **named))).fingerprints

    first = contents()
    assert set(first) == {"model.path", "data.path", "data.split", "data.prompt"}
    moved = tmp_path / "moved.jsonl"
    moved.write_text("{}\n")
    assert contents(path=str(moved)) == first
    data.write_text("{ }\n")
    assert {name for name, value in contents().items() if value != first[name]} == {"data.path"}
    assert {name for name, value in contents(prompt="compeer", path=str(moved)).items() if value != first[name]} == {
        "data.prompt"
    }
    assert "data.path" not in contents(path=str(tmp_path / "nowhere.jsonl"))
