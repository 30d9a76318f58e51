"""Metrics survive a kill: after a rewind the file holds each step once, and TensorBoard's events agree."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from compeer_jax.errors import UserError
from compeer_jax.runs.folder import RunFolder
from compeer_jax.runs.metrics import MetricWriter, read_metrics


@pytest.fixture
def folder(tmp_path):
    return RunFolder.open(tmp_path / "run", {"seed": 0})


def test_each_step_is_one_whole_line_at_once(folder):
    writer = MetricWriter(folder)
    writer.write(1, {"loss": jnp.float32(0.5), "tokens": 7, "reward": np.float64(-1.25)})
    writer.write(2, {"loss": 0.25})
    lines = folder.metrics.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "loss": 0.5, "tokens": 7, "reward": -1.25},
        {"step": 2, "loss": 0.25},
    ]
    writer.close()


def test_what_is_not_finite_is_null_in_the_file_and_nan_when_read(folder):
    with MetricWriter(folder) as writer:
        writer.write(1, {"grad_norm": math.nan, "kl": math.inf})
    assert "NaN" not in folder.metrics.read_text()
    (row,) = read_metrics(folder.metrics)
    assert row["step"] == 1
    assert math.isnan(row["grad_norm"])
    assert math.isnan(row["kl"])


def test_a_run_killed_after_its_checkpoint_leaves_no_gap_and_no_double_step(folder):
    uninterrupted = [{"step": step, "loss": 1 / step} for step in range(1, 8)]
    first = MetricWriter(folder)
    for row in uninterrupted[:5]:
        first.write(row["step"], {"loss": row["loss"]})
    with folder.metrics.open("a") as file:
        file.write('{"step": 6, "lo')  # killed in the middle of a line
    second = MetricWriter(folder)
    second.rewind(3)
    for row in uninterrupted[3:]:
        second.write(row["step"], {"loss": row["loss"]})
    second.close()
    assert read_metrics(folder.metrics) == uninterrupted


def test_steps_rise(folder):
    with MetricWriter(folder) as writer:
        writer.write(3, {"loss": 1.0})
        with pytest.raises(ValueError, match="step 3 after those of step 3"):
            writer.write(3, {"loss": 1.0})
    with MetricWriter(folder) as writer, pytest.raises(ValueError, match="step 2 after those of step 3"):
        writer.write(2, {"loss": 1.0})


def test_tensorboard_gets_every_number_and_hides_what_was_rewound(folder):
    from tensorboardX.proto import event_pb2

    first = MetricWriter(folder)
    for step in (1, 2, 3):
        first.write(step, {"loss": 10.0 * step})
    first.close()
    second = MetricWriter(folder)
    second.rewind(1)
    second.write(2, {"loss": -1.0})
    second.close()

    def events(path):
        data, offset = path.read_bytes(), 0
        while offset < len(data):
            size = int.from_bytes(data[offset : offset + 8], "little")
            event = event_pb2.Event()
            event.ParseFromString(data[offset + 12 : offset + 12 + size])
            yield event
            offset += 16 + size

    shown = {}
    for path in sorted(folder.tensorboard.iterdir()):
        for event in events(path):
            if event.session_log.status == event_pb2.SessionLog.START and event.step:
                shown = {step: value for step, value in shown.items() if step < event.step}
            for value in event.summary.value:
                shown[event.step] = (value.tag, value.simple_value)
    assert shown == {1: ("loss", 10.0), 2: ("loss", -1.0)}


def test_a_malformed_line_is_named(folder):
    folder.metrics.write_text('{"step": 1}\nnot json\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: not a line of metrics"):
        read_metrics(folder.metrics)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_metrics(tmp_path / "metrics.jsonl")
