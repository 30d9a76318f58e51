"""Plot of a run's metrics: what was rewarded, how redundant and long the outputs were, how training went."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.files import replacing
from compeer_jax.report.figures import COLOURS, FAINT, INK

Points = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Attributes:
        title: what is drawn, with its unit.
        metrics: names, or patterns of names, of the lines.
        bounds: limits of the vertical axis, where the thing has natural ones.
        zero: draw a thin line at 0, where the sign matters.
        smooth: draw a smooth line over noisy points.
    """

    title: str
    metrics: tuple[str, ...]
    bounds: tuple[float, float] | None = None
    zero: bool = False
    smooth: bool = True


PANELS = (
    Panel("Reward", ("reward", "reward_reweighted"), zero=True),
    Panel("Reward by part", ("rewards/*/mean",), bounds=(-1.06, 1.06), zero=True),
    Panel("Redundancy (cosine)", ("redundancy/in_group", "redundancy/history")),
    Panel("Length (tokens)", ("completions/mean_length", "completions/max_length")),
    Panel("Entropy (nats per token)", ("entropy",)),
    Panel("KL and sampler gap (nats)", ("kl", "approx_kl", "sampling/logp_difference")),
    Panel("Importance weight (mean over tokens)", ("importance/mean",)),
    Panel("Gradient norm", ("grad_norm",)),
    Panel("Loss", ("loss", "eval/loss")),
    Panel("Learning rate", ("learning_rate",), smooth=False),
    Panel(
        "Shares",
        ("frac_reward_zero_std", "completions/clipped_ratio", "clip_ratio", "importance/capped"),
        bounds=(-0.03, 1.03),
    ),
    Panel("Judge", ("judge/*",)),
    Panel("Time of a step (s)", ("time/*",)),
)

LABELS = {
    "reward": "as judged",
    "reward_reweighted": "after reweighting",
    "redundancy/in_group": "within the group",
    "redundancy/history": "with the history",
    "completions/mean_length": "mean",
    "completions/max_length": "longest",
    "kl": "KL to the start",
    "approx_kl": "KL of the update",
    "sampling/logp_difference": "sampler against learner",
    "loss": "train",
    "eval/loss": "valid",
    "frac_reward_zero_std": "groups of equal reward",
    "completions/clipped_ratio": "outputs cut off",
    "clip_ratio": "tokens clipped",
    "importance/capped": "importance capped",
}

SMOOTH_FROM = 25
"""Points from which on a line is drawn smooth, with the points themselves faint behind it."""


def plot_curves(metrics: Sequence[Mapping[str, Any]], path: str | os.PathLike, title: str) -> None:
    """Draw the metrics of a run to a PNG file, which is replaced at once. Panels without a number are left out.

    Args:
        metrics: rows of `metrics.jsonl`, each with "step".
        path: the file.
        title: above the panels.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    panels = [(panel, lines) for panel in PANELS if (lines := lines_of(panel, metrics))]
    if not panels:
        raise UserError(f"There are no metrics to draw in {path} yet.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.5 * columns, 2.8 * rows + 0.6), dpi=130, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    FigureCanvasAgg(figure)
    last = metrics[-1]["step"]
    figure.suptitle(f"{title}   ·   {last:,} steps", x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    for number, (panel, lines) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, number)
        _draw(axes, panel, lines)
        if number > len(panels) - columns:
            axes.set_xlabel("step", fontsize=9, color=FAINT)
    _save(figure, path)


def plot_comparison(
    runs: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], metrics: Mapping[str, str], path: str | os.PathLike
) -> None:
    """Draw the same metrics of several kinds of run side by side: a line a kind, the mean of its seeds, all smoothed.

    The shade spans the seeds' lowest and highest smooth line.

    Args:
        runs: kind -> rows of `metrics.jsonl` of each of its seeds.
        metrics: name -> title, a panel each.
        path: PNG file, which is replaced at once.

    Raises:
        UserError: a kind has none of some metric, or the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8 * len(metrics), 3.6), dpi=130, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    FigureCanvasAgg(figure)
    for column, (name, title) in enumerate(metrics.items(), start=1):
        axes = figure.add_subplot(1, len(metrics), column)
        panel = Panel(title, (name,))
        for index, (kind, seeds) in enumerate(runs.items()):
            lines = [lines_of(panel, rows).get(name) for rows in seeds]
            if not lines or None in lines:
                raise UserError(f"A run of {kind!r} has no metric {name!r}; leave that kind or that metric out.")
            steps = [step for step in lines[0][0] if all(step in line[0] for line in lines[1:])]
            smooth = [
                np.interp(steps, *smoothed(*line)) if len(line[0]) >= SMOOTH_FROM else np.interp(steps, *line)
                for line in lines
            ]
            colour = COLOURS[index % len(COLOURS)]
            axes.fill_between(steps, np.min(smooth, axis=0), np.max(smooth, axis=0), color=colour, alpha=0.13, lw=0)
            axes.plot(steps, np.mean(smooth, axis=0), color=colour, linewidth=1.8, label=kind, zorder=3)
        _legend_and_title(axes, panel, dict.fromkeys(runs, ([], [])))
        _finish(axes)
        axes.set_xlabel("step", fontsize=9, color=FAINT)
    _save(figure, path)


