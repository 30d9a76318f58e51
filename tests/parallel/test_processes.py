"""How the processes of a run meet, what they tell each other, and which devices and rows are whose."""

import dataclasses
import importlib.resources
import json
import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from compeer_jax.cli.configure import parse_config
from compeer_jax.data.chat import Example
from compeer_jax.data.pictures import Picture
from compeer_jax.data.policy_data import pack_example, unpack_example
from compeer_jax.errors import UserError
from compeer_jax.parallel import exchange
from compeer_jax.parallel.mesh import share_of_each_process
from compeer_jax.parallel.processes import ProcessesConfig, join
from compeer_jax.rewards.sharded import _joined
from compeer_jax.runs.identity import _first_difference, check_same_run, code_digest
from compeer_jax.training.config import SFTConfig


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"coordinator": "host"}, "processes.coordinator is 'host'; give HOST:PORT of process 0, or 'auto'"),
        ({"coordinator": ":80", "count": 1, "index": 0}, "processes.coordinator is ':80'; give HOST:PORT"),
        ({"coordinator": "host:80"}, "processes.index is -1 and processes.count is 0; with a HOST:PORT each process"),
        ({"coordinator": "host:80", "count": 2, "index": 2}, "processes.index is 2 and processes.count is 2"),
        ({"count": 2, "index": 0}, "processes.count is 2 and processes.index is 0, which need the HOST:PORT"),
        ({"coordinator": "auto", "count": 2}, "which need the HOST:PORT of process 0"),
        ({"heartbeat": 1}, "processes.heartbeat is 1; it must be at least 10."),
    ],
)
def test_settings_that_cannot_be_meant_are_one_sentence(settings, sentence):
    with pytest.raises(UserError) as error:
        ProcessesConfig(**settings)
    assert sentence in str(error.value)


def test_every_training_command_takes_the_settings():
    flags = ["--output", "x", "--processes.coordinator", "10.0.0.1:8476", "--processes.count", "4"]
    config = parse_config(SFTConfig, [*flags, "--processes.index", "3"], command="sft", description="")
    assert dataclasses.astuple(config.processes)[:3] == ("10.0.0.1:8476", 4, 3)


def test_without_a_coordinator_nothing_is_joined():
    join(ProcessesConfig())
    assert not jax.distributed.is_initialized()


def test_a_run_that_cannot_be_joined_any_more_says_so():
    assert jax.device_count() == 8  # so JAX is in use
    with pytest.raises(UserError, match="JAX has been used before the processes of the run met"):
        join(ProcessesConfig("localhost:1", 2, 1))


def sft(**environment: str) -> subprocess.CompletedProcess:
    """`compeer sft` with these variables and the settings in FLAGS, in a process of its own."""
    flags = environment.pop("FLAGS").split()
    command = [sys.executable, "-m", "compeer_jax.cli.main", "sft", "--output", "never", *flags]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_where_no_launcher_is_seen_it_is_said():
    done = sft(FLAGS="--processes.coordinator auto")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "compeer sft: processes.coordinator is 'auto', but nothing here tells how many processes there are (no TPU "
        "pod, SLURM, Open MPI or Kubernetes job is seen); give HOST:PORT of process 0, count and index instead.\n"
    )


def test_others_that_never_come_are_said_in_the_last_line():
    """The runtime aborts the process from within, with pages of its own."""
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"--processes.coordinator localhost:{port} --processes.count 2 --processes.index 1"
    done = sft(FLAGS=f"{address} --processes.timeout 2")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(
        "compeer: the processes of the run did not meet within processes.timeout = 2 s (process 0 at "
        f"localhost:{port}); start all of them"
    )


# What is exchanged


def test_one_process_shares_everything_with_itself():
    items = list(range(7))
    assert exchange.share_of(items) == items
    assert exchange.gather("a") == ["a"]
    assert exchange.from_first(lambda: 3) == 3
    assert exchange.by_share(lambda share: [item * 2 for item in share], items) == [item * 2 for item in items]


