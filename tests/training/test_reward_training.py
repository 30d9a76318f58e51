"""Training judges: what each kind learns from, what a run writes, and that mistakes are said before any long work."""

import json
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.main import main
from compeer_jax.data.batches import token_batch
from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.policy_data import DataConfig, load_records, spread
from compeer_jax.data.silver.judging import silver_judge_records
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.rewards.judge_card import CARD, JudgeCard
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.structure import unstructured
from compeer_jax.training.export import export_run
from compeer_jax.training.reward import balance_line, encode_conversations, hold_out, train_reward
from compeer_jax.training.reward_config import RewardTrainConfig
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

SETTINGS = """
model: {path: START, dtype: float32}
data: {path: sample, limit: 24}
limits: {prompt: judge_brief, max_history_tokens: 96, max_part_tokens: 64}
max_new_tokens: 96
optimizer: {learning_rate: 1.0e-2}
steps: 4
batch_size: 4
eval_every: 2
eval_records: 8
checkpoint: {every: 2}
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A random model of one layer, and a tokenizer of 2,048 tokens."""
    directory = tmp_path_factory.mktemp("start") / "model"
    shape = {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 2, "intermediate_size": 32, "context": 1024}
    return make_small_model(SmallModelConfig(output=str(directory), vocab_size=2048, **shape))


@pytest.fixture(scope="module")
def silver() -> list[JudgeRecord]:
    records = load_records(DataConfig(limit=24)).train
    return silver_judge_records(records, COMPEER, seed=0, per_record=2)


def settings(start: Path, folder: Path, *changes: str, output: str = "run") -> RewardTrainConfig:
    """The settings above with changes, in a run folder of its own."""
    path = folder / "reward.yaml"
    path.write_text(SETTINGS.replace("START", str(start)))
    arguments = ["--config", str(path), "--output", str(folder / output), *changes]
    return parse_config(RewardTrainConfig, arguments, command="", description="")


@pytest.fixture
def configure(tmp_path, start):
    """`configure("--steps", "3")`, for a run of this test."""
    return partial(settings, start, tmp_path)


@pytest.fixture(scope="module")
def judge(tmp_path_factory, start) -> Path:
    """The run of a UnifiReward on silver records."""
    return train_reward(settings(start, tmp_path_factory.mktemp("judge"), "--steps", "12", "--eval_every", "6"))


def card(kind: str) -> JudgeCard:
    return JudgeCard(kind, "compeer", JudgeLimits("judge_brief"), 96)