def lines_of(panel: Panel, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """The lines of a panel: name -> (steps, values), for each metric that has a finite value at any step."""
    names = dict.fromkeys(name for row in metrics for name in row)
    chosen = [name for pattern in panel.metrics for name in names if fnmatchcase(name, pattern)]
    lines = {}
    for name in chosen:
        points = [(row["step"], row[name]) for row in metrics if name in row and math.isfinite(row[name])]
        if points:
            lines[name] = tuple(map(list, zip(*points, strict=True)))
    return lines


def smoothed(steps: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """A smooth line through noisy points, evaluated at up to 300 steps.

    Straight lines fitted locally under a Gaussian window whose deviation is 1/25 of the run: unlike a moving average,
    it neither lags behind a trend nor bends it at the ends.
    """
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    at = x if len(x) <= 300 else np.linspace(x[0], x[-1], 300)
    offsets = (x - at[:, None]) / (x[-1] - x[0]) * 25
    weights = np.exp(-0.5 * offsets**2)
    weights /= weights.sum(axis=1, keepdims=True)
    centre, mean = (weights * offsets).sum(axis=1), weights @ y
    spread = (weights * (offsets - centre[:, None]) ** 2).sum(axis=1)
    slope = (weights * (offsets - centre[:, None]) * (y - mean[:, None])).sum(axis=1) / spread
    return at, mean - slope * centre


def _draw(axes: Any, panel: Panel, lines: Mapping[str, Points]) -> None:
    if panel.zero:
        axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    for index, (name, (steps, values)) in enumerate(lines.items()):
        line = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": "-" if index < len(COLOURS) else "--",
            "linewidth": 1.7,
            "label": LABELS.get(name) or name.removesuffix("/mean").split("/")[-1],
            "zorder": 3,
        }
        if len(values) < SMOOTH_FROM:
            axes.plot(steps, values, marker="o", markersize=3, **line)
        elif panel.smooth:
            axes.plot(steps, values, color=line["color"], alpha=0.22, linewidth=0.8, zorder=2)
            axes.plot(*smoothed(steps, values), **line)
        else:
            axes.plot(steps, values, **line)
    if panel.bounds:
        axes.set_ylim(*panel.bounds)
    elif _spans_decades(lines):
        axes.set_yscale("log")
        axes.minorticks_off()
    _legend_and_title(axes, panel, lines)
    _finish(axes)


def _finish(axes: Any) -> None:
    """Ticks, grid and spines, the same in every picture."""
    axes.yaxis.set_major_formatter(_short_number)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9cdd2")


def _legend_and_title(axes: Any, panel: Panel, lines: Mapping[str, Points]) -> None:
    """The title, and under it what the colours mean, above the axes so that no line is hidden."""
    rows = 0
    if len(lines) > 1 or any("*" in pattern for pattern in panel.metrics):
        labels = axes.get_legend_handles_labels()[1]
        rows = max(math.ceil(len(labels) / 5), math.ceil(sum(len(label) + 4 for label in labels) / 64))
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.015, 0.985),
            ncols=math.ceil(len(lines) / rows),
            fontsize=8,
            frameon=False,
            labelcolor=INK,
            handlelength=0.9,
            handletextpad=0.4,
            columnspacing=1.0,
            borderpad=0.2,
        )
    axes.set_title(panel.title, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=6 + 13 * rows)


def _save(figure: Any, path: str | os.PathLike) -> None:
    try:
        with replacing(Path(path)) as temporary:
            figure.savefig(temporary, format="png")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}.") from error


def _short_number(value: float, _: int) -> str:
    """Labels such as 0, 0.25, 150, 12k, 2e-7."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.10g}k"
    return f"{value:.4g}".replace("e-0", "e-").replace("-", "−")


def _spans_decades(lines: Mapping[str, Points]) -> bool:
    """Whether only a logarithmic axis shows all of it: positive, with largest and smallest far apart."""
    values = [value for _, line in lines.values() for value in line]
    return min(values) > 0 and max(values) / min(values) > 300