@pytest.mark.parametrize("processes, count", [(1, 5), (2, 5), (3, 2), (4, 9)])
def test_shares_are_all_items_once_and_of_almost_one_size(monkeypatch, processes, count):
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    shares = []
    for index in range(processes):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        shares.append(exchange.share_of(range(count)))
    assert [item for share in shares for item in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_an_example_comes_back_from_json_as_it_was():
    pictures = (Picture("a.png", "ab" * 32, 84, 56),)
    example = Example(np.array([5, 6], np.int32), np.array([False, True]), pictures)
    back = unpack_example(json.loads(json.dumps(pack_example(example))))
    for one, other in ((example.tokens, back.tokens), (example.loss_mask, back.loss_mask)):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert back.pictures == pictures
    assert unpack_example(pack_example(None)) is None


def test_a_key_from_one_part_of_the_machine_draws_the_same_on_another():
    there = jax.device_put(jax.random.key(3), jax.devices()[5])
    free = exchange.host_key(there)
    elsewhere = jax.jit(jax.random.normal)(jax.device_put(free, jax.devices()[2]))
    assert float(elsewhere) == float(jax.random.normal(jax.random.key(3)))


def test_shares_of_rewards_are_joined_in_order_and_diagnostics_weighed_by_outputs():
    shares = [
        {"total": [1.0, 2.0, 3.0], "parts": {"format": [1, -1, 1]}, "diagnostics": {"seen": 1.0}},
        {"total": [4.0], "parts": {"format": [-1]}, "diagnostics": {"seen": 0.0, "rare": 2.0}},
    ]
    rewards = _joined(shares)
    np.testing.assert_array_equal(rewards.total, [1, 2, 3, 4])
    np.testing.assert_array_equal(rewards.parts["format"], [1, -1, 1, -1])
    assert rewards.diagnostics == {"seen": 0.75, "rare": 2.0}


# What is whose


@dataclasses.dataclass(frozen=True)
class Device:
    id: int
    process_index: int


DEVICES = [Device(process * 10 + number, process) for process in range(2) for number in range(4)]


def test_a_part_of_the_machine_is_a_part_of_each_process():
    first = share_of_each_process(DEVICES, 4, "the policy")
    last = share_of_each_process(DEVICES, 4, "the judge", last=True)
    assert [device.id for device in first] == [0, 1, 10, 11]
    assert [device.id for device in last] == [2, 3, 12, 13]


def test_a_part_that_processes_cannot_share_equally_is_refused():
    with pytest.raises(UserError) as error:
        share_of_each_process(DEVICES, 3, "reward.models.devices = 3", last=True)
    assert str(error.value) == (
        "reward.models.devices = 3 uses 3 of 8 devices, which 2 processes can't share equally; take a multiple of 2, "
        "so that each process owns a part of every array."
    )


def test_the_first_setting_that_differs_is_named():
    one = {"steps": 3, "optimizer": {"learning_rate": 1e-3, "clip": 1}, "code": "a"}
    assert _first_difference(one, one) is None
    assert _first_difference(one, one | {"code": "b"}) == ("code", "a", "b")
    other = one | {"optimizer": {"learning_rate": 1e-2, "clip": 1}, "code": "b"}
    assert _first_difference(one, other) == ("optimizer.learning_rate", 1e-3, 1e-2)
    assert _first_difference(one, {"steps": 3, "code": "a"})[0] == "optimizer.learning_rate"
    check_same_run(one)  # one process agrees with itself


def test_the_code_has_one_digest_which_a_changed_file_changes(tmp_path, monkeypatch):
    before = code_digest()
    assert len(before) == 64
    assert code_digest() == before
    package = tmp_path / "compeer_jax"
    package.mkdir()
    source = importlib.resources.files("compeer_jax") / "__init__.py"
    (package / "__init__.py").write_text(source.read_text())
    monkeypatch.setattr("compeer_jax.__file__", str(package / "__init__.py"))
    small = code_digest()
    (package / "__init__.py").write_text(source.read_text() + "\n")
    assert code_digest() != small
