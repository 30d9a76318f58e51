"""Results of a study: wins, ties and losses of one system against each of several others (the paper's Figure 6).

Votes are read and results found as in `pairwise.py`, for each comparison apart. Dialogues to which both systems say the
same are ties that nobody was asked about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.evaluation.estimates import holm
from compeer_jax.evaluation.published_figures import published_notes, read_figures
from compeer_jax.people.preferences import (
    PreferencesConfig,
    agreement,
    criterion_row,
    read_votes,
    results_folder,
    write_results,
)
from compeer_jax.people.results import METRICS, RATES, PreferenceRow, kappa_text
from compeer_jax.people.study import CRITERION
from compeer_jax.report.table import NOTHING, PUBLISHED, Cell, Table, estimate_cell, number, percent, tables_markdown

CHART = "preferences.png"
HEADINGS = ("comparison", "dialogues", "wins", "ties", "losses", "win rate", "of decided", "sign test", "Holm")
HEADINGS += ("same", "split", "kappa", "first shown")
MEANING = (
    "Percent, but for dialogues, p and kappa. A dialogue's result is what most annotators say; where no answer has the "
    "most votes (split), it is a tie, and so is one to which both systems say the same (same), which nobody is asked "
    "about. win rate: a tie counts as half a win. of decided: wins of wins and losses. sign test: two-sided, exact, "
    "without ties: the p of so uneven a count if the two were alike; Holm: the same, corrected for the number of "
    "comparisons. kappa: Fleiss', how far annotators agree beyond chance. first shown: how often the reply shown first "
    "was preferred where one was; 50 if its place makes no difference."
)
_COLOURS = {"wins": "#2f6f9f", "ties": "#c9cdd2", "losses": "#d98c5f"}


@dataclass(frozen=True)
class Comparison:
    """One system against another.

    Attributes:
        name: of the other system.
        row: what people say; over the dialogues that are judged, and those with the same reply from both.
        same: how many dialogues have the same reply from both.
        waiting: how many pairs nobody has judged yet.
        holm: the sign test's p, corrected for the number of comparisons; None where there is no p.
    """

    name: str
    row: PreferenceRow
    same: int
    waiting: int
    holm: float | None


@dataclass(frozen=True)
class StudyResults:
    """Results of a study.

    Attributes:
        ours: the system that wins are counted for.
        comparisons: in the order of the settings.
        pairs: how many were given out.
        judged: how many anybody has judged.
        annotators: how many people have.
        repeated: votes that say again what the same annotator had said.
        rejected: lines of rejected.jsonl.
        agreement: over all pairs: "kappa", "kappa_pairs", "kappa_votes", "cohen".
        published: figures of others: row -> metric -> figure.
    """

    ours: str
    comparisons: Sequence[Comparison]
    pairs: int
    judged: int
    annotators: int
    repeated: int
    rejected: int
    agreement: Mapping[str, Any]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What was judged."""
        people = "1 annotator" if self.annotators == 1 else f"{self.annotators} annotators"
        others = "1 other" if len(self.comparisons) == 1 else f"{len(self.comparisons)} others"
        return (
            f"{self.ours} against {others}: {self.judged} of {self.pairs} pairs judged by "
            f"{people}, with 95 % bootstrap intervals over dialogues"
        )

    @property
    def _notes(self) -> list[str]:
        """What else is to be known."""
        kappa = self.agreement
        found = []
        if kappa["kappa_pairs"]:
            of = f"{kappa['kappa_pairs']} pairs with {kappa['kappa_votes']} votes"
            found.append(f"Fleiss' kappa over all comparisons: {kappa_text(kappa['kappa'])} ({of}).")
        waiting = [f"{one.waiting} against {one.name}" for one in self.comparisons if one.waiting]
        if waiting:
            found.append(
                f"Not judged yet: {', '.join(waiting)}; dialogues with the same reply from both count all the same."
            )
        if self.rejected:
            found.append(f"{self.rejected} faults in what came back; rejected.jsonl names each.")
        if self.repeated:
            found.append(f"{self.repeated} votes were there twice and count once.")
        return found + published_notes(self.published, METRICS)

    @property
    def table(self) -> Table:
        """A line a comparison, published figures of its name below; then those of other names."""
        published = dict(self.published)
        lines: list[list[str | Cell]] = []
        for one in self.comparisons:
            name = f"{self.ours} against {one.name}"
            lines.append([name, *_cells(one)])
            if name in published:
                lines.append(_published(name, published.pop(name)))
        lines += [_published(name, figures) for name, figures in published.items()]
        return Table(self.title, HEADINGS, lines, [MEANING, *self._notes])

    @property
    def markdown(self) -> str:
        """The chart, then the table."""
        return f"![{self.title}]({CHART})\n\n{tables_markdown([self.table])}"


