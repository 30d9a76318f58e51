"""GRPO with judges and encoders that are models, and what is left of a run whose judge gives out."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from user_rewards import Calls

from compeer_jax.cli.configure import parse_config
from compeer_jax.errors import UserError
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.grpo import train_grpo

SETTINGS = """
model: {path: START, dtype: float32}
data: {path: sample, prompt: compeer_brief, max_prompt_tokens: 192, limit: 4}
optimizer: {learning_rate: 1.0e-2}
sampling: {max_new_tokens: 6}
prompts_per_step: 2
group_size: 4
checkpoint: {every: 50}
"""


@pytest.fixture
def train(tmp_path, untrained):
    """`train("--steps", "3", output="run")`: GRPO from random weights with these changes to the settings above."""

    def run(*changes: str, output: str = "run") -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(SETTINGS.replace("START", str(untrained)))
        arguments = ["--config", str(path), "--output", str(tmp_path / output), *changes]
        return train_grpo(parse_config(GRPOConfig, arguments, command="grpo", description=""))

    return run


@pytest.mark.long
def test_a_judge_and_an_encoder_with_weights_serve_a_run(train, parrots, untrained):
    judges = [argument for kind in ("prm", "orm") for argument in (f"--reward.models.{kind}", parrots[kind])]
    # Alike to the judges, outputs differ by how much they repeat one another.
    encoder = ("--reward.encoder.kind", "hidden_states", "--reward.encoder.compares", "output")
    run = train("--steps", "2", "--reward.judge", "prm_orm", *judges, *encoder)
    for row in read_metrics(run / "metrics.jsonl"):
        # Six random tokens have no parts, and these judges never fail to answer.
        assert (row["reward"], row["judge/unparsed"], row["judge/retried"]) == (-5, 0, 0)
    rows = [json.loads(line) for line in (run / "rollouts" / "step_000002.jsonl").read_text().splitlines()]
    assert [row["parts"] for row in rows] == [
        dict.fromkeys(("history", "emotion", "strategy", "response", "format"), -1.0)
    ] * 8


@pytest.mark.long
def test_a_run_whose_judge_gives_out_keeps_every_finished_step_and_goes_on_as_if_nothing_had_been(train):
    reward = ("--reward.judge", "user_rewards.gives_out", "--steps", "4")
    Calls.last = None
    whole = train(*reward, output="whole")
    Calls.made, Calls.last = 0, 4  # the first call is the try on references, so this is step 3
    with pytest.raises(UserError, match="the judge is gone"):
        train(*reward)
    with Checkpoints(whole.parent / "run" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.all_steps() == [2]
    Calls.last = None
    resumed = train(*reward)
    assert [row["step"] for row in read_metrics(resumed / "metrics.jsonl")] == [1, 2, 3, 4]
    one, other = (load_file(run / "model" / "model.safetensors") for run in (whole, resumed))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_a_judge_that_gives_out_before_any_step_leaves_nothing_to_go_on_from(train, tmp_path):
    Calls.made, Calls.last = 0, 2
    with pytest.raises(UserError, match="the judge is gone"):
        train("--reward.judge", "user_rewards.gives_out", "--steps", "2")
    assert not any((tmp_path / "run" / "checkpoints").iterdir())
