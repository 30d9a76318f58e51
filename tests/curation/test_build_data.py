"""The whole data pipeline as its users run it: in processes of its own, against a real server that answers by script,
killed at random, and left to go on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
CONCURRENCY = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The url of a scripted server, and the log of what it is asked."""
    log = tmp_path_factory.mktemp("server") / "asked.jsonl"
    log.touch()
    script = str(ROOT / "scripts" / "scripted_chat_server.py")
    command = [sys.executable, script, "--port", "0", "--log", str(log), "--delay", "0.004"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
    yield process.stdout.readline().split()[-1], log
    process.kill()


def command(folder: Path, url: str, *more: str) -> list[str]:
    """`compeer data build` on the bundled dialogues."""
    names = ("scripted-a", "scripted-b", "scripted-c")
    server = {"url": url, "concurrency": CONCURRENCY, "patience": 30}
    models = {name: {"server": {**server, "model": name}} for name in names}
    config = str(ROOT / "configs" / "scripted_data.yaml")
    build = [sys.executable, "-m", "compeer_jax.cli.main", "data", "build", "--config", config]
    few = ["--corpora", "[{path: sample, limit: 44}]", "--rounds.per_dialogue", "1"]  # English and Chinese
    return [*build, "--output", str(folder), "--models", json.dumps(models), *few, *more]


def build(folder: Path, url: str, *more: str) -> str:
    done = subprocess.run(command(folder, url, *more), capture_output=True, text=True, env=_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "JAX_PLATFORMS": "cpu"}


def files(folder: Path) -> dict[str, bytes]:
    """All that the stages wrote; the kept answers and the lock are theirs who run."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "answers" not in path.parts and not path.name.startswith(".lock")
    }


def asked(log: Path) -> list[str]:
    """The hashes of all requests so far."""
    return [json.loads(line)["sha256"] for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    """A build that nothing disturbed, with what it asked."""
    url, log = server
    folder = tmp_path_factory.mktemp("data") / "built"
    before = len(asked(log))
    build(folder, url)
    return folder, asked(log)[before:]


def test_nothing_is_asked_twice_and_nothing_is_done_again(undisturbed, server):
    (folder, questions), (url, log) = undisturbed, server
    assert questions
    assert set(Counter(questions).values()) == {1}
    before, times = files(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")}
    known = len(asked(log))
    assert build(folder, url).count("(as before)") == 8
    assert files(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")} == times
    assert len(asked(log)) == known


def test_killed_at_random_it_ends_with_the_same_files(undisturbed, server, tmp_path):
    (whole, questions), (url, log) = undisturbed, server
    folder, generator, kills, began = tmp_path / "built", random.Random(7), 0, len(asked(log))
    while True:
        limit = len(asked(log)) + generator.randrange(len(questions) // 6)  # answers until the next kill
        process = subprocess.Popen(
            command(folder, url), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment()
        )
        while process.poll() is None and len(asked(log)) <= limit:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0, process.stderr.read().decode()
    assert kills >= 5
    again = Counter(asked(log)[began:])
    assert set(again) == set(questions)
    assert again.total() - len(again) <= kills * CONCURRENCY  # only what was under way when a kill came
    assert files(folder) == files(whole)
