"""scripts/recipes/table1.sh: which judges it trains, that they see as much, and that its commands can be given."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compeer_jax.cli.commands import find
from compeer_jax.cli.configure import parse_config
from compeer_jax.training.reward_config import RewardTrainConfig

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
RECORDER = """#!/usr/bin/env python3
import json, sys
with open("asked.jsonl", "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """The scripts and configs, and instead of the command one that writes down how it was called."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / ".venv" / "installed[evaluation]")
    (tmp_path / ".venv" / "bin" / "activate").write_text('PATH="$PWD/.venv/bin:$PATH"\n')
    (tmp_path / ".venv" / "bin" / "compeer").write_text(RECORDER)
    (tmp_path / ".venv" / "bin" / "compeer").chmod(0o755)
    return tmp_path


def run(project: Path, *arguments: str, **settings: str) -> tuple[list, str]:
    """The configs of all commands, in order, as the command line makes them; and what the script says."""
    done = subprocess.run(
        ["bash", "scripts/recipes/table1.sh", *arguments],
        cwd=project,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    os.chdir(project)
    given = []
    for line in (project / "asked.jsonl").read_text().splitlines():
        _, command, options = find(json.loads(line))
        given.append(parse_config(command.config_class(), options, command="", description=""))
    return given, done.stderr


@pytest.fixture(autouse=True)
def _stay(monkeypatch):
    monkeypatch.chdir(Path.cwd())


def cer(project: Path, *variants: str) -> None:
    folder = project / "built" / "cer" / "unifi"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("{}\n")
    for variant in variants:
        (folder / f"train_{variant}.jsonl").write_text("{}\n{}\n")


def test_silver_records_give_four_judges_and_a_line_on_the_other_two(project):
    given, said = run(project, "ESConv.json", STEPS="7")
    trained = [config for config in given if isinstance(config, RewardTrainConfig)]
    assert [(config.kind, config.silver.copies) for config in trained] == [
        ("prm", 1),
        ("orm", 1),
        ("unifi", 1),
        ("unifi", 2),
    ]
    seen = {(config.steps, config.batch_size, config.data.limit, config.model.path) for config in trained}
    assert seen == {(7, 4, 3000, "runs/table1/sft/model")}
    assert "No UnifiReward-R and -P" in said
    assert "4 judges of 7 steps" in said
    rated = given[-1]
    assert list(rated.judges) == ["PRM", "ORM", "UnifiReward", "UnifiReward-D"]
    assert [judge.directory for judge in rated.judges.values()] == [f"{config.output}/model" for config in trained]
    assert (rated.against, rated.published) == ("UnifiReward", "paper")


def test_a_cer_dataset_gives_all_six_and_each_seed_its_own(project):
    cer(project, "d", "r", "p")
    given, said = run(project, "built", SEEDS="3 4", MODEL="start", PRM_CALLS="together", RECORDS="0")
    trained = [config for config in given if isinstance(config, RewardTrainConfig)]
    assert [config.data.variant for config in trained] == ["none", "none", "none", "d", "r", "p"] * 2
    assert {config.prm_calls for config in trained} == {"together"}
    assert [config.seed for config in trained] == [3] * 6 + [4] * 6
    assert len({config.output for config in trained}) == 12
    assert list(given[-1].judges)[5:7] == ["UnifiReward-P", "PRM, seed 4"]
    assert given[-1].limit == 0
    assert len(given) == 13, "no model is made where one is named"
    assert "No UnifiReward" not in said


def test_a_variant_that_is_not_there_is_left_out_and_said(project):
    cer(project, "d", "r", "p")
    (project / "built/cer/unifi/train_p.jsonl").write_text("{}\n")  # no more than train
    given, said = run(project, "built")
    assert list(given[-1].judges) == ["PRM", "ORM", "UnifiReward", "UnifiReward-D", "UnifiReward-R"]
    assert "No UnifiReward-P: built/cer/unifi/train_p.jsonl adds nothing to train.jsonl" in said