def _cells(one: Comparison) -> list[str | Cell]:
    row = one.row
    shares = [one.same / row.pairs if row.pairs else None, row.split / row.pairs if row.pairs else None]
    rates = [estimate_cell(row.rates[rate]) for rate in RATES]
    p = [number(value, ".2g") for value in (row.p, one.holm)]
    return [str(row.pairs), *rates, *p, *map(percent, shares), kappa_text(row.kappa), percent(row.first_shown)]


def _published(name: str, figures: Mapping[str, float]) -> list[str | Cell]:
    shown = [number(figures.get(f"{CRITERION}_{rate}"), ".1f") for rate in RATES]
    kappa = kappa_text(figures.get(f"{CRITERION}_kappa"))
    return [f"{name}, {PUBLISHED}", NOTHING, *shown, *[NOTHING] * 4, kappa, NOTHING]


def count_study(config: PreferencesConfig) -> StudyResults:
    """Reads the files, counts, and writes preferences.json, preferences.md, preferences.png and votes.jsonl.

    Raises:
        UserError: anything in the settings or the files that does not fit, or no vote that can be used.
    """
    published = read_figures(config.published, METRICS) if config.published else {}
    ballot, faults = read_votes(config)
    key = ballot.key
    rows, waiting = {}, {}
    for name in key.others:
        pairs = [pair for pair, row in key.pairs.items() if name in row.against]
        judged = sum(bool(ballot.on(pair, CRITERION)) for pair in pairs)
        same = key.same[name] if judged or not pairs else 0
        rows[name] = criterion_row(CRITERION, ballot, config.resamples, config.seed, pairs, same)
        waiting[name] = len(pairs) - judged
    corrected = dict(zip(rows, holm([row.p for row in rows.values()], len(rows)), strict=True))
    votes = [on for pair in key.pairs if (on := ballot.on(pair, CRITERION))]
    results = StudyResults(
        ours=key.names["a"],
        comparisons=[
            Comparison(name, row, key.same[name], waiting[name], corrected[name]) for name, row in rows.items()
        ],
        pairs=len(key.pairs),
        judged=len(votes),
        annotators=len(ballot.annotators),
        repeated=ballot.repeated,
        rejected=faults,
        agreement=agreement([{who: vote.value for who, vote in on.items()} for on in votes]),
        published=published,
    )
    shown = ({**row, "against": list(key.pairs[row["key"]].against)} for row in ballot.rows())
    plot_study(results, results_folder(config) / CHART)
    write_results(config, results, results.markdown, shown)
    return results


def plot_study(results: StudyResults, path: Path) -> None:
    """A bar a comparison, its wins, ties and losses in percent of the dialogues. PNG, replaced at once.

    Raises:
        UserError: the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from compeer_jax.report.figures import FAINT, INK, escaped, save_figure

    comparisons = [one for one in results.comparisons if one.row.pairs]
    figure = Figure(figsize=(8, 1.25 + 0.55 * len(comparisons)), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, one in enumerate(comparisons):
        left = 0.0
        for rate, colour in _COLOURS.items():
            share = 100 * (one.row.rates[rate].value or 0.0)
            axes.barh(
                place, share, left=left, height=0.62, color=colour, label=None if place else rate.removesuffix("s")
            )
            if share >= 5:
                ink = "white" if rate == "wins" else INK
                axes.text(left + share / 2, place, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=9.5)
            left += share
        axes.text(101, place, f"n = {one.row.pairs}", va="center", color=FAINT, fontsize=8.5)
    names = [f"against {escaped(one.name)}" for one in comparisons]
    axes.set(xlim=(0, 100), ylim=(len(comparisons) - 0.4, -0.6), yticks=range(len(comparisons)), yticklabels=names)
    axes.set_xlabel("percent of dialogues", fontsize=9, color=FAINT)
    axes.tick_params(axis="x", colors=FAINT, labelsize=8.5, length=0)
    axes.tick_params(axis="y", colors=INK, labelsize=10, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    title = f"What people prefer: {escaped(results.ours)} wins, ties, loses"
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold", color=INK)
    labels = ["win", "tie", "loss"]
    handles = [axes.patches[number] for number in range(3)] if comparisons else []
    figure.legend(handles, labels[: len(handles)], loc="outside lower right", ncols=3, frameon=False, fontsize=9)
    save_figure(figure, path)
