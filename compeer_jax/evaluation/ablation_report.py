"""Tables and heat map of an ablation."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.evaluation.ablation import Ablation, Setting, moved
from compeer_jax.files import write_text
from compeer_jax.report.figures import FAINT, INK, save_figure
from compeer_jax.report.table import Table

COLUMNS = {
    "reward": ("reward", "{:+.2f}"),
    "advantage": ("size of A", "{:.2f}"),
    "equal_groups": ("equal groups", "{:.1%}"),
    "redundancy": ("corr(A, s)", "{:+.3f}"),
    "redundancy_rejected": ("of rejected", "{:+.3f}"),
    "agreement": ("corr(A, own)", "{:.3f}"),
    "best_changed": ("best moved", "{:.1%}"),
    "sign_changed": ("sign moved", "{:.1%}"),
}
"""Field of `SettingSummary` -> its heading and format."""

EXPLANATION = """\
*A* is the advantage (Eq. 3), *s* the redundancy s_in + s_hi (Eq. 6). *equal groups*: groups of equal rewards, which
teach nothing. *corr(A, s)*: correlation within groups; below 0 redundancy costs, and what it is with reweighting off is
the judge's own doing. *of rejected*: the same among outputs whose reward is negative before Eq. 5. *corr(A, own)*:
correlation with the advantages of the run's own setting. *best moved*: groups none of whose best outputs there is best
here. *sign moved*: outputs encouraged there and discouraged here, or the reverse."""

PANELS = {
    "redundancy": ("corr(A, s)", "RdBu_r", (-0.1, 0.1)),
    "redundancy_rejected": ("corr(A, s), rejected only", "RdBu_r", (-0.1, 0.1)),
    "agreement": ("corr(A, own)", "Blues_r", (0.9, 1)),
    "sign_changed": ("sign moved", "Blues", (0, 0.1)),
}
"""Field of `SettingSummary` -> title, colours, and the least that they span: small differences are to look small."""


def write_ablation(ablation: Ablation, folder: Path) -> list[Path]:
    """Writes table.md, table.csv and heatmap.png into `folder`, and returns their paths.

    Raises:
        UserError: they can't be written.
    """
    paths = [folder / name for name in ("table.md", "table.csv", "heatmap.png")]
    write_text(paths[0], ablation_markdown(ablation))
    write_text(paths[1], all_settings_table(ablation).csv())
    save_figure(heatmap(ablation), paths[2])
    return paths


def ablation_markdown(ablation: Ablation) -> str:
    """The settings near the run's own, what the columns mean, and the extremes over all settings."""
    parts = [settings_table(ablation).markdown("#"), EXPLANATION, extremes_table(ablation).markdown("##")]
    return "\n\n".join(parts) + "\n"


def title(ablation: Ablation) -> str:
    """How much was rated, under how many settings."""
    steps, prompts, members, _ = ablation.rollouts.parts.shape
    return (
        f"{steps * prompts * members:,} outputs ({steps} steps x {prompts} prompts x {members}) "
        f"under {len(ablation.settings):,} settings"
    )


def settings_table(ablation: Ablation) -> Table:
    """The run's own setting, then one row a setting that differs from it in one thing, the values in their order.

    Of a run without reweighting, what only reweighting reads is varied with it.
    """
    chosen = [ablation.base]
    for axis in ablation.axes:
        with_it = {"reweighting"} if ablation.base.reweighting == "off" and axis in ("alpha", "beta", "sign") else set()
        alone = [s for s in ablation.settings if set(ablation.differences(s)) == {axis} | with_it]
        chosen += sorted(alone, key=lambda setting, axis=axis: ablation.axes[axis].index(ablation.value(setting, axis)))
    own = f"The run's own setting: {own_setting(ablation)}. The other rows differ from it in one thing."
    rows = [[describe(ablation, setting), *_cells(ablation, setting)] for setting in chosen]
    return Table(title(ablation), ["setting", *(heading for heading, _ in COLUMNS.values())], rows, [own])


