"""The picture of a run: it holds the numbers there are, leaves out what there is not, and never lies by smoothing."""

import math

import numpy as np
import pytest

from compeer_jax.errors import UserError
from compeer_jax.runs.curves import PANELS, lines_of, plot_comparison, plot_curves, smoothed

PANEL = {panel.title: panel for panel in PANELS}


def grpo_rows(steps):
    return [
        {
            "step": step,
            "reward": step / 10,
            "rewards/format/mean": 1.0,
            "rewards/emotion/mean": -0.5,
            "redundancy/in_group": 0.4,
            "entropy": math.nan if step == 2 else 1.5,
            "grad_norm": 0.1 * step,
            "learning_rate": 1e-6,
            "judge/unparsed": 0,
            "something/else": 3.0,
        }
        for step in range(1, steps + 1)
    ]


def image(path):
    from matplotlib.image import imread

    return imread(path)


def test_lines_hold_the_finite_numbers_at_their_steps():
    rows = [*grpo_rows(3), {"step": 4, "eval/loss": 0.7}]
    assert lines_of(PANEL["Entropy (nats per token)"], rows) == {"entropy": ([1, 3], [1.5, 1.5])}
    assert list(lines_of(PANEL["Reward by part"], rows)) == ["rewards/format/mean", "rewards/emotion/mean"]
    assert lines_of(PANEL["Loss"], rows) == {"eval/loss": ([4], [0.7])}
    assert lines_of(PANEL["Length (tokens)"], rows) == {}


def test_importance_is_drawn_where_outputs_were_older_than_the_weights():
    rows = [row | {"importance/mean": 0.98, "importance/capped": 0.01} for row in grpo_rows(2)]
    lines = {name for panel in PANELS for name in lines_of(panel, rows)}
    assert lines - {name for panel in PANELS for name in lines_of(panel, grpo_rows(2))} == {
        "importance/mean",
        "importance/capped",
    }


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_a_picture_is_drawn_from_the_first_step_on(tmp_path, steps):
    path = tmp_path / "curves.png"
    plot_curves(grpo_rows(steps), path, "grpo: a run")
    picture = image(path)
    assert picture[..., :3].min() < 0.5 < picture[..., :3].max()
    assert list(tmp_path.iterdir()) == [path]


def test_panels_without_numbers_are_left_out(tmp_path):
    plot_curves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}], tmp_path / "one.png", "sft")
    plot_curves(grpo_rows(2), tmp_path / "many.png", "grpo")
    one, many = image(tmp_path / "one.png"), image(tmp_path / "many.png")
    assert one.shape[1] * 3 == pytest.approx(many.shape[1], abs=3)
    assert one.shape[0] < many.shape[0]


def test_every_line_is_there_with_its_numbers():
    from matplotlib.figure import Figure

    from compeer_jax.runs.curves import _draw

    rows = grpo_rows(5)
    for panel in PANELS:
        axes = Figure().add_subplot()
        lines = lines_of(panel, rows)
        if not lines:
            continue
        _draw(axes, panel, lines)
        drawn = [tuple(map(list, line.get_data())) for line in axes.get_lines()]
        assert all(points in drawn for points in lines.values())


def test_smoothing_keeps_a_trend_to_its_ends():
    steps = np.arange(50, 450)
    at, line = smoothed(steps, 3.0 - 0.01 * steps)
    np.testing.assert_allclose(line, 3.0 - 0.01 * at, atol=1e-9)
    assert (at[0], at[-1]) == (50, 449)


def test_smoothing_takes_out_noise():
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    at, line = smoothed(steps, np.sin(steps / 60) + rng.normal(0, 0.3, 200))
    assert np.abs(line - np.sin(at / 60)).mean() < 0.1


@pytest.mark.parametrize("rows", [[], [{"step": 1}], [{"step": 1, "loss": math.nan}]])
def test_nothing_to_draw_is_said(tmp_path, rows):
    with pytest.raises(UserError, match="no metrics to draw"):
        plot_curves(rows, tmp_path / "curves.png", "run")


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone/curves\.png can't be written"):
        plot_curves(grpo_rows(2), tmp_path / "gone" / "curves.png", "run")


def test_a_comparison_has_a_panel_a_metric_and_needs_that_metric_in_every_run(tmp_path):
    kinds = {"UR": [grpo_rows(40), grpo_rows(30)], "URP": [grpo_rows(40)]}
    plot_comparison(kinds, {"redundancy/in_group": "Redundancy"}, tmp_path / "one.png")
    plot_comparison(kinds, {"redundancy/in_group": "Redundancy", "reward": "Reward"}, tmp_path / "two.png")
    assert image(tmp_path / "two.png").shape[1] == pytest.approx(2 * image(tmp_path / "one.png").shape[1], abs=2)
    with pytest.raises(UserError, match="run of 'UR' has no metric 'eval/loss'"):
        plot_comparison(kinds, {"eval/loss": "Loss"}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
