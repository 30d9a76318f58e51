"""The picture of the curves of SSE, each with the point where it bends and the number of clusters that was made."""

from collections.abc import Mapping
from pathlib import Path

from compeer_jax.curation.personality.clusters import Clustering
from compeer_jax.errors import UserError
from compeer_jax.report.figures import FAINT, INK

LINE, MARK = "#2f6690", "#d1495b"
COLUMNS = 2


def draw_elbows(clusterings: Mapping[str, Clustering], path: Path) -> None:
    """Draws a panel a curve.

    Args:
        clusterings: title -> clusters.
        path: PNG file. The same curves give the same bytes.

    Raises:
        UserError: the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(COLUMNS, max(1, len(clusterings)))
    rows = max(1, -(-len(clusterings) // columns))
    figure = Figure(figsize=(4.8 * columns, 3.0 * rows + 0.4), dpi=130, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    FigureCanvasAgg(figure)
    figure.suptitle("K-Means of trait descriptions", x=0.012, ha="left", fontsize=12, fontweight="bold", color=INK)
    for number, (title, clustering) in enumerate(clusterings.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        numbers = range(1, len(clustering.sse) + 1)
        axes.plot(numbers, clustering.sse, color=LINE, linewidth=1.8, marker="o", markersize=3.5)
        ends = (1, len(clustering.sse))
        axes.plot(ends, [clustering.sse[k - 1] for k in ends], color=FAINT, linewidth=0.8, linestyle=":")
        axes.plot(clustering.elbow, clustering.sse[clustering.elbow - 1], "o", color=MARK, markersize=8, zorder=3)
        axes.annotate(
            f"elbow: {clustering.elbow}",
            (clustering.elbow, clustering.sse[clustering.elbow - 1]),
            xytext=(9, 7),
            textcoords="offset points",
            fontsize=9,
            color=MARK,
        )
        made = f"{sum(clustering.sizes):,} descriptions, clusters made: {clustering.clusters}"
        axes.set_title(f"{title}\n{made}", loc="left", fontsize=9.5, color=INK)
        axes.set_xlabel("clusters", fontsize=9, color=FAINT)
        axes.set_ylabel("SSE", fontsize=9, color=FAINT)
        axes.set_xlim(0.5, len(clustering.sse) + 0.5)
        axes.set_ylim(0, 1.08 * clustering.sse[0] or 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.tick_params(labelsize=8, colors=FAINT)
        for spine in ("top", "right"):
            axes.spines[spine].set_visible(False)
    try:
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}.") from error
