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
from pathlib import Path

import jax
import numpy as np
import pytest
from chain_model import chain_model
from chat_server_fixture import ChatHTTPServer, last_message
from test_in_process_judge import ITEMS, KEY, asked, judge, untrained  # noqa: F401  `untrained` is a fixture
from test_training import GRPO, SFT, start, weights  # noqa: F401  `start` is a fixture

from compeer_jax.cli.configure import parse_config
from compeer_jax.training.checkpoints import Checkpoints
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.metrics import read_metrics
from compeer_jax.training.sft import train_sft

REWARD = """
def shorter_is_better(completions):
    assert len({completion.record.id for completion in completions}) == SEEN, "each process rates its share of prompts"
    return [-len(completion.text) / 10 for completion in completions]
"""
HEARTBEAT = 20

# A policy that leaves parts out or empty by chance, so that outputs fare differently.
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


@pytest.fixture
def arguments(tmp_path, start) -> Callable[..., list[str]]:  # noqa: F811
    """`arguments("grpo", "name", "--steps", "3")`: what `compeer` is given for a run in the folder `name`."""

    def make(command: str, name: str, *changes: str) -> list[str]:
        text = {"sft": SFT, "grpo": GRPO}[command].replace("START", str(start))
        config = tmp_path / f"{command}.yaml"
        config.write_text(text)
        return [command, "--config", str(config), "--output", str(tmp_path / name), *changes]

    return make


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

    def wait(self, timeout: float = 300) -> list[int]:
        """Exit statuses of all."""
        return [process.wait(timeout) for process in self.processes]

    def until(self, file: Path, *, lines: int) -> None:
        """Returns when so many lines are in the file."""
        deadline = time.monotonic() + 240
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


def assert_same_model(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_sft_in_four_processes_is_that_of_one(arguments, tmp_path):
    """Weights split over processes by `fsdp` and by `tensor`, so that two processes read the same rows."""
    changes = ("--steps", "2", "--mesh.fsdp", "2", "--mesh.tensor", "2")
    one = train_sft(parse_config(SFTConfig, arguments("sft", "one", *changes)[1:], command="", description=""))
    with Launch(tmp_path, arguments("sft", "several", *changes), 4, devices=1, launcher="slurm") as launched:
        launched.finished()
        for index in range(1, 4):
            assert not launched.said(index).strip()  # process 0 speaks for all
    assert_same_metrics(one, tmp_path / "several", 2)
    assert_same_model(one, tmp_path / "several")


def verdict(body: dict) -> str:
    """A judge behind a server that goes by the checksum of what it is shown."""
    text = last_message(body)
    number = zlib.crc32(text.encode())
    return f"Verdict: {('first', 'second', 'similar', 'neither')[number % 4] if '<first>' in text else number % 2 == 0}"


def test_a_signal_to_one_makes_both_save_the_same_step_of_a_run_that_a_server_judges(
    arguments,
    untrained,  # noqa: F811
    tmp_path,
):
    """Up to there it is the run of one process, and the server was asked about the same outputs, once each."""
    policy = chain_model(tmp_path / "policy", untrained, POLICY, learns=True)
    changes = ("--model.path", str(policy), "--sampling.max_new_tokens", "16", "--mesh.data", "2", "--slots", "6")
    changes = (*changes, "--reward.judge", "remote", "--reward.remote.model", "judge")
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
        alone = arguments("grpo", "one", *changes, "--steps", str(done))
        one = train_grpo(parse_config(GRPOConfig, alone[1:], command="", description=""))
        assert Counter(map(json.dumps, server.asked)) <= by_both  # they may have begun another step
        assert max(by_both.values()) == 1
    assert all(row["reward_std"] > 0.5 for row in read_metrics(one / "metrics.jsonl"))
    assert_same_metrics(one, run, done)


def test_a_lost_process_ends_the_others_and_the_run_goes_on_when_all_are_back(arguments, tmp_path, monkeypatch):
    """The weights split over two processes; the whole is that of one process which nothing ever stopped."""
    changes = ("--steps", "6", "--mesh.fsdp", "2", "--optimizer.learning_rate", "1e-3")
    changes += ("--reward.judge", "rewards_of_both.shorter_is_better")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "rewards_of_both.py").write_text(REWARD.replace("SEEN", "4"))
    (tmp_path / "rewards_of_both.py").write_text(REWARD.replace("SEEN", "2"))
    monkeypatch.syspath_prepend(tmp_path / "alone")
    one = train_grpo(parse_config(GRPOConfig, arguments("grpo", "one", *changes)[1:], command="", description=""))

    several = arguments("grpo", "several", *changes)
    with Launch(tmp_path, several, 2, devices=1) as launched:
        launched.until(tmp_path / "several" / "metrics.jsonl", lines=3)
        launched.processes[1].send_signal(signal.SIGKILL)
        assert launched.processes[0].wait(60) != 0
        last = launched.last_line(0)
        assert "another" in last
        assert "start all processes again, and the run goes on from its last checkpoint" in last
        assert launched.last_line(1).startswith("compeer: process 1 of 2 has ended")
    with Launch(tmp_path, several, 2, devices=1) as launched:
        launched.finished()
        assert "Going on after step" in launched.said(0)
    assert_same_metrics(one, tmp_path / "several", 6)
    assert_same_model(one, tmp_path / "several")
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


JUDGE = """
import json, sys
from pathlib import Path

from compeer_jax.parallel.processes import ProcessesConfig, join

directory, port, index, answer = sys.argv[1:]
join(ProcessesConfig(f"localhost:{port}", 2, int(index)))

import jax
from test_in_process_judge import ITEMS, KEY, asked, judge

from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import JudgeModelsConfig

mesh = make_mesh(MeshConfig(data=2))
rambler = judge(directory, JudgeModelsConfig(dtype="float32", devices=2), mesh)
with jax.set_mesh(mesh):
    replies = rambler(asked(*ITEMS), jax.random.fold_in(KEY, 1), group_size=2)
places = [[device.id for device in mesh.devices.flat] for mesh in (mesh, rambler.mesh)]
Path(answer).write_text(json.dumps({"replies": replies, "places": places}))
"""


def test_a_judge_on_the_last_device_of_each_process_says_what_one_device_says(untrained, tmp_path):  # noqa: F811
    (tmp_path / "judge.py").write_text(JUDGE)
    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    settings = {"PYTHONPATH": str(Path(__file__).parent), "JAX_NUM_CPU_DEVICES": "2"}
    answers = [tmp_path / f"{index}.json" for index in range(2)]
    processes = []
    for index, answer in enumerate(answers):
        command = [sys.executable, tmp_path / "judge.py", untrained, port, str(index), answer]
        processes.append(subprocess.Popen(command, env=os.environ | settings))
    try:
        assert [process.wait(240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    first, second = (json.loads(answer.read_text()) for answer in answers)
    assert first == second
    (policy, own), alone = first["places"], judge(untrained)
    assert not {*policy} & {*own}
    expected = alone(asked(*ITEMS), jax.random.fold_in(KEY, 1), group_size=2)
    assert [tuple(texts) for texts in first["replies"]] == expected
