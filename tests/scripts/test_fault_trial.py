"""The short form of the fault trial: SFT, and GRPO under a judge that is a model, killed and resumed, bit for bit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


def test_killed_runs_end_as_undisturbed_ones(tmp_path):
    trial = [sys.executable, str(ROOT / "scripts" / "bench" / "fault_trial.py"), "--folder", str(tmp_path / "trial")]
    changes = ["--stages", "sft", "grpo", "--runs", "2", "--kills", "1", "--kills-only"]
    done = subprocess.run(
        [*trial, *changes], capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"\| (sft|grpo), SIGKILL \| 1 \| (\d) \| .* \| 1 \|", done.stdout)
    assert [name for name, _ in rows] == ["sft", "grpo"]
    assert any(int(kills) for _, kills in rows)  # a kill may come when its run is done