def describe(ablation: Ablation, setting: Setting) -> str:
    """What is not as in the run."""
    parts = [f"{axis} {_short(value)}" for axis, value in ablation.differences(setting).items()]
    return ", ".join(parts) or "the run's own"


def own_setting(ablation: Ablation) -> str:
    """The run's own setting in words."""
    reweighting, alpha, beta, sign, scale, weights = ablation.base
    named = ", ".join(f"{n} {_short(w)}" for n, w in zip(ablation.rollouts.part_names, weights, strict=True))
    redundancy = f"alpha {_short(alpha)}, beta {_short(beta)}, sign {sign}" if reweighting == "on" else "no reweighting"
    return f"{redundancy}, scale {scale}; weights: {named}"


def extremes_table(ablation: Ablation) -> Table:
    """For each measure, its lowest and highest value over all settings, and where."""
    lines = []
    for field, (heading, form) in COLUMNS.items():
        values = getattr(ablation.summary, field)
        ends = [int(values.argmin()), int(values.argmax())]
        cells = [(form.format(values[end]), describe(ablation, ablation.settings[end])) for end in ends]
        lines.append([heading, *itertools.chain(*cells)])
    note = "These are ratings of outputs already written, not of what a policy would become."
    return Table("Over all settings", ["measure", "lowest", "where", "highest", "where"], lines, [note])


def all_settings_table(ablation: Ablation) -> Table:
    """Every setting, one a line, numbers in full."""
    weights = [f"weight_{name}" for name in ablation.rollouts.part_names]
    rows = [
        [
            *map(str, (*setting[:5], *setting.weights)),
            *(f"{getattr(ablation.summary, field)[index]:.6g}" for field in COLUMNS),
        ]
        for index, setting in enumerate(ablation.settings)
    ]
    return Table("All settings", ["reweighting", "alpha", "beta", "sign", "scale", *weights, *COLUMNS], rows)


def heatmap(ablation: Ablation) -> Any:
    """A matplotlib figure: two axes of the grid across and down, a column of panels a measure.

    The first two axes with several values (α and β, unless the grid says otherwise) span each panel. The rows of panels
    are the settings of the other axes, those that differ from the run's in one thing at most. A square frames the
    run's own setting.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across, down, others = _spans(ablation)
    width = max(2.6, 0.42 * len(ablation.axes[across]) + 0.3)
    height = max(0.9, 0.3 * len(_values(ablation, down)) + 0.3)
    size = (0.7 + len(PANELS) * width, 1.3 + len(others) * height)
    figure = Figure(figsize=size, dpi=130, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(h_pad=0.1)
    legend = "A: advantage, s: redundancy (red: it pays, blue: it costs), own: the run's setting (framed)"
    figure.suptitle(f"{title(ablation)}\n{legend}", x=0.012, ha="left", fontsize=10, color=INK)
    panels = figure.subplots(len(others), len(PANELS), squeeze=False)
    index = {setting: number for number, setting in enumerate(ablation.settings)}
    for column, (field, (name, colours, least)) in enumerate(PANELS.items()):
        values = getattr(ablation.summary, field)
        grids = [values[_cells_of(ablation, index, across, down, other)] for other in others]
        lowest, highest = min(np.min(grids), least[0]), max(np.max(grids), least[1])
        if least[0] < 0:
            lowest, highest = -max(-lowest, highest), max(-lowest, highest)
        for row, (other, grid) in enumerate(zip(others, grids, strict=True)):
            axes = panels[row, column]
            _annotate(axes, axes.imshow(grid, cmap=colours, aspect="auto", vmin=lowest, vmax=highest))
            _frame_own(axes, ablation, across, down, other)
            _label(axes, ablation, across, down, first=column == 0, last=row == len(others) - 1)
            if row == 0:
                axes.set_title(name, loc="left", fontsize=10, fontweight="bold", color=INK, pad=20)
            if column == 0:
                several = {axis: value for axis, value in other.items() if len(ablation.axes[axis]) > 1}
                label = ", ".join(f"{axis} {_short(value)}" for axis, value in several.items())
                axes.text(0, 1.02, label, transform=axes.transAxes, fontsize=8.5, color=FAINT, in_layout=False)
    return figure


def _spans(ablation: Ablation) -> tuple[str, str | None, list[dict[str, Any]]]:
    """The axis across, the axis down, and the settings of the others: dicts axis -> value, the run's own first."""
    # Without reweighting alpha and beta do nothing, so panels show settings with it, where there are any.
    axes = ablation.axes | {"reweighting": tuple(sorted(ablation.axes["reweighting"], reverse=True))[:1]}
    names = ["alpha", "beta", *(axis for axis in axes if axis.endswith(" weight")), "sign", "scale"]
    varied = [axis for axis in names if len(axes[axis]) > 1]
    across, down = varied[0] if varied else "alpha", varied[1] if len(varied) > 1 else None
    rest = {axis: values for axis, values in axes.items() if axis not in (across, down)}
    own = {axis: ablation.value(ablation.base, axis) for axis in rest}
    centre = {axis: own[axis] if own[axis] in values else values[0] for axis, values in rest.items()}
    combinations = [dict(zip(rest, values, strict=True)) for values in itertools.product(*rest.values())]
    near = [other for other in combinations if sum(other[axis] != centre[axis] for axis in rest) <= 1]
    return across, down, sorted(near, key=lambda other: other != centre)[:8]