def write(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def replies(tokenizer, example) -> list[str]:
    """The judge's turns of an example, from its trained tokens alone."""
    text = tokenizer.decode(example.tokens[example.loss_mask])
    assert text.endswith("<|im_end|>")
    return text.removesuffix("<|im_end|>").split("<|im_end|>")


# What a judge learns from


def test_each_kind_of_judge_has_its_conversations(start, silver):
    tokenizer = load_tokenizer(start)
    for kind, chats, rounds in (("unifi", 1, 4), ("prm", 3, 1), ("orm", 1, 1)):
        encoded = encode_conversations(silver, tokenizer, card(kind), np.random.default_rng(0))
        assert len(encoded) == len(silver)
        assert all(len(made) == chats for made in encoded)
        assert all(len(replies(tokenizer, example)) == rounds for made in encoded for example in made)
    together = replace(card("prm"), prm_calls="together")
    encoded = encode_conversations(silver, tokenizer, together, np.random.default_rng(0))
    assert all([len(replies(tokenizer, example)) for example in made] == [3] for made in encoded)


def test_all_of_the_judges_turns_train_and_say_what_the_record_says(start, silver):
    tokenizer = load_tokenizer(start)
    encoded = encode_conversations(silver, tokenizer, card("unifi"), np.random.default_rng(0))
    swapped = 0
    for record, (example,) in zip(silver, encoded, strict=True):
        *steps, response = [reply.rpartition("Verdict: ")[2] for reply in replies(tokenizer, example)]
        assert steps == [str(label) for label in record.labels.values()]
        if record.preference in ("first", "second"):
            assert response in ("first", "second")
            swapped += response != record.preference
        else:
            assert response == record.preference
    ordered = sum(record.preference in ("first", "second") for record in silver)
    assert 0.2 * ordered < swapped < 0.8 * ordered


def test_the_order_of_the_answers_comes_from_the_seed_alone(start, silver):
    def tokens(seed: int) -> list[list[int]]:
        made = encode_conversations(silver, load_tokenizer(start), card("orm"), np.random.default_rng(seed))
        return [example.tokens.tolist() for (example,) in made]

    assert tokens(3) == tokens(3)
    assert tokens(3) != tokens(4)


def test_records_with_a_reply_longer_than_a_judge_may_write_are_left_out_for_every_kind(start, silver):
    tokenizer = load_tokenizer(start)
    every = encode_conversations(silver, tokenizer, card("unifi"), np.random.default_rng(0))
    lengths = [max(_lengths_of_turns(example)) for (example,) in every]
    limit = sorted(lengths)[len(lengths) // 2]
    kept_ids = [record.id for record, length in zip(silver, lengths, strict=True) if length <= limit]
    assert 0 < len(kept_ids) < len(silver)
    for kind in ("unifi", "prm", "orm"):
        whole = encode_conversations(silver, tokenizer, card(kind), np.random.default_rng(0))
        short = replace(card(kind), max_new_tokens=limit)
        kept = encode_conversations(silver, tokenizer, short, np.random.default_rng(0))
        expected = [made for record, made in zip(silver, whole, strict=True) if record.id in kept_ids]
        assert [[example.tokens.tolist() for example in made] for made in kept] == [
            [example.tokens.tolist() for example in made] for made in expected
        ]
        with pytest.raises(UserError, match="No record has replies of at most"):
            encode_conversations(silver, tokenizer, replace(short, max_new_tokens=1), np.random.default_rng(0))


def _lengths_of_turns(example) -> list[int]:
    """Lengths of the rows of trained tokens."""
    edges = np.flatnonzero(np.diff(example.loss_mask, prepend=False, append=False))
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5])
def test_no_talk_is_both_learnt_from_and_held_out(silver, share):
    train, valid = hold_out(silver, share, seed=1)
    assert sorted(record.id for record in train + valid) == sorted(record.id for record in silver)
    talks = [{record.history[0].content for record in part} for part in (train, valid)]
    assert talks[0]
    assert talks[1]
    assert not talks[0] & talks[1]
    smallest = min(Counter(record.history[0].content for record in silver).values())
    assert len(valid) <= max(share * len(silver), smallest)


def test_many_talks_that_open_alike_are_not_all_held_out(silver):
    """More than a hundred of ESConv's 1,300 talks open so."""
    alike = [replace(record, history=(Turn("seeker", "Hello"),)) for record in silver[:30]]
    train, valid = hold_out(alike + silver[30:], 0.2, seed=1)
    assert train[:30] == alike
    assert valid


# What a run does


def test_a_run_lowers_the_loss_and_draws_its_curves(judge):
    metrics = read_metrics(judge / "metrics.jsonl")
    assert metrics[-1]["loss"] < metrics[0]["loss"] - 1
    assert metrics[-1]["eval/loss"] < metrics[5]["eval/loss"]
    assert (judge / "curves.png").stat().st_size > 0


def test_a_run_leaves_a_judge_with_its_card_and_so_does_an_export(judge, tmp_path):
    limits = JudgeLimits("judge_brief", max_history_tokens=96, max_part_tokens=64)
    assert JudgeCard.read(judge / "model") == JudgeCard("unifi", "compeer", limits, 96)
    export_run(judge, tmp_path / "exported")
    assert (tmp_path / "exported" / CARD).read_text() == (judge / "model" / CARD).read_text()


