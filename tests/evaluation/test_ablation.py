"""`compeer ablate`: a run's own setting gives back what it logged, another what a run with it would have logged."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml
from logged_run import WEIGHTS, logged_run

from compeer_jax.cli.main import main
from compeer_jax.errors import UserError
from compeer_jax.evaluation.ablation import AblateConfig, ablate
from compeer_jax.evaluation.ablation_report import all_settings_table, heatmap, own_setting, settings_table
from compeer_jax.runs.folder import RunFolder
from compeer_jax.training.samples import read_rollouts, rollout_path

SMALL = {"alpha": "0.1,0.5,2", "beta": "1,5", "sign": "paper,aware", "scale": "group,none"}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return logged_run(tmp_path_factory.mktemp("runs") / "run", alpha=0.75, sign="aware", weights=WEIGHTS)


@pytest.fixture
def copy(run, tmp_path) -> RunFolder:
    """The same run, to be changed."""
    return RunFolder(shutil.copytree(run.path, tmp_path / "copy"))


def rewrite(folder: RunFolder, step: int, change) -> None:
    """Changes every logged row of a step."""
    path = rollout_path(folder, step)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in lines), encoding="utf-8")


def without(name):
    return lambda row: {key: value for key, value in row.items() if key != name}


# Reading rollouts back


def test_what_was_logged_is_read_back(run):
    rollouts = read_rollouts(run)
    assert rollouts.steps == (1, 2, 3, 4)
    assert rollouts.part_names == ("history", "emotion", "strategy", "response", "format")
    assert rollouts.parts.shape == (4, 3, 4, 5)
    rows = [json.loads(line) for line in rollout_path(run, 2).read_text(encoding="utf-8").splitlines()]
    assert rollouts.rows[12:24] == rows
    for name, field in (("reward", "rewards"), ("length", "lengths"), ("advantage", "advantages"), ("s_hi", "s_hi")):
        np.testing.assert_allclose(getattr(rollouts, field)[1].ravel(), [row[name] for row in rows], rtol=1e-6)
    words = [len(row["response"].split()) for row in rows if row["id"].startswith("sample-en")]
    lengths = [row["length"] for row in rows if row["id"].startswith("sample-en")]
    np.testing.assert_allclose(lengths, words, atol=3)  # "can't" is two words to one of the two


def test_some_steps_or_the_last_can_be_asked_for(run):
    assert read_rollouts(run, [3, 1]).steps == (1, 3)
    assert read_rollouts(run, last=2).steps == (3, 4)
    assert read_rollouts(run, last=9).steps == (1, 2, 3, 4)
    with pytest.raises(UserError, match="no rollout of step 7; its steps are 1-4"):
        read_rollouts(run, [2, 7])


@pytest.mark.parametrize(
    "change, sentence",
    [
        (without("advantage"), r"step_000001\.jsonl, line 1: 'advantage' is missing"),
        (without("length"), r"line 1: 'length' is missing"),
        (without("parts"), "'parts' of the reward are missing"),
        (without("member"), "whole groups"),
        (lambda row: row | {"s_in": "high"}, "'s_in' is missing or no number"),
        (lambda row: row | {"parts": {row["id"]: 1.0}}, "do not all have the reward parts"),
    ],
)
def test_a_damaged_rollout_is_named(copy, change, sentence):
    rewrite(copy, 1, change)
    with pytest.raises(UserError, match=sentence):
        read_rollouts(copy)


def test_steps_of_another_size_are_named(copy):
    path = rollout_path(copy, 2)
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:4]), encoding="utf-8")
    with pytest.raises(UserError, match=r"step_000002\.jsonl has not the 3 x 4 outputs of step 1"):
        read_rollouts(copy)


# The sweep


def test_the_runs_own_setting_gives_back_its_logged_advantages(run):
    ablation = ablate(AblateConfig(run=str(run.path), **SMALL))
    assert ablation.mismatch < 1e-5
    assert ablation.base == ("on", 0.75, 5.0, "aware", "group", (1.0, 1.0, 1.0, 2.0, 0.5))
    assert ablation.summary.agreement[0] == pytest.approx(1)
    assert ablation.summary.reward[0] == pytest.approx(ablation.rollouts.reweighted.mean(), rel=1e-5)


@pytest.mark.parametrize(
    "changed", [{"alpha": 2.0, "beta": 1.0}, {"sign": "paper"}, {"scale": "batch"}, {"reweighting": False}]
)
def test_another_setting_is_what_a_run_with_it_would_have_logged(run, tmp_path, changed):
    """The same outputs again, logged under the other setting."""
    settings = {"alpha": 0.75, "sign": "aware", "weights": WEIGHTS} | changed
    logged = read_rollouts(logged_run(tmp_path / "other", **settings))
    grid = {name: "off" if name == "reweighting" else str(value) for name, value in changed.items()}
    ablation = ablate(AblateConfig(run=str(run.path), **grid))
    index = next(
        number
        for number, setting in enumerate(ablation.settings)
        if set(ablation.differences(setting)) == set(grid)
        and all(str(getattr(setting, name)) == value for name, value in grid.items())
    )
    assert ablation.summary.reward[index] == pytest.approx(logged.reweighted.mean(), rel=1e-5)
    assert ablation.summary.advantage[index] == pytest.approx(np.abs(logged.advantages).mean(), rel=1e-4)


def test_the_grid_holds_every_combination_once_and_the_runs_own_first(run):
    ablation = ablate(AblateConfig(run=str(run.path), **SMALL, weights="response=0,1 format=0.5"))
    crossed = {setting for setting in ablation.settings if setting.alpha != 0.75 and setting.weights[3] != 2}
    assert len(crossed & set(ablation.settings)) == 3 * 2 * 2 * 2 * 2
    assert len(set(ablation.settings)) == len(ablation.settings)
    assert ablation.differences(ablation.settings[0]) == {}
    assert all(setting.weights[4] == 0.5 for setting in ablation.settings)


def test_a_reward_without_parts_that_add_up_is_swept_as_a_whole(copy):
    for step in (1, 2, 3, 4):
        rewrite(copy, step, lambda row: row | {"parts": {"mine": row["reward"] * 3}})
    ablation = ablate(AblateConfig(run=str(copy.path), **SMALL))
    assert ablation.rollouts.part_names == ("reward",)
    assert ablation.mismatch < 1e-5
    with pytest.raises(UserError, match="it can be one of: reward"):
        ablate(AblateConfig(run=str(copy.path), weights="mine=1,2"))


def test_the_last_steps_can_be_rated_alone(run):
    ablation = ablate(AblateConfig(run=str(run.path), **SMALL, last=1))
    assert ablation.rollouts.parts.shape == (1, 3, 4, 5)
    assert ablation.mismatch < 1e-5


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"alpha": "0,much"}, "alpha '0,much' is no list of numbers"),
        ({"alpha": "0.5,0"}, "alpha has 0 among its values; they must be finite numbers above 0"),
        ({"reweighting": "on,of"}, "unknown reweighting 'of'; did you mean 'off'"),
        ({"beta": "nan"}, "beta has nan"),
        ({"sign": "papr"}, "unknown sign 'papr'; did you mean 'paper'"),
        ({"scale": "batches"}, "did you mean 'batch'"),
        ({"weights": "respnse=1"}, "did you mean 'response'"),
        ({"weights": "response"}, "not of the form response=0,1,2"),
        ({"weights": "response="}, "no list of numbers"),
        ({"run": "nowhere"}, "nowhere is no run folder"),
    ],
)
def test_a_wrong_grid_is_one_sentence(run, changes, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        ablate(AblateConfig(**({"run": str(run.path)} | changes)))
    assert "\n" not in str(error.value)


def test_a_run_without_rollouts_or_rewards_is_one_sentence(run, tmp_path):
    sft = RunFolder.open(tmp_path / "sft", {"steps": 3})
    with pytest.raises(UserError, match="no reward settings"):
        ablate(AblateConfig(run=str(sft.path)))
    settings = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    wrong = [{"alpha": None}, {"sign": "both"}, {"reweighting": "on"}, {"beta": float("nan")}, None]
    for number, change in enumerate(wrong):
        reward = settings["reward"] | change if change else {}
        damaged = RunFolder.open(tmp_path / str(number), settings | {"reward": reward})
        with pytest.raises(UserError, match="no reward settings"):
            ablate(AblateConfig(run=str(damaged.path)))
    empty = RunFolder.open(tmp_path / "empty", settings)
    with pytest.raises(UserError, match="no logged rollouts"):
        ablate(AblateConfig(run=str(empty.path)))


# What is written


def test_the_command_writes_tables_and_a_picture(run, capsys):
    assert (
        main(["ablate", "--run", str(run.path), "--alpha", "0.1,0.5,0.75", "--beta", "1,5", "--weights", "response=0"])
        == 0
    )
    shown = capsys.readouterr().out
    for text in ("48 outputs (4 steps x 3 prompts x 4)", "the run's own", "sign paper", "response weight 0"):
        assert text in shown
    folder = run.path / "ablation"
    assert sorted(path.name for path in folder.iterdir()) == ["heatmap.png", "table.csv", "table.md"]
    assert "response weight 0" in (folder / "table.md").read_text(encoding="utf-8")
    with (folder / "table.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    own = [row for row in table if (row["alpha"], row["beta"], row["weight_response"]) == ("0.75", "5.0", "2.0")]
    assert {(row["sign"], row["scale"]) for row in own} >= {("aware", "group"), ("paper", "group"), ("aware", "none")}


def test_a_mistake_leaves_nothing_behind(tmp_path, capsys):
    assert main(["ablate", "--run", str(tmp_path / "nowhere")]) == 2
    assert "is no run folder" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_rows_differ_from_the_run_in_one_thing(run):
    ablation = ablate(AblateConfig(run=str(run.path), **SMALL))
    names = [row[0] for row in settings_table(ablation).rows]
    expected = ["reweighting off", "alpha 0.1", "alpha 0.5", "alpha 2", "beta 1", "sign paper", "scale none"]
    assert names == ["the run's own", *expected]


def test_of_a_run_without_reweighting_the_rows_show_what_it_would_do(tmp_path):
    plain = logged_run(tmp_path / "plain", alpha=0.75, sign="aware", weights=WEIGHTS, reweighting=False)
    ablation = ablate(AblateConfig(run=str(plain.path), **SMALL))
    assert ablation.mismatch < 1e-5
    names = [row[0] for row in settings_table(ablation).rows]
    assert names[:3] == ["the run's own", "reweighting on", "reweighting on, alpha 0.1"]
    assert own_setting(ablation).startswith("no reweighting, scale group")
    heatmap(ablation)


def test_a_run_of_other_equations_is_refused_in_one_sentence(copy):
    """Its logged rewards are those of r / (1 + τ (s_in + s_hi)) with τ = α L / (L + β), as earlier versions had it."""
    for step in read_rollouts(copy).steps:
        rewrite(copy, step, earlier)
    with pytest.raises(UserError, match=r"rewarded by other equations.*train it anew") as error:
        ablate(AblateConfig(run=str(copy.path), **SMALL))
    assert "\n" not in str(error.value)


def earlier(row):
    penalty = 1 + 0.75 * row["length"] / (row["length"] + 5) * (row["s_in"] + row["s_hi"])
    reward = row["reward"]
    return row | {"reweighted": reward * penalty if reward < 0 else reward / penalty}


def test_the_csv_holds_the_numbers_of_every_setting(run):
    ablation = ablate(AblateConfig(run=str(run.path), **SMALL))
    table = list(csv.DictReader(all_settings_table(ablation).csv().splitlines()))
    assert len(table) == len(ablation.settings)
    for row, setting, reward in zip(table, ablation.settings, ablation.summary.reward, strict=True):
        assert (float(row["alpha"]), row["sign"], row["scale"]) == (setting.alpha, setting.sign, setting.scale)
        assert float(row["reward"]) == pytest.approx(float(reward), rel=1e-5)


@pytest.mark.parametrize(
    "grid, panels, shape",
    [
        (SMALL, 3, (2, 3)),  # aware/group (the nearest to the run), paper/group, aware/none
        ({**SMALL, "alpha": "0.1", "beta": "5"}, 1, (2, 2)),
        ({"alpha": "0.75", "beta": "5", "sign": "aware", "scale": "group"}, 1, (1, 1)),
        ({"alpha": "0.1,1", "beta": "5", "sign": "aware", "scale": "none", "weights": "response=0,1,2"}, 1, (3, 2)),
    ],
)
def test_the_picture_shows_the_swept_numbers(run, grid, panels, shape):
    ablation = ablate(AblateConfig(run=str(run.path), **grid))
    axes = heatmap(ablation).axes
    images = [np.asarray(panel.images[0].get_array()) for panel in axes]
    assert len(images) == 4 * panels
    assert all(image.shape == shape for image in images)
    shown = np.concatenate([image.ravel() for image in images[::4]])
    assert set(shown.tolist()) <= set(ablation.summary.redundancy.tolist())
    framed = [len(panel.patches) for panel in axes]
    own_is_shown = "0.75" in grid["alpha"].split(",") and grid["scale"] != "none"
    assert sum(framed) == (4 if own_is_shown else 0)
