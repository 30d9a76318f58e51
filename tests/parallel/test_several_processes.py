"""Whole runs of two and four processes on this machine: the numbers of one process, and what happens to the rest when
one is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chain_model import chain_model
from chat_server_fixture import ChatHTTPServer, last_message
from safetensors.numpy import load_file
from small_judges import CARD
from small_runs import GRPO, SFT

from compeer_jax.cli.configure import parse_config
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.sft import train_sft

pytestmark = pytest.mark.long

HEARTBEAT = 20

# A policy that leaves parts out or empty by chance, and a judge that casts lots, so that no two outputs fare alike and
# whoever draws for the wrong row is found out.
POLICY = {
    "\n": ["<history>"],
    "<history>": [" you", "</history>"],
    " you": ["</history>"],
    "</history>": ["<emotion>", "<strategy>"],
    "<emotion>": [" feel", "</emotion>"],
    " feel": ["</emotion>"],
    "</emotion>": ["<strategy>"],
    "<strategy>": [" ask"],
    " ask": ["</strategy>"],
    "</strategy>": ["<response>"],
    "<response>": [" I", " that", "</response>"],
    " I": [" hear"],
    " hear": [" that", "</response>"],
    " that": [" day"],
    " day": [" and", "</response>"],
    " and": [" I", " that"],
    "</response>": ["<|im_end|>"],
}
LOTS = {
    "\n": ["Verdict"],
    "Verdict": [":"],
    ":": [" True", " False", " first"],
    **{said: ["<|im_end|>"] for said in (" True", " False", " first")},
}


@pytest.fixture(scope="module")
def policy(untrained, tmp_path_factory) -> Path:
    return chain_model(tmp_path_factory.mktemp("policy") / "model", untrained, POLICY, learns=True)


@pytest.fixture(scope="module")
def lots(untrained, tmp_path_factory) -> tuple[str, ...]:
    """The settings of a run with the judge that casts lots."""
    directory = chain_model(tmp_path_factory.mktemp("judge") / "model", untrained, LOTS)
    replace(CARD, max_new_tokens=4).write(directory)
    models = f"--reward.models.unifi {directory} --reward.models.dtype float32 --reward.models.temperature 1"
    return ("--reward.judge", "unifi", *models.split())


@pytest.fixture
def arguments(tmp_path, policy) -> Callable[..., list[str]]:
    """`arguments("grpo", "name", "--steps", "3")`: what `compeer` is given for a run in the folder `name`."""

    def make(command: str, name: str, *changes: str) -> list[str]:
        text = {"sft": SFT, "grpo": GRPO.replace("max_new_tokens: 8", "max_new_tokens: 16")}[command]
        config = tmp_path / f"{command}.yaml"
        config.write_text(text.replace("START", str(policy)))
        return [command, "--config", str(config), "--output", str(tmp_path / name), *changes]

    return make


def alone(arguments: list[str]) -> Path:
    """The run of one process, this one, on as many of its devices."""
    command, *settings = arguments
    config_class, train = {"sft": (SFTConfig, train_sft), "grpo": (GRPOConfig, train_grpo)}[command]
    return train(parse_config(config_class, settings, command="", description=""))


class Launch:
    """`compeer` started as several processes.

    Args:
        tmp_path: where they work, and whose modules they can import.
        arguments: of all of them.
        own: further arguments of each, or how many processes there are.
        devices: of each process.
        launcher: what tells them of each other: our flags, or the variables of SLURM or of Open MPI.
    """

    def __init__(self, tmp_path: Path, arguments: list[str], own, *, devices: int = 2, launcher: str = "flags"):
        own = [[]] * own if isinstance(own, int) else own
        with socket.create_server(("localhost", 0)) as free:
            port = free.getsockname()[1]
        settings = {"PYTHONPATH": str(tmp_path), "JAX_NUM_CPU_DEVICES": str(devices)}
        # A process that finds a program compiled would wait for the others longer than their collectives bear.
        settings |= {"JAX_ENABLE_COMPILATION_CACHE": "false"}
        self.processes = []
        for index, changes in enumerate(own):
            flags, told = ["--processes.coordinator", "auto"], {}
            if launcher == "flags":
                address = f"--processes.coordinator localhost:{port} --processes.count {len(own)}"
                flags = [*address.split(), "--processes.index", str(index)]
            elif launcher == "slurm":
                told = {"SLURM_JOB_ID": str(port), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(len(own))}
                told |= {"SLURM_PROCID": str(index), "SLURM_LOCALID": str(index), "SLURM_STEP_NUM_NODES": "1"}
            else:
                told = {"OMPI_MCA_orte_hnp_uri": f"{port * 2**12}.0;tcp://127.0.0.1:{port}"}
                told |= {"OMPI_COMM_WORLD_SIZE": str(len(own)), "OMPI_COMM_WORLD_RANK": str(index)}
                told |= {"OMPI_COMM_WORLD_LOCAL_RANK": str(index)}
            command = [sys.executable, "-m", "compeer_jax.cli.main", *arguments, *changes, *flags]
            command += ["--processes.heartbeat", str(HEARTBEAT)]
            with (tmp_path / f"{index}.log").open("w") as log:
                started = subprocess.Popen(
                    command, env=os.environ | settings | told, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path
                )
            self.processes.append(started)
        self.logs = [tmp_path / f"{index}.log" for index in range(len(own))]

    def __enter__(self) -> "Launch":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, timeout: float = 600) -> list[int]:
        """Exit statuses of all."""
        return [process.wait(timeout) for process in self.processes]

    def until(self, file: Path, *, lines: int) -> None:
        """Returns when so many lines are in the file."""
        deadline = time.monotonic() + 600
        while not file.exists() or file.read_text().count("\n") < lines:
            assert all(process.poll() is None for process in self.processes), self.said(0)[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def said(self, index: int) -> str:
        """The log of a process on one line, without what the collectives tell of themselves."""
        return " ".join(line for line in self.logs[index].read_text().split("\n") if "[Gloo]" not in line)

    def last_line(self, index: int) -> str:
        """What a process that has ended says last, which comes a moment after its end."""
        deadline = time.monotonic() + 60
        while not (line := self.logs[index].read_text().rstrip().split("\n")[-1]).startswith("compeer"):
            assert time.monotonic() < deadline, line
            time.sleep(0.01)
        return line

    def finished(self) -> None:
        statuses = self.wait()
        assert not any(statuses), [self.said(index)[-3000:] for index in range(len(statuses))]


def assert_same_metrics(one: Path, other: Path, steps: int) -> None:
    """Every number of every step, but for times."""
    runs = [read_metrics(run / "metrics.jsonl") for run in (one, other)]
    for rows in runs:
        assert [row["step"] for row in rows] == list(range(1, steps + 1))
    for a, b in zip(*runs, strict=True):
        names = {name for name in (*a, *b) if not name.startswith("time/")}
        assert names <= a.keys() & b.keys()
        for name in names:
            assert a[name] == pytest.approx(b[name], rel=1e-5, abs=1e-5), (a["step"], name)


def assert_same_weights(one: Path, other: Path, file: str = "model.safetensors") -> None:
    first, second = (load_file(run / "model" / file) for run in (one, other))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-5, err_msg=name)


def assert_lots_were_cast(run: Path) -> None:
    """There was something to get wrong: rewards differ, and some conversations were held twice."""
    for row in read_metrics(run / "metrics.jsonl"):
        assert row["reward_std"] > 0.5
        assert row["judge/retried"] > 0
        assert row["grad_norm"] > 1e-3


def test_sft_in_four_processes_is_that_of_one(arguments, tmp_path):
    """Weights split over processes by `fsdp` and by `tensor`, so that two processes read the same rows."""
    changes = ("--steps", "2", "--mesh.fsdp", "2", "--mesh.tensor", "2")
    one = alone(arguments("sft", "one", *changes))
    with Launch(tmp_path, arguments("sft", "several", *changes), 4, devices=1, launcher="slurm") as launched:
        launched.finished()
        for index in range(1, 4):
            assert not launched.said(index).strip()  # process 0 speaks for all
    assert_same_metrics(one, tmp_path / "several", 2)
    assert_same_weights(one, tmp_path / "several")


def test_adapters_a_kl_term_slots_and_a_judge_of_the_whole_mesh_over_two_processes(arguments, lots, tmp_path):
    """The frozen weights, in 4 bits, the adapters and the judge's weights are all split over both by `fsdp`."""
    changes = (
        "--steps 2 --mesh.fsdp 2 --model.lora.rank 4 --model.lora.quantize nf4 --loss.kl_coefficient 0.1 --slots 6"
    )
    changes = (*changes.split(), *lots)
    one = alone(arguments("grpo", "one", *changes))
    with Launch(tmp_path, arguments("grpo", "several", *changes), 2, devices=1) as launched:
        launched.finished()
    assert_lots_were_cast(one)
    assert_same_metrics(one, tmp_path / "several", 2)
    assert_same_weights(one, tmp_path / "several", "adapter_model.safetensors")


