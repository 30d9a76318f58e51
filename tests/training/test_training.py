"""Whole runs of SFT and GRPO on a very small model: what they write, that they learn, and that nothing kills them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from gold_records import record
from safetensors.numpy import load_file
from small_runs import weights

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.evaluation.evaluate import EvalConfig, evaluate, saved_report, settings_of
from compeer_jax.rewards.reward import Completion, Rewards
from compeer_jax.rl.reward_shaping import ShapedRewards
from compeer_jax.runs.folder import RunFolder
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.export import export_run
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.samples import log_rollout, write_samples
from compeer_jax.training.sft import train_sft

# Random outputs have no parts, so rules rate them alike; what they are told apart by is how they repeat one another.
DIFFER = ("--reward.encoder.compares", "output")


# What a run writes


def test_an_sft_run_lowers_the_loss_and_writes_all_that_it_promises(configure):
    run = train_sft(configure(SFTConfig, "--steps", "12"))
    metrics = read_metrics(run / "metrics.jsonl")
    assert [row["step"] for row in metrics] == list(range(1, 13))
    assert metrics[-1]["loss"] < metrics[0]["loss"] - 1
    assert metrics[-1]["eval/loss"] < metrics[2]["eval/loss"]
    for name in ("config.yaml", "curves.png", "model/config.json", "model/tokenizer.json"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "tb").iterdir())


def test_a_grpo_run_writes_samples_rollouts_and_metrics_by_their_usual_names(configure):
    run = train_grpo(configure(GRPOConfig, "--steps", "2", *DIFFER))
    first, second = read_metrics(run / "metrics.jsonl")
    expected = {
        *("loss", "grad_norm", "padding", "learning_rate", "reward", "reward_std", "frac_reward_zero_std", "entropy"),
        *("completions/mean_length", "completions/clipped_ratio", "sampling/logp_difference"),
        *("redundancy/in_group", "redundancy/history", "redundancy/tau"),
        *(f"rewards/{part}/mean" for part in ("history", "emotion", "strategy", "response", "format")),
        *("time/rollout", "time/reward", "time/update"),
    }
    assert expected <= second.keys()
    assert first["sampling/logp_difference"] < 1e-4
    samples = (run / "samples.md").read_text()
    assert samples.index("## Step 2") < samples.index("## Step 1")
    rows = [json.loads(line) for line in (run / "rollouts" / "step_000002.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    for row in rows:
        assert row["reward"] == sum(row["parts"].values())
    assert np.mean([row["reward"] for row in rows]) == pytest.approx(second["reward"])
    advantages = np.array([row["advantage"] for row in rows]).reshape(4, 4)
    np.testing.assert_allclose(advantages.sum(axis=1), 0, atol=1e-4)


def test_the_loss_prints_zero_on_policy_while_the_gradient_does_not(configure, capsys):
    run = train_grpo(configure(GRPOConfig, "--steps", "1", "--reward.judge", "user_rewards.brevity"))
    row = read_metrics(run / "metrics.jsonl")[0]
    assert abs(row["loss"]) < 1e-4
    assert row["grad_norm"] > 1e-3
    assert "always prints about 0" in capsys.readouterr().err.replace("\n", " ")


# That it learns what is rewarded, and nothing else


@pytest.mark.long
def test_grpo_raises_a_reward_of_the_users_own(configure):
    changes = ("--steps", "25", "--prompts_per_step", "8", "--optimizer.learning_rate", "0.02")
    run = train_grpo(configure(GRPOConfig, *changes, "--reward.judge", "user_rewards.brevity", "--export", "false"))
    rewards = [row["reward"] for row in read_metrics(run / "metrics.jsonl")]
    spread = np.std(rewards[:5])
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 3 * spread


def test_equal_rewards_move_no_weight_and_the_run_says_so_at_its_end(configure, start, tmp_path):
    arguments = ["--steps", "2", "--reward.judge", "user_rewards.constant"]
    said = "gradient was 0 in each of 2 steps: the outputs of every group have equal rewards, so the run taught nothing"
    with pytest.raises(UserError, match=said):
        train_grpo(configure(GRPOConfig, *arguments))
    run = tmp_path / "run"
    before, after = load_file(start / "model.safetensors"), weights(run)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    assert read_metrics(run / "metrics.jsonl")[0]["frac_reward_zero_std"] == 1


def test_old_log_probs_stay_those_of_the_rollout_over_all_updates(configure):
    """Were they taken anew for each minibatch, the ratio would stay 1 and nothing would ever be clipped."""
    changes = ("--steps", "1", "--minibatches", "2", "--epochs_per_rollout", "3", "--optimizer.learning_rate", "0.05")
    run = train_grpo(configure(GRPOConfig, *changes, "--reward.judge", "user_rewards.brevity", "--export", "false"))
    row = read_metrics(run / "metrics.jsonl")[0]
    assert row["clip_ratio"] > 0
    assert abs(row["ratio"] - 1) > 1e-3


@pytest.mark.long
def test_the_kl_term_is_zero_at_the_start_model_and_grows_as_the_policy_leaves_it(configure):
    changes = ("--steps", "3", "--loss.kl_coefficient", "0.1", "--reward.judge", "user_rewards.brevity")
    run = train_grpo(configure(GRPOConfig, *changes, "--export", "false"))
    kl = [row["kl"] for row in read_metrics(run / "metrics.jsonl")]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[2] > 1e-4


@pytest.mark.long
def test_a_run_in_packed_parts_on_eight_devices_logs_the_losses_of_one_with_an_output_a_row(configure):
    changes = ("--steps", "3", "--optimizer.learning_rate", "1e-3", "--export", "false", *DIFFER)
    one = train_grpo(configure(GRPOConfig, *changes, "--row_tokens", "0", output="one"))
    mesh = ("--mesh.data", "2", "--mesh.fsdp", "2", "--mesh.tensor", "2", "--tokens_per_microbatch", "2000")
    many = train_grpo(configure(GRPOConfig, *changes, *mesh, output="many"))
    for a, b in zip(read_metrics(one / "metrics.jsonl"), read_metrics(many / "metrics.jsonl"), strict=True):
        for name in ("reward", "grad_norm", "entropy", "completions/mean_length", "redundancy/in_group"):
            assert a[name] == pytest.approx(b[name], rel=1e-3, abs=1e-5), name


@pytest.mark.long
def test_a_run_with_fewer_slots_than_outputs_logs_the_losses_of_one_with_all_at_once(configure):
    changes = ("--steps", "2", "--optimizer.learning_rate", "1e-3", "--export", "false", *DIFFER)
    one = train_grpo(configure(GRPOConfig, *changes, output="one"))
    few = train_grpo(configure(GRPOConfig, *changes, "--slots", "6", output="few"))
    for a, b in zip(read_metrics(one / "metrics.jsonl"), read_metrics(few / "metrics.jsonl"), strict=True):
        for name in ("reward", "grad_norm", "entropy", "completions/mean_length", "redundancy/in_group"):
            assert a[name] == pytest.approx(b[name], rel=1e-3, abs=1e-5), name


# What is left of it


def test_an_export_is_the_model_of_the_run_and_transformers_loads_it(configure, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = train_sft(configure(SFTConfig))
    assert export_run(run, tmp_path / "exported") == 6
    exported = load_file(tmp_path / "exported" / "model.safetensors")
    for name, array in weights(run).items():
        np.testing.assert_array_equal(array, exported[name])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "exported")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "exported", dtype=torch.float32)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "你好 hello"}], return_tensors="pt")
    assert torch.isfinite(model(**ids).logits).all()
    with pytest.raises(UserError, match=r"trained the whole model, so there are no adapters to merge; leave --merge"):
        export_run(run, tmp_path / "merged", merge=True)


def test_an_evaluation_reports_shares_over_all_outputs(configure, tmp_path):
    config = configure(GRPOConfig)
    sampled = {"model": config.model, "data": config.data, "sampling": config.sampling}
    settings = EvalConfig(**sampled, records=6, batch_size=4, output=str(tmp_path / "rated"))
    report, completions = evaluate(settings)
    assert len(completions) == 24
    assert report.format == 0  # eight random tokens are no answer
    assert (report.judge, report.rules) == (None, -5)
    assert report.entropy == pytest.approx(np.log(4096), rel=0.2)  # random weights choose among all tokens alike
    assert 0 <= report.distinct_1 <= 1
    assert saved_report(tmp_path / "rated", settings_of(settings)) == report
    assert saved_report(tmp_path / "rated", settings_of(dataclasses.replace(settings, seed=9))) is None
    outputs = [row for _, row in read_jsonl(tmp_path / "rated" / "outputs.jsonl")]
    assert [row["text"] for row in outputs] == [completion.text for completion in completions]


# Mistakes, said before any long work


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (("--reward.judge", "user_rewards.not_a_number"), "returned nan for completion 0 of 4"),
        (("--data.max_prompt_tokens", "70"), r"even with the last exchange alone it has \d+ tokens, more than 70"),
        (("--data.overlong", "error", "--data.max_prompt_tokens", "150"), r"at most 150 may be"),
        (("--mesh.data", "3", "--mesh.fsdp", "1"), "does not divide"),
        (("--mesh.data", "16"), "16"),
        (("--data.path", "nowhere.json"), "nowhere.json"),
        (("--sampling.max_new_tokens", "500"), "context of 512"),
        (("--sampling.repetition_penalty", "1.2"), "repetition_penalty is 1.2, so outputs would be drawn from another"),
        (("--slots", "-1"), "slots is -1; it must be at least 0"),
        (("--slots", "4", "--overlap", "true", "--loss.importance_cap", "2"), "take slots 0 with overlap"),
    ],
)
def test_a_mistake_is_one_sentence(configure, changes, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        train_grpo(configure(GRPOConfig, *changes))
    assert "\n" not in str(error.value)


def test_an_example_longer_than_the_context_is_one_sentence(configure, tmp_path, start):
    short = tmp_path / "short"
    shutil.copytree(start, short)
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 100}))
    with pytest.raises(UserError, match=r"longest example has \d+ tokens, more than the model's context of 100"):
        train_sft(configure(SFTConfig, "--model.path", str(short)))


def test_a_run_folder_that_cannot_be_made_is_said_first(configure, tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="run folder"):
        train_sft(configure(SFTConfig))


def test_a_start_that_failed_can_be_mended_and_repeated_in_the_same_folder(configure):
    with pytest.raises(UserError, match=r"nowhere\.json"):
        train_sft(configure(SFTConfig, "--steps", "2", "--data.path", "nowhere.json"))
    run = train_sft(configure(SFTConfig, "--steps", "2"))
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [1, 2]


@pytest.mark.long
def test_bfloat16_weights_in_parts_go_on_from_a_checkpoint(configure):
    changes = ("--model.param_dtype", "bfloat16", "--model.dtype", "bfloat16", "--gradient_accumulation", "2")
    train_sft(configure(SFTConfig, *changes, "--steps", "2"))
    run = train_sft(configure(SFTConfig, *changes, "--steps", "4"))
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [1, 2, 3, 4]


def test_samples_hold_any_text(tmp_path):
    """U+2028 and U+0085 end a line for some readers, and backticks end a code block."""
    odd = "one\u2028two\u0085three ```four```"
    gold = record()
    item = Completion(gold, odd, COMPEER.parse(odd))
    ones = np.ones((1, 2), np.float32)
    shaped = ShapedRewards(ones, ones, ones, np.ones(1, np.float32), ones)
    folder = RunFolder.open(tmp_path / "run", {})
    log_rollout(folder, 1, [item, item], Rewards(np.ones(2)), shaped, [5, 5])
    write_samples(folder, every=1, last=1)
    assert folder.samples.read_text(encoding="utf-8").count(f"````text\n{odd}\n````") == 2


def test_other_settings_in_the_same_folder_are_refused_by_name(configure):
    train_sft(configure(SFTConfig, "--steps", "2", "--export", "false"))
    with pytest.raises(UserError, match="seed"):
        train_sft(configure(SFTConfig, "--steps", "2", "--seed", "5"))
