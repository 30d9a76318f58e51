"""Histograms for CER's data card: how long histories and answers are, which rounds they are from, which strategies."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.curation.card_tables import LANGUAGES
from compeer_jax.curation.cer.tally import UNITS, Tally
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.report import figures
from compeer_jax.report.figures import FAINT, INK

COLOURS = {"output": figures.COLOURS[0], "reference": figures.COLOURS[1]}
BINS = 24
SHOWN = 0.98  # of all numbers at least have a bar of their own; the last bar may be for all above, if few are far away


def draw_histograms(tally: Tally, path: Path) -> None:
    """Draws the histograms of labelled candidates to a PNG file. Panels of what there is none of are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = list(_panels(tally))
    columns = 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.1 * rows), dpi=120, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.12)
    FigureCanvasAgg(figure)
    for place, (title, draw) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        draw(axes)
        axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=8)
        _finish(axes)
    figure.savefig(path, format="png", metadata={"Software": None})


def edges(counts: Mapping[int, int]) -> np.ndarray:
    """Edges of bins for whole numbers: about `BINS`, equally wide, a whole number each, all numbers within."""
    low, high = min(counts), max(counts)
    width = max(1, -(-(high - low + 1) // BINS))
    return np.arange(low, high + width + 1, width) - 0.5


def capped(counts: Counter[int]) -> tuple[Counter[int], int | None]:
    """The counts with what is far above the others put into one bar, and the number at which that begins, if any is."""
    seen = np.cumsum([counts[value] for value in sorted(counts)])
    cap = sorted(counts)[int(np.searchsorted(seen, SHOWN * seen[-1]))] + 1
    if max(counts) < 1.5 * cap:
        return counts, None
    return _at_most(counts, cap), cap


def _panels(tally: Tally) -> Iterator[tuple[str, Callable[[Any], None]]]:
    yield (
        "Turns of the history",
        lambda axes: _histogram(axes, {"": tally.turns}, "turns, the seeker's last one included"),
    )
    yield "Rounds", lambda axes: _histogram(axes, {"": tally.rounds}, "place of the round in its dialogue")
    for language, name in LANGUAGES.items():
        counts = {which: tally.lengths[language, which] for which in COLOURS if (language, which) in tally.lengths}
        if counts:
            yield f"Length of {name} answers", _numbers(counts, UNITS[language])
    yield "Strategies", lambda axes: _strategies(axes, tally)


def _numbers(counts: Mapping[str, Counter[int]], label: str) -> Callable[[Any], None]:
    return lambda axes: _histogram(axes, counts, label)


def _histogram(axes: Any, counts: Mapping[str, Counter[int]], label: str) -> None:
    """One or two histograms over the same bins, as outlines where there are two."""
    together, cap = capped(sum(counts.values(), Counter()))
    bins = edges(together)
    if cap is not None:
        label = f"{label} (the last bar: all from {int(bins[-2] + 0.5):,} on)"
    for name, one in counts.items():
        one = Counter(one) if cap is None else _at_most(one, cap)
        colour = COLOURS.get(name, COLOURS["output"])
        values, weights = list(one), list(one.values())
        fill = {"alpha": 0.35, "lw": 0} if name else {"alpha": 0.8, "edgecolor": "white", "lw": 0.8}
        axes.hist(values, bins, weights=weights, color=colour, label=name, **fill)
        if name:
            axes.hist(values, bins, weights=weights, color=colour, histtype="step", lw=1.4)
    if len(counts) > 1:
        axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    axes.set_xlabel(label, fontsize=9, color=FAINT)
    axes.set_ylabel("candidates", fontsize=9, color=FAINT)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)


def _at_most(counts: Mapping[int, int], cap: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for value, count in counts.items():
        found[min(value, cap)] += count
    return found


def _strategies(axes: Any, tally: Tally) -> None:
    """Shares of the eight, of the outputs and, where the corpora name them, of the real replies."""
    outputs = Counter({name: counts.total() for name, counts in tally.of.get("strategy", {}).items()})
    parts = {"output": outputs, "reference": tally.reference_strategies}
    parts = {which: counts for which, counts in parts.items() if counts}
    names = STRATEGIES.names()[::-1]  # the first one on top
    height = 0.8 / max(len(parts), 1)
    for place, (which, counts) in enumerate(parts.items()):
        at = np.arange(len(names)) - place * height + (len(parts) - 1) * height / 2
        shares = [100 * counts[name] / counts.total() for name in names]
        axes.barh(at, shares, height, color=COLOURS[which], alpha=0.8, label=f"{which}s ({counts.total():,})")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("percent", fontsize=9, color=FAINT)
    if parts:
        axes.legend(fontsize=8.5, frameon=False, labelcolor=INK)
    axes.grid(axis="x", color="#e6e8eb", linewidth=0.8)


def _finish(axes: Any) -> None:
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c9cdd2")