def verdict(body: dict) -> str:
    """A judge behind a server that goes by the checksum of what it is shown."""
    text = last_message(body)
    number = zlib.crc32(text.encode())
    return f"Verdict: {('first', 'second', 'similar', 'neither')[number % 4] if '<first>' in text else number % 2 == 0}"


def test_a_signal_to_one_process_makes_both_save_the_same_step_of_a_run_that_a_server_judges(arguments, tmp_path):
    """Up to there it is the run of one process, and the server was asked about the same outputs, once each."""
    changes = ("--mesh.data", "2", "--slots", "6", "--reward.judge", "remote", "--reward.remote.model", "judge")
    run = tmp_path / "several"
    with ChatHTTPServer(verdict) as server:
        changes = (*changes, "--reward.remote.url", server.url)
        with Launch(tmp_path, arguments("grpo", "several", *changes, "--steps", "5000"), 2, devices=1) as launched:
            launched.until(run / "metrics.jsonl", lines=1)
            launched.processes[1].send_signal(signal.SIGTERM)
            assert launched.wait() == [75, 75]
            for index in range(2):
                assert "compeer grpo: SIGTERM came; " in launched.said(index)
        done = read_metrics(run / "metrics.jsonl")[-1]["step"]
        with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
            assert checkpoints.latest_step() == done
        by_both = Counter(map(json.dumps, server.asked))
        server.asked.clear()
        one = alone(arguments("grpo", "one", *changes, "--steps", str(done)))
        assert Counter(map(json.dumps, server.asked)) <= by_both  # they may have begun another step
        assert max(by_both.values()) == 1
    assert all(row["reward_std"] > 0.5 for row in read_metrics(one / "metrics.jsonl"))
    assert_same_metrics(one, run, done)