def _values(ablation: Ablation, axis: str | None) -> Sequence[Any]:
    return (None,) if axis is None else ablation.axes[axis]


def _cells_of(ablation, index, across, down, other) -> np.ndarray:
    """Numbers of the settings that fill one panel."""
    names = ablation.rollouts.part_names

    def number(x, y) -> int:
        values = {**other, across: x, **({} if down is None else {down: y})}
        return index[moved(ablation.base, values, names)]

    return np.array([[number(x, y) for x in ablation.axes[across]] for y in _values(ablation, down)])


def _annotate(axes, image) -> None:
    """Writes each cell's number into it, in the ink that its colour bears."""
    for (y, x), value in np.ndenumerate(image.get_array()):
        number = f"{round(float(value), 2) + 0:.2f}".replace("-", "−")
        text = number.replace("0.", ".", 1) if abs(value) < 0.995 else number
        dark = np.dot(image.cmap(image.norm(value))[:3], (0.3, 0.6, 0.1)) < 0.55
        axes.text(x, y, text, ha="center", va="center", fontsize=6.5, color="white" if dark else INK)


def _frame_own(axes, ablation, across, down, other) -> None:
    from matplotlib.patches import Rectangle

    own = {axis: ablation.value(ablation.base, axis) for axis in ablation.axes}
    if any(own[axis] != value for axis, value in other.items()):
        return
    if own[across] in ablation.axes[across] and (down is None or own[down] in ablation.axes[down]):
        x = ablation.axes[across].index(own[across])
        y = 0 if down is None else ablation.axes[down].index(own[down])
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.8))


def _label(axes, ablation, across, down, *, first: bool, last: bool) -> None:
    axes.set_xticks(
        range(len(ablation.axes[across])), [_short(value) for value in ablation.axes[across]] if last else []
    )
    show = first and down is not None
    axes.set_yticks(
        range(len(_values(ablation, down))), [_short(value) for value in _values(ablation, down)] if show else []
    )
    if last:
        axes.set_xlabel(across, fontsize=9, color=FAINT)
    if show:
        axes.set_ylabel(down, fontsize=9, color=FAINT)
    axes.tick_params(colors=FAINT, labelsize=8, length=0)
    axes.grid(False)  # whatever a notebook prefers
    for side in axes.spines.values():
        side.set_visible(False)


def _cells(ablation: Ablation, setting: Setting) -> list[str]:
    index = ablation.settings.index(setting)
    return [form.format(getattr(ablation.summary, field)[index]) for field, (_, form) in COLUMNS.items()]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
