"""`compeer grpo --profile`: a trace that can be read, and a table whose rows add up."""

import re

import jax
import numpy as np
import pytest
from small_runs import GRPO

from compeer_jax.cli.main import main
from compeer_jax.runs.metrics import read_metrics


@pytest.fixture
def profiled(tmp_path, start, capsys):
    """`profiled("--steps", "6")`: what such a run prints, on one line, and its folder."""

    def run(*changes: str):
        config = tmp_path / "config.yaml"
        config.write_text(GRPO.replace("START", str(start)))
        arguments = ["--config", str(config), "--output", str(tmp_path / "run"), "--export", "false"]
        arguments += ["--loss.importance_cap", "2", "--reward.judge", "user_rewards.brevity", *changes]
        assert main(["grpo", *arguments, "--profile"]) == 0
        return capsys.readouterr().err, tmp_path / "run"

    return run


@pytest.mark.long
def test_a_profiled_run_says_where_its_steps_go_and_leaves_a_trace(profiled):
    said, folder = profiled("--steps", "6", "--loss.kl_coefficient", "0.01")
    whole = float(re.search(r"Steps 3-5 took ([\d.]+) s each", said)[1])
    rows = re.findall(r"^  (\w[^\n]*?) +([-\d.]+) s +([-\d.]+)%$", said, re.MULTILINE)
    labels, seconds, shares = zip(*rows, strict=True)
    parts = ["prefill", "decode", "judge", "old", "update", "host", "compiling"]
    assert [label.split()[0].strip(":,") for label in labels] == parts
    assert sum(map(float, seconds)) == pytest.approx(whole, rel=0.01, abs=0.004)
    assert sum(map(float, shares)) == pytest.approx(100, abs=0.5)

    rows = read_metrics(folder / "metrics.jsonl")[2:5]
    update, judge = (np.mean([row[f"time/{name}"] for row in rows]) for name in ("update", "reward"))
    table = dict(zip(parts, map(float, seconds), strict=True))
    assert table["update"] < update + 1e-3  # what it compiled is counted apart
    assert table["update"] + table["judge"] + table["compiling"] > update + judge - 3e-3

    [trace] = (folder / "profile").rglob("*.xplane.pb")
    names = {
        event.name
        for plane in jax.profiler.ProfileData.from_file(str(trace)).planes
        for line in plane.lines
        for event in line.events
    }
    assert any("update" in name for name in names)
    assert any("generate" in name for name in names)


@pytest.mark.long
def test_with_overlap_the_wait_for_a_rollout_is_not_divided(profiled):
    said, _ = profiled("--steps", "5", "--overlap", "true")
    assert "rollout (waiting for it)" in said
    assert "prefill" not in said


def test_a_run_too_short_to_profile_says_so(profiled):
    said, folder = profiled("--steps", "2")
    assert "Nothing is profiled: that takes steps 3-5, and the last is 2." in said
    assert not (folder / "profile").exists()