def test_a_lost_process_ends_the_others_and_the_run_goes_on_when_all_are_back(arguments, lots, tmp_path):
    """A run that draws one step ahead while a judge on the last device of each process rates, with KL to the start.

    The whole is that of one process which nothing ever stopped.
    """
    changes = "--steps 6 --mesh.fsdp 2 --overlap true --loss.importance_cap 2 --loss.kl_coefficient 0.1"
    changes = (*changes.split(), "--reward.models.devices", "2", "--optimizer.learning_rate", "1e-3", *lots)
    one = alone(arguments("grpo", "one", *changes))
    assert_lots_were_cast(one)

    several = arguments("grpo", "several", *changes)
    with Launch(tmp_path, several, 2) as launched:
        launched.until(tmp_path / "several" / "metrics.jsonl", lines=3)
        launched.processes[1].send_signal(signal.SIGKILL)
        assert launched.processes[0].wait(60) != 0
        last = launched.last_line(0)
        assert "another" in last
        assert "start all processes again, and the run goes on from its last checkpoint" in last
        assert launched.last_line(1).startswith("compeer: process 1 of 2 has ended")
    with Launch(tmp_path, several, 2) as launched:
        launched.finished()
        assert "Going on after step" in launched.said(0)
    assert_same_metrics(one, tmp_path / "several", 6)
    assert_same_weights(one, tmp_path / "several")
    rollouts = [sorted((run / "rollouts").iterdir()) for run in (one, tmp_path / "several")]
    assert [path.name for path in rollouts[0]] == [path.name for path in rollouts[1]]
    assert (one / "samples.md").read_text() == (tmp_path / "several" / "samples.md").read_text()


def test_processes_that_mean_different_runs_all_say_so(arguments, tmp_path):
    own = [["--optimizer.learning_rate", rate] for rate in ("1e-2", "2e-2")]
    with Launch(tmp_path, arguments("sft", "never"), own, devices=1, launcher="open_mpi") as launched:
        assert launched.wait() == [2, 2]
        for index in range(2):
            assert launched.said(index).strip() == (
                "compeer sft: Process 1 was started otherwise than process 0: optimizer.learning_rate is 0.02 there "
                "and 0.01 in process 0; start all processes with the same settings and the same installation."
            )
    assert not (tmp_path / "never").exists()


REWARDS = """
import json, sys
from pathlib import Path

from compeer_jax.parallel.processes import ProcessesConfig, join

port, index, answer = sys.argv[1:]
join(ProcessesConfig(f"localhost:{port}", 2, int(index)))

from rewards_of_both import rated
Path(answer).write_text(json.dumps(rated()))
"""

REWARDS_OF_BOTH = """
import numpy as np
from small_judges import ITEMS, KEY

from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.load import load_reward

seen = []

def shorter_is_better(completions):
    seen.append([completion.record.id for completion in completions])
    return [-len(completion.text) / 10 for completion in completions]

def rated():
    judges = "rules", f"{__name__}.shorter_is_better"
    rewards = [load_reward(RewardConfig(judge=judge))(ITEMS, KEY) for judge in judges]
    parts = {name: np.asarray(values).tolist() for name, values in rewards[0].parts.items()}
    return {"seen": seen, "totals": [rewards.total.tolist() for rewards in rewards], "parts": parts}
"""


def test_rules_and_functions_rate_their_share_of_the_prompts_in_each_process(tmp_path, monkeypatch):
    (tmp_path / "rewards.py").write_text(REWARDS)
    (tmp_path / "rewards_of_both.py").write_text(REWARDS_OF_BOTH)
    monkeypatch.syspath_prepend(tmp_path)
    from rewards_of_both import rated

    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    settings = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "JAX_NUM_CPU_DEVICES": "1"}
    answers = [tmp_path / f"{index}.json" for index in range(2)]
    processes = []
    for index, answer in enumerate(answers):
        command = [sys.executable, tmp_path / "rewards.py", port, str(index), answer]
        processes.append(subprocess.Popen(command, env=os.environ | settings))
    try:
        assert [process.wait(240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    expected = rated()
    assert expected["seen"] == [["a#1", "a#1", "b#1", "b#1"]]
    for answer, seen in zip(answers, (["a#1", "a#1"], ["b#1", "b#1"]), strict=True):
        assert json.loads(answer.read_text()) == expected | {"seen": [seen]}
