"""Plots of a benchmark's results: emotions over rounds, and how replies repeat themselves over turns."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.benchmarks.tables import Diversity
from compeer_jax.benchmarks.trajectories import Trajectories
from compeer_jax.benchmarks.turn_diversity import TurnDiversity
from compeer_jax.errors import UserError
from compeer_jax.report.figures import COLOURS, FAINT, INK, escaped, save_figure

STROKES = ("-", (0, (4, 2)))
SUCCESS, FAILURE, START = 100, 10, 40
COLUMNS = 3  # panels beside each other
PANELS = {
    "within": "Redundancy with earlier replies (cosine)",
    "across": "Redundancy with other dialogues (cosine)",
    "distinct_1": "Distinct-1",
    "distinct_2": "Distinct-2",
    "words": "Words a reply",
}
"""Field of `TurnDiversity` -> title of its panel."""


def plot_trajectories(lines: Mapping[str, Trajectories], path: Path) -> None:
    """A panel a model: each dialogue thin, their mean with its 95 % interval thick. PNG, replaced at once.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    if not lines:
        raise UserError(f"There is no dialogue to draw in {path}.")
    figure, panels = _figure(len(lines), height=3.3)
    last = max(line.values.shape[1] for line in lines.values()) - 1
    for number, ((name, line), axes) in enumerate(zip(lines.items(), panels, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        rounds = np.arange(line.values.shape[1])
        thin = min(0.5, 4 / math.sqrt(len(line.values)) * 0.25)
        for values, length in zip(line.values, line.lengths, strict=True):
            axes.plot(rounds[:length], values[:length], color=colour, linewidth=0.7, alpha=thin, zorder=2)
            axes.plot(length - 1, values[length - 1], ".", color=colour, markersize=3, alpha=min(1, 2 * thin), zorder=2)
        axes.fill_between(rounds, line.low, line.high, color=colour, alpha=0.25, linewidth=0, zorder=3)
        axes.plot(rounds, line.mean, color=colour, linewidth=2.2, zorder=4)
        for level in (FAILURE, START, SUCCESS):
            axes.axhline(level, color=FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        axes.set(ylim=(-2, 103), xlim=(0, max(last, 1) * 1.02), yticks=(0, FAILURE, START, 70, SUCCESS))
        axes.set_title(escaped(name), loc="left", fontsize=10.5, fontweight="bold", color=INK)
        _finish(axes, "round")
    _headline(figure, "The seeker's emotion: each dialogue, and the mean with its 95 % interval")
    save_figure(figure, path)


def plot_diversity(diversity: Diversity, path: Path) -> None:
    """A panel a measure, a line a model and language: models by colour, languages by stroke. PNG, replaced at once.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    languages = list(dict.fromkeys(language for of in diversity.values() for language in of))
    lines = {
        (name, language): [entry for entry in entries if entry.turn]
        for name, of in diversity.items()
        for language, entries in of.items()
    }
    fields = [field for field in PANELS if any(_points(some, field) for some in lines.values())]
    if not fields:
        raise UserError(f"There are no replies to draw in {path}.")
    figure, (*panels, legend) = _figure(len(fields) + 1, height=2.8)
    last = max(entry.turn for some in lines.values() for entry in some)
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(diversity)}
    for field, axes in zip(fields, panels, strict=True):
        highest = 0.0
        for (name, language), some in lines.items():
            turns, values = zip(*points, strict=True) if (points := _points(some, field)) else ((), ())
            style = {"color": colours[name], "linestyle": STROKES[languages.index(language)]}
            axes.plot(turns, values, marker="o", markersize=3.2, linewidth=1.7, **style)
            highest = max([highest, *values])
        axes.set_title(PANELS[field], loc="left", fontsize=10.5, fontweight="bold", color=INK)
        axes.set(ylim=(0, 1.08 * highest or 1), xlim=(0.7, last + 0.3))
        _finish(axes, "turn")
    for name, language in lines:
        label = f"{name}, {language}" if len(languages) > 1 else name
        legend.plot(
            [], [], color=colours[name], linestyle=STROKES[languages.index(language)], lw=1.7, label=escaped(label)
        )
    legend.axis("off")
    legend.legend(loc="upper left", fontsize=9, frameon=False, labelcolor=INK, borderaxespad=0)
    _headline(figure, "Replies as the talk goes on")
    save_figure(figure, path)


def _points(entries: Sequence[TurnDiversity], field: str) -> list[tuple[int, float]]:
    return [(entry.turn, value) for entry in entries if (value := getattr(entry, field)) is not None]


def _figure(count: int, height: float) -> tuple[Any, list[Any]]:
    """A figure with `count` panels in rows of up to `COLUMNS`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if count == 4 else min(COLUMNS, count)
    rows = math.ceil(count / columns)
    size = (max(4.4 * columns, 6.4), height * rows + 0.6)
    figure = Figure(figsize=size, dpi=130, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


def _headline(figure: Any, text: str) -> None:
    figure.suptitle(text, x=0.012, ha="left", fontsize=11.5, fontweight="bold", color=INK)


def _finish(axes: Any, below: str) -> None:
    axes.set_xlabel(below, fontsize=9, color=FAINT)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9cdd2")