def test_the_measured_loss_is_the_mean_negative_log_likelihood_of_the_judges_turns(judge):
    """Eq. 4, from the exported weights and the full logits."""
    splits, generator = load_records(DataConfig(limit=24)), np.random.default_rng(0)
    parts = [silver_judge_records(part, COMPEER, seed=0) for part in (splits.train, splits.valid)]
    encode = partial(encode_conversations, card=JudgeCard.read(judge / "model"), generator=generator)
    _, valid = [encode(part, load_tokenizer(judge / "model")) for part in parts]
    batch = token_batch(spread(valid, 8), length=1024, most_trained=1024, pad_id=0)
    model = Qwen2.from_pretrained(judge / "model", dtype=jnp.float32)
    logits = nnx.jit(lambda model, tokens: model.logits(model(tokens)))(model, batch.tokens)
    logps = np.take_along_axis(jax.nn.log_softmax(logits[:, :-1]), batch.tokens[:, 1:, None], axis=-1)[..., 0]
    picked = np.take_along_axis(np.asarray(logps), np.maximum(batch.trained - 1, 0), axis=1)
    expected = -picked[batch.trained > 0].mean()
    assert read_metrics(judge / "metrics.jsonl")[-1]["eval/loss"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.long
def test_a_run_on_a_file_of_records_trains_a_prm_and_goes_on_as_if_never_stopped(configure, tmp_path, silver, caplog):
    caplog.set_level("INFO", logger="compeer_jax")
    records = write(tmp_path / "cer.jsonl", [unstructured(record) for record in silver])
    changes = ("--records", records, "--kind", "prm")
    whole = train_reward(configure(*changes, output="whole"))
    train_reward(configure(*changes, "--steps", "2", output="stopped"))
    stopped = train_reward(configure(*changes, output="stopped"))
    assert JudgeCard.read(stopped / "model").kind == "prm"
    said = r"train: (\d+) records, (\d+) conversations; False: history \d+%, .*; preferred: first \d+%"
    records, conversations = map(int, re.search(said, caplog.text).groups())
    assert conversations == 3 * records
    for name, array in load_file(whole / "model" / "model.safetensors").items():
        np.testing.assert_array_equal(array, load_file(stopped / "model" / "model.safetensors")[name], err_msg=name)
    assert read_metrics(whole / "metrics.jsonl") == read_metrics(stopped / "metrics.jsonl")

    # Under another version of the prompt it would be another judge.
    path = stopped / "base" / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompt_version": {"en": 0, "zh": 0}}))
    with pytest.raises(UserError, match="learnt with version"):
        train_reward(configure(*changes, "--steps", "6", output="stopped"))

    # Before there was `prm_calls`, a batch was of conversations, and the place in the data was counted in those.
    settings = whole / "config.yaml"
    settings.write_text("".join(re.sub(r"(?m)^prm_calls:.*\n", "", settings.read_text())))
    with pytest.raises(UserError, match=r"holds a run with other settings: prm_calls \(absent there, apart now\)"):
        train_reward(configure(*changes, "--steps", "6", output="whole"))


def test_a_prm_learns_from_the_labels_that_are_known_and_an_orm_from_the_preferences(start, silver, caplog):
    tokenizer, generator = load_tokenizer(start), np.random.default_rng(0)
    steps = [replace(record, preference=None) for record in silver]
    steps[0] = replace(steps[0], labels={"emotion": steps[0].labels["emotion"]})
    answers = [replace(record, labels={}) for record in silver]
    for calls, chats in (("apart", 3), ("together", 1)):
        encoded = encode_conversations(steps, tokenizer, replace(card("prm"), prm_calls=calls), generator)
        assert [len(made) for made in encoded] == [1] + [chats] * (len(silver) - 1)
        (said,) = replies(tokenizer, encoded[0][0])
        assert said.endswith(f"Verdict: {steps[0].labels['emotion']}")
    encoded = encode_conversations(answers, tokenizer, card("orm"), generator)
    assert len(encoded) == len(silver)
    for records, kind in ((steps, "unifi"), (steps, "orm"), (answers, "prm"), (answers, "unifi")):
        with pytest.raises(UserError, match=f"which kind '{kind}' learns from"):
            encode_conversations(records, tokenizer, card(kind), generator)
    assert "preferred" not in balance_line(steps)
    assert balance_line(answers).startswith("preferred: first ")
    known = [record.labels["emotion"] for record in steps if "emotion" in record.labels]
    assert f"emotion {1 - np.mean(known):.0%}" in balance_line(steps)


# Mistakes, said before any long work


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            lambda row: row["labels"].pop("emotion"),
            r"record '.*/1' has no label for step 'emotion', which kind 'unifi'",
        ),
        (lambda row: row.pop("preference"), r"record '.*/1' has no preference, which kind 'unifi'"),
        (lambda row: row["labels"].update(emotion="yes"), r"line 2.*emotion.*true or false"),
        (lambda row: row.update(preference="third"), r"line 2.*preference 'third'.*first, second, similar, neither"),
        (lambda row: row["steps"].update(mood=""), r"line 2.*mood"),
        (lambda row: row.pop("responses"), r"line 2.*responses"),
    ],
)
def test_a_malformed_record_is_named_with_its_line(configure, tmp_path, silver, change, sentence):
    rows = [json.loads(json.dumps(unstructured(record))) for record in silver[:3]]
    change(rows[1])
    with pytest.raises(UserError, match=sentence) as error:
        train_reward(configure("--records", write(tmp_path / "cer.jsonl", rows)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (("--records", "nowhere.jsonl"), r"nowhere\.jsonl can't be read"),
        (("--records", "CER", "--data.format", "care"), r"not those of data\.format 'care'"),
        (("--records", "CER", "--max_new_tokens", "1"), r"No record has replies of at most"),
        (("--limits.prompt", "jugde"), r"did you mean 'judge'"),
        (("--mesh.data", "3", "--row_tokens", "0"), r"does not divide"),
    ],
)
def test_a_mistake_is_one_sentence(configure, tmp_path, silver, changes, sentence):
    cer = write(tmp_path / "cer.jsonl", [unstructured(record) for record in silver])
    with pytest.raises(UserError, match=sentence) as error:
        train_reward(configure(*(cer if change == "CER" else change for change in changes)))
    assert "\n" not in str(error.value)


