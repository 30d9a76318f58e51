"""Whole runs with adapters: SFT, a judge and GRPO over one frozen model, exported, merged, and gone on with."""

from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file
from small_judges import CARD, ITEMS, KEY, MODELS, asked
from transformers import AutoModelForCausalLM

from compeer_jax.cli.configure import parse_config
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import LoRAConfig
from compeer_jax.models.source import ModelConfig, load_model
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.in_process import InProcessJudge
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.export import export_run
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.sft import train_sft

pytestmark = pytest.mark.long

COMMON = """
model: {path: START, dtype: float32, lora: {rank: 4, alpha: 8.0, quantize: nf4}}
data: {path: sample, prompt: compeer_brief, max_prompt_tokens: 192, max_answer_tokens: 192, limit: 8}
optimizer: {learning_rate: 1.0e-2}
checkpoint: {every: 2}
"""
SFT = COMMON + "steps: 4\nbatch_size: 8\neval_every: 2\neval_records: 4\n"
GRPO = COMMON + (
    "sampling: {max_new_tokens: 6}\nprompts_per_step: 2\ngroup_size: 4\nsteps: 4\nloss: {kl_coefficient: 0.1}\n"
    "reward: {judge: user_rewards.brevity, models: {dtype: float32}}\n"
)


def brevity(completions):
    return [-float(len(completion.text)) for completion in completions]


def settings(config_class, folder: Path, start: Path, *changes: str):
    path = folder / f"{config_class.__name__}.yaml"
    path.write_text((SFT if config_class is SFTConfig else GRPO).replace("START", str(start)))
    arguments = ["--config", str(path), "--output", str(folder / config_class.__name__), *changes]
    return parse_config(config_class, arguments, command="", description="")


@pytest.fixture(scope="module")
def sft(untrained, tmp_path_factory) -> Path:
    """A run of SFT, interrupted in the middle."""
    folder = tmp_path_factory.mktemp("sft")
    train_sft(settings(SFTConfig, folder, untrained, "--steps", "2", "--export", "false"))
    return train_sft(settings(SFTConfig, folder, untrained))


def adapters(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model" / "adapter_model.safetensors")


def assert_same(one: dict, other: dict):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_an_interrupted_sft_run_learns_what_a_whole_one_does_and_keeps_only_adapters(sft, untrained, tmp_path):
    whole = train_sft(settings(SFTConfig, tmp_path, untrained))
    assert_same(adapters(sft), adapters(whole))
    losses = [row["loss"] for row in read_metrics(sft / "metrics.jsonl")]
    assert len(losses) == 4
    assert losses == sorted(losses, reverse=True)
    assert not (sft / "model" / "model.safetensors").exists()
    size = sum(file.stat().st_size for file in (sft / "checkpoints" / "4" / "state").rglob("*") if file.is_file())
    weights = (untrained / "model.safetensors").stat().st_size
    assert size < weights  # adapters and two moments of each


def test_an_export_merges_on_request_and_transformers_then_computes_what_the_adapters_do(sft, tmp_path):
    assert export_run(sft, tmp_path / "adapters") == 4
    assert_same(load_file(tmp_path / "adapters" / "adapter_model.safetensors"), adapters(sft))
    export_run(sft, tmp_path / "merged", merge=True)
    import torch

    tokens = jax.random.randint(KEY, (2, 12), 0, 2048)
    model = load_model(ModelConfig(str(sft / "model"), dtype="float32"), None)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    with torch.no_grad():
        wanted = theirs(torch.tensor(np.asarray(tokens))).logits.numpy()
    np.testing.assert_allclose(model.logits(model(tokens)), wanted, atol=2e-4)


def test_grpo_goes_on_with_sft_s_adapters_and_goes_on_when_interrupted(sft, tmp_path):
    def train(name: str, *changes: str) -> Path:
        (tmp_path / name).mkdir(exist_ok=True)
        return train_grpo(settings(GRPOConfig, tmp_path / name, sft / "model", *changes))

    whole = train("whole")
    train("parts", "--steps", "2", "--export", "false")
    parts = train("parts")
    assert_same(adapters(whole), adapters(parts))
    rows = [read_metrics(run / "metrics.jsonl") for run in (whole, parts)]
    for one, other in zip(*rows, strict=True):
        assert [one[name] for name in ("step", "loss", "reward")] == [
            other[name] for name in ("step", "loss", "reward")
        ]
    # The reference is the model that the run started from, SFT's adapters with it.
    assert rows[0][0]["kl"] == pytest.approx(0, abs=1e-6)
    assert rows[0][-1]["kl"] > 1e-6
    start = adapters(sft)
    assert all(np.abs(values - start[name]).max() > 0 for name, values in adapters(whole).items())


def test_a_judge_of_adapters_holds_the_run_s_own_weights_and_says_what_it_says_alone(sft, untrained):
    directory = sft / "model"
    CARD.write(directory)
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    base = FrozenBase(ModelConfig(str(untrained), dtype="float32", lora=LoRAConfig(rank=2)), mesh)
    shared = InProcessJudge(directory, "unifi", COMPEER, MODELS, mesh, base)
    held = dict(nnx.to_flat_state(shared._params))
    for path, param in nnx.to_flat_state(base.params):
        assert held[path][...] is param[...], path
    alone = InProcessJudge(directory, "unifi", COMPEER, MODELS, mesh)
    assert "adapter" not in {name for path, _ in nnx.to_flat_state(alone._params) for name in path}
    assert shared(asked(*ITEMS), KEY, group_size=2) == alone(asked(*ITEMS), KEY, group_size=2)


def test_grpo_with_a_judge_of_adapters_on_the_policy_s_model(sft, untrained, tmp_path):
    CARD.write(sft / "model")
    judge = ("--reward.judge", "unifi", "--reward.models.unifi", str(sft / "model"), "--steps", "1")
    encoder = ("--reward.encoder.compares", "output")  # random outputs have no parts, and are alike to the judge
    run = train_grpo(settings(GRPOConfig, tmp_path, untrained, *judge, *encoder))
    (row,) = read_metrics(run / "metrics.jsonl")
    assert -5 <= row["reward"] <= 5
    assert (run / "model" / "adapter_config.json").is_file()
