"""What befalls a run's folder: flipped bits, other file modes, links, a clock set back, Ctrl-C, files of others."""

import os
import random
import signal
import stat
import threading
import time

import pytest
from small_runs import saved_steps
from train_states import assert_same, make_state
from user_rewards import Calls

from compeer_jax.cli.main import main
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.errors import UserError
from compeer_jax.files import replacing
from compeer_jax.models.saving import whole_directory
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.folder import RunFolder
from compeer_jax.runs.metrics import MetricWriter
from compeer_jax.runs.signals import StopSignals
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.sft import train_sft


@pytest.mark.parametrize("seed", range(6))
def test_one_flipped_bit_anywhere_in_a_checkpoint_is_noticed_and_the_one_before_is_taken(tmp_path, seed):
    draw = random.Random(seed)
    with Checkpoints(tmp_path, asynchronous=seed % 2 == 0) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, make_state(step), {"at": step}, {"reward": 0.0})
    files = [path for path in (tmp_path / "2").rglob("*") if path.is_file() and path.stat().st_size]
    file = draw.choice(
        sorted(path for path in files if path.name not in ("_CHECKPOINT_METADATA", "commit_success.txt"))
    )
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(UserError, match=r"The checkpoint .*/2 is damaged"),
    ):
        checkpoints.stored(make_state())
    with Checkpoints(tmp_path) as checkpoints:
        step, state, _ = checkpoints.restore(make_state())
        assert step == 1
        assert_same(state, make_state(1))
    assert (tmp_path / "unreadable-2").is_dir()


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o007])
def test_file_modes_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_jsonl(tmp_path / "rows.jsonl", [{"a": 1}])
        with replacing(tmp_path / "report.md") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    for name in ("rows.jsonl", "report.md"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_links_stay_links_and_what_they_point_to_is_written(tmp_path):
    (tmp_path / "big").mkdir()
    for name in ("rows.jsonl", "model"):
        (tmp_path / name).symlink_to(tmp_path / "big" / name)
    for count in (1, 2):  # where nothing is there yet, and over it
        write_jsonl(tmp_path / "rows.jsonl", [{"a": 1}] * count)
        with whole_directory(tmp_path / "model") as temporary:
            (temporary / "config.json").write_text(str(count))
    assert all((tmp_path / name).is_symlink() for name in ("rows.jsonl", "model"))
    assert len((tmp_path / "big" / "rows.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "big" / "model" / "config.json").read_text() == "2"
    assert sorted(path.name for path in (tmp_path / "big").iterdir()) == ["model", "rows.jsonl"]


def test_links_in_a_circle_are_no_place_for_a_model(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UserError, match=r"cannot write the model to .*/a \("), whole_directory(tmp_path / "a"):
        pass


def test_the_home_of_nobody_is_a_sentence(capsys):
    assert main(["export", "--run", "~nobody-of-that-name/x", "--output", "y"]) == 2
    assert "begins with '~' and a name that no user here has" in capsys.readouterr().err


def test_a_clock_set_back_by_a_month_blocks_no_metrics(tmp_path, monkeypatch):
    with MetricWriter(RunFolder.open(tmp_path, {})) as writer:
        writer.write(1, {"loss": 1.0})
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 30 * 86_400)
        done = threading.Event()

        def write_more() -> None:
            for step in range(2, 40):
                writer.write(step, {f"loss/{index}": 1e300 for index in range(4)} | {"tokens": 2**40})
            done.set()

        threading.Thread(target=write_more, daemon=True).start()
        assert done.wait(30)


def test_a_stray_file_where_the_model_goes_is_named_before_anything_is_trained(configure, tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "notes.odt").write_text("mine")
    with pytest.raises(UserError, match=r"run/model holds 'notes.odt', so it is no model to replace"):
        train_sft(configure(SFTConfig))
    assert saved_steps(tmp_path / "run") == []


# Ctrl-C


def test_ctrl_c_is_noted_raises_where_that_is_safe_and_ends_at_once_when_meant_again(monkeypatch, capfd):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with StopSignals() as stop:
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)  # pressed once, passed on twice
            assert stop.received() == "SIGINT"
            assert capfd.readouterr().err.count("saves after this step") == 1
        signal.raise_signal(signal.SIGINT)  # passed on after the run has ended
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt), stop.interruptible():
                raise AssertionError("not entered")
            later = time.monotonic() + 10
            monkeypatch.setattr(time, "monotonic", lambda: later)
            with stop.shielded():
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with StopSignals() as stop:
            with pytest.raises(KeyboardInterrupt), stop.interruptible():
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert stop.received() == "SIGTERM"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_saves_when_sigterm_and_then_ctrl_c_come(configure, tmp_path, capsys):
    configure(GRPOConfig)
    arguments = ["grpo", "--config", str(tmp_path / "GRPOConfig.yaml"), "--steps", "3", "--checkpoint.every", "50"]
    arguments += ["--reward.judge", "user_rewards.presses_ctrl_c", "--export", "false"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    Calls.made, Calls.last = 0, 3  # in step 2, after a look at references
    try:
        assert main([*arguments, "--output", str(tmp_path / "stopped")]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.strip().endswith("interrupted; the same command goes on from what is saved.")
    assert saved_steps(tmp_path / "stopped") == [1]