def test_records_of_a_single_talk_need_valid_records(configure, tmp_path, silver):
    talk = [record for record in silver if record.history[0] == silver[0].history[0]]
    with pytest.raises(UserError, match="give valid_records"):
        train_reward(configure("--records", write(tmp_path / "one.jsonl", [unstructured(record) for record in talk])))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (("--valid_records", "a.jsonl"), "valid_records is given without records"),
        (("--silver.false_share", "1.5"), r"silver\.false_share is 1\.5"),
        (("--silver.per_record", "0"), r"silver\.per_record is 0"),
        (("--max_new_tokens", "0"), "max_new_tokens is 0"),
        (("--kind", "omr"), "kind"),
        (("--steps", "0"), "steps is 0"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_at_once(configure, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        configure(*changes)


# The command


def test_defaults_are_the_papers():
    config = parse_config(RewardTrainConfig, ["--output", "out"], command="", description="")
    assert (config.optimizer.learning_rate, config.batch_size, config.silver.false_share) == (1e-5, 64, 0.23)
    assert config.kind == "unifi"


def test_the_reward_command_names_its_actions(capsys):
    assert main(["reward"]) == 2
    assert "train, eval, consistency" in capsys.readouterr().err
    assert main(["reward", "trian"]) == 2
    assert "did you mean 'train'" in capsys.readouterr().err
    assert main(["reward", "--help"]) == 0
    assert "  train " in capsys.readouterr().out


def test_the_merged_settings_of_an_action_are_shown(capsys):
    main(["config", "show", "reward", "train", "--output", "here", "--kind", "orm"])
    shown = capsys.readouterr().out
    assert "kind: orm" in shown
    assert "output: here" in shown
