"""GRPO with a judge behind a server that goes away: for a while, then for good. Nothing is lost or asked in vain.

Both runs decode in slots and are judged meanwhile, so that what they compute is the same to the bit.
"""

import json
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, error, last_message, verdict
from safetensors.numpy import load_file

from compeer_jax.chat.server import ServerGone
from compeer_jax.cli.configure import parse_config
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.sft import train_sft
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

pytestmark = pytest.mark.long

CONCURRENCY = 4
DATA = "data: {path: sample, prompt: compeer_brief, max_prompt_tokens: 192, max_answer_tokens: 192, limit: 4}\n"
SFT = DATA + "optimizer: {learning_rate: 1.0e-2}\nsteps: 120\nbatch_size: 2\neval_every: 0\neval_records: 1\n"
GRPO = DATA + (
    "optimizer: {learning_rate: 1.0e-3}\nsampling: {max_new_tokens: 160}\nsteps: 3\nprompts_per_step: 4\n"
    "group_size: 2\ncheckpoint: {every: 1000}\n"
    f"reward: {{judge: remote, remote: {{model: judge, concurrency: {CONCURRENCY}, tries: 2, backoff: 0.01}}}}\n"
)


def configure(directory: Path, config_class, text: str, model: Path, *changes: str):
    path = directory / "config.yaml"
    path.write_text(f"model: {{path: {model}, dtype: float32}}\n{text}")
    arguments = ["--config", str(path), "--output", str(directory / "run"), *changes]
    return parse_config(config_class, arguments, command="", description="")


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    """A very small model that knows a few records by heart, so that its outputs have parts to judge."""
    directory = tmp_path_factory.mktemp("policy")
    config = configure(directory, SFTConfig, SFT, directory / "start")
    shape = {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 1, "intermediate_size": 64, "context": 512}
    start = SmallModelConfig(output=str(directory / "start"), data=config.data, vocab_size=1024, **shape)
    make_small_model(start)
    return train_sft(config) / "model"


class Mortal:
    """Answers as `verdict`, but breaks for a dozen requests at one time, and dies at another."""

    def __init__(self, breaks: int, dies: int):
        self.breaks, self.dies, self.count = breaks, dies, 0
        self.lock, self.answered = threading.Lock(), Counter()

    def __call__(self, body):
        with self.lock:
            self.count += 1
            number = self.count
            self.answered[json.dumps(body)] += last_message(body) != GREETING
        if number == self.breaks:
            self.server.misbehave(*[error(500)] * 12)
        if number == self.dies:
            self.server.stop()
        return verdict(body)


def test_a_run_outlives_its_judges_server(tmp_path, policy, capsys):
    (tmp_path / "calm").mkdir()
    (tmp_path / "stormy").mkdir()
    with ChatHTTPServer(verdict) as server:
        changes = ("--reward.remote.url", server.url, "--slots", "3")
        calm = train_grpo(configure(tmp_path / "calm", GRPOConfig, GRPO, policy, *changes))
        questions = len(server.asked)
    expected = read_metrics(calm / "metrics.jsonl")
    assert len({row["reward"] for row in expected}) > 1  # there is something to lose

    answer = Mortal(breaks=questions // 4, dies=questions * 3 // 4)
    with ChatHTTPServer(answer) as server:
        answer.server = server
        changes = ("--reward.remote.url", server.url, "--reward.remote.patience", "5", "--slots", "3")
        config = configure(tmp_path / "stormy", GRPOConfig, GRPO, policy, *changes)
        capsys.readouterr()
        with pytest.raises(ServerGone, match="has not answered for 5 s"):
            train_grpo(config)
        said = capsys.readouterr().err
        assert "(status 500: scripted); next try within 1 s. Ctrl-C is safe" in said
        assert f"The chat server at {server.url} answers again" in said
        finished = read_metrics(tmp_path / "stormy/run/metrics.jsonl")[-1]["step"]
        assert 1 <= finished < 3
        assert (tmp_path / f"stormy/run/checkpoints/{finished}").is_dir()

        server.start()
        stormy = train_grpo(config)
        assert f"grpo {finished + 1}/3" in capsys.readouterr().err  # its first line
        assert (answer.answered - Counter(set(answer.answered))).total() <= CONCURRENCY  # those under way as it died
    for one, other in zip(expected, read_metrics(stormy / "metrics.jsonl"), strict=True):
        timeless = [name for name in one if not name.startswith("time/")]
        assert {name: one[name] for name in timeless} == {name: other[name] for name in timeless}
    weights = [load_file(run / "model/model.safetensors") for run in (calm, stormy)]
    for name, values in weights[0].items():
        np.testing.assert_array_equal(values, weights[1][name], err_msg=name)
