"""Results of benchmark runs that are read back: results.json, results.md and plots.

    results = write_results([read_run("runs/esc"), read_run("runs/esc_other")], Path("runs/table"))

One run or many, of either benchmark: models stand beside each other, and each is compared with the first, card for
card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from compeer_jax.benchmarks.compare import (
    Agreement,
    Difference,
    compare_emotions,
    compare_scores,
    scorer_agreement,
)
from compeer_jax.benchmarks.dialogues import BenchDialogue, Benchmark, read_dialogues
from compeer_jax.benchmarks.measures import (
    BOTH,
    CardScores,
    EscReport,
    SageReport,
    by_language,
    esc_reports,
    sage_reports,
)
from compeer_jax.benchmarks.run import differing, read_settings
from compeer_jax.benchmarks.tables import (
    AGREEMENT_MEANING,
    COMPARISON_MEANING,
    METRICS,
    Diversity,
    Figures,
    agreement_table,
    brief,
    comparison_table,
    diversity_table,
    esc_tables,
    joint_table,
    sage_table,
)
from compeer_jax.benchmarks.trajectories import Trajectories, trajectories
from compeer_jax.benchmarks.turn_diversity import diversity_over_turns
from compeer_jax.errors import UserError, unknown
from compeer_jax.evaluation.published_figures import read_figures
from compeer_jax.files import write_json, write_text
from compeer_jax.report.table import Table, tables_markdown
from compeer_jax.structure import plain

TITLES: Mapping[Benchmark, str] = {"esc-eval": "ESC-Eval", "sage": "SAGE"}
JSON_FILE, MARKDOWN_FILE = "results.json", "results.md"
EMOTIONS, DIVERSITY = "emotions.png", "diversity.png"
RESAMPLES = 2000
FEW = 4  # models whose comparisons a terminal has room for


class Run(NamedTuple):
    """Run of a model in a benchmark.

    Attributes:
        name: of the model.
        benchmark: which.
        rows: its dialogues.
        source: where they are from, for messages.
        settings: of the run; empty where they are not known.
    """

    name: str
    benchmark: Benchmark
    rows: Sequence[BenchDialogue]
    source: str = ""
    settings: Mapping[str, Any] = MappingProxyType({})


class Comparison(NamedTuple):
    """One model against another on the dialogues that both have of the same scenario.

    Attributes:
        first, second: their names.
        language: of the scenarios; "both" for all where there are two.
        common: how many scenarios both have.
        others: how many ids both have whose scenarios differ: these are left out.
        conditions: in what else than the model their runs differ.
        differences: first minus second.
    """

    first: str
    second: str
    language: str
    common: int
    others: int
    conditions: Sequence[str]
    differences: Sequence[Difference]


@dataclass(frozen=True)
class BenchmarkResults:
    """Results of runs of one benchmark.

    Attributes:
        benchmark: which.
        reports: of each model, and of each language.
        comparisons: of each model with the first.
        agreements: model -> scorers' agreement, where there are several scorers.
        diversity: model -> language -> diversity over turns.
        emotions: model -> trajectories, of SAGE.
        published: figures of others.
    """

    benchmark: Benchmark
    reports: Sequence[EscReport | SageReport]
    comparisons: Sequence[Comparison]
    agreements: Mapping[str, Sequence[Agreement]]
    diversity: Diversity
    emotions: Mapping[str, Trajectories] = field(default_factory=dict)
    published: Figures = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """The tables, comparisons only over all scenarios. What columns mean stands below the last table of a kind."""
        return self._tables(self.diversity)

    @property
    def brief_tables(self) -> list[Table]:
        """Enough for a terminal: of diversity the first turn, the last one and all; of many models the main table."""
        if len({report.name for report in self.reports}) > FEW:
            first, *others = self._main
            return [replace(first, notes=[note for table in (first, *others) for note in table.notes])]
        return self._tables(brief(self.diversity))

    @property
    def _main(self) -> list[Table]:
        if self.benchmark == "esc-eval":
            return esc_tables(self.reports, self.published)
        return [sage_table(self.reports, self.published)]

    def _tables(self, diversity: Diversity) -> list[Table]:
        title = TITLES[self.benchmark]
        whole = {row.first: row for row in self.comparisons}  # the last of each is over all languages
        compared = [
            comparison_table(title, row.first, row.second, row.differences, _cautions(row)) for row in whole.values()
        ]
        agreed = [agreement_table(name, rows) for name, rows in self.agreements.items()]
        turns = diversity_table(title, diversity)
        tables = [*self._main, *_explained(compared, COMPARISON_MEANING), *_explained(agreed, AGREEMENT_MEANING), turns]
        return [table for table in tables if table.rows]

    def to_json(self) -> dict[str, Any]:
        """Plain values, numbers in full."""
        content = {name: plain(value) for name, value in vars(self).items() if name != "agreements"}
        emotions = {
            name: {"mean": line.mean.tolist(), "low": _numbers(line.low), "high": _numbers(line.high)}
            for name, line in self.emotions.items()
        }
        return content | {"agreement": plain(self.agreements), "emotions": emotions}


def read_run(folder: str | Path, name: str = "") -> Run:
    """The run in a folder, or in its `dialogues.jsonl`; `name` takes the place of the model's own.

    Raises:
        UserError: no such file, a line that is no such dialogue, or dialogues of several benchmarks or models.
    """
    rows = read_dialogues(folder)
    for field_, of in (("benchmark", "benchmarks"), ("model", "models")):
        values = list(dict.fromkeys(getattr(row, field_) for row in rows))
        if len(values) > 1:
            raise UserError(f"{folder} holds dialogues of several {of} ({', '.join(values)}); keep each in its folder.")
    return Run(name or rows[0].model, rows[0].benchmark, rows, str(folder), read_settings(folder))


def summarise(
    runs: Sequence[Run],
    *,
    against: str = "",
    published: Figures | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[BenchmarkResults]:
    """Results of the runs, for each benchmark that there are runs of.

    Args:
        runs: of either benchmark, or both.
        against: name of the model that others are compared with (default: the first).
        published: figures of others.
        resamples: of the bootstrap over scenarios.
        seed: of the bootstrap.

    Raises:
        UserError: two runs of one model and benchmark, or `against` names none.
    """
    found = []
    names = list(dict.fromkeys(run.name for run in runs))
    if against and against not in names:
        raise unknown("model", against, names, "against")
    for benchmark in TITLES:
        some: dict[str, Run] = {}
        for run in runs:
            if run.benchmark == benchmark:
                if run.name in some:
                    raise UserError(
                        f"{some[run.name].source} and {run.source} are both of {run.name}; give one another name."
                    )
                some[run.name] = run
        if some:
            found.append(_results(benchmark, some, against, published or {}, resamples, seed))
    return found


def write_results(
    runs: Sequence[Run],
    folder: Path,
    *,
    against: str = "",
    published: Figures | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[BenchmarkResults]:
    """Summarises runs and writes results.json, results.md and the pictures into `folder`. Arguments as of `summarise`.

    Raises:
        UserError: as `summarise`, or the folder can't be written.
    """
    from compeer_jax.benchmarks.plots import plot_diversity, plot_trajectories

    found = summarise(runs, against=against, published=published, resamples=resamples, seed=seed)
    write_json(folder / JSON_FILE, [one.to_json() for one in found], allow_nan=False)
    write_text(folder / MARKDOWN_FILE, results_markdown(found))
    for one in found:
        if one.emotions:
            plot_trajectories(one.emotions, folder / EMOTIONS)
        if any(one.diversity.values()):
            plot_diversity(one.diversity, folder / _diversity_file(found, one))
    return found


def write_run_results(folder: Path, published: Figures | None = None, *, seed: int = 0) -> list[BenchmarkResults]:
    """The results of the one run in `folder`, written there."""
    return write_results([read_run(folder)], folder, published=published, seed=seed)


def benchmark_figures(source: str) -> Figures:
    """Figures to print beside, in the tables' units; none for "".

    Args:
        source: as `read_figures` takes it, e.g. "paper", or a file of
            `{Theirs: {fluency: 75.0, average: 70.0, emotion: 60.0, success: 30}}`.

    Raises:
        UserError: they can't be read.
    """
    return read_figures(source, METRICS) if source else {}


def all_tables(results: Sequence[BenchmarkResults], *, short: bool = False) -> list[Table]:
    """The tables of all; where there are both benchmarks, first one of both."""
    tables = [table for one in results for table in (one.brief_tables if short else one.tables)]
    if len(results) < len(TITLES):
        return tables
    esc, sage = (one.reports for one in results)
    return [joint_table(esc, sage, results[0].published), *tables]


def results_markdown(results: Sequence[BenchmarkResults]) -> str:
    """All tables and pictures."""
    parts = [tables_markdown(all_tables(results), "##")]
    for one in results:
        if one.emotions:
            parts.append(f"![The seeker's emotion over rounds]({EMOTIONS})\n")
        if any(one.diversity.values()):
            parts.append(f"![{TITLES[one.benchmark]}: diversity over turns]({_diversity_file(results, one)})\n")
    return "\n".join(parts)


def _results(
    benchmark: Benchmark, runs: Mapping[str, Run], against: str, published: Figures, resamples: int, seed: int
) -> BenchmarkResults:
    draws = {"resamples": resamples, "seed": seed}
    measure = esc_reports if benchmark == "esc-eval" else sage_reports
    first = runs.get(against) or next(iter(runs.values()))
    scores = {name: CardScores.of(run.rows) for name, run in runs.items()}
    lines = {name: trajectories(run.rows, **draws) for name, run in runs.items() if benchmark == "sage"}
    return BenchmarkResults(
        benchmark=benchmark,
        reports=[report for name, run in runs.items() for report in measure(name, run.rows, **draws)],
        comparisons=[
            comparison for run in runs.values() if run is not first for comparison in _compared(run, first, **draws)
        ],
        agreements={name: scorer_agreement(some) for name, some in scores.items() if len(some.scorers) > 1},
        diversity={
            name: {
                language: diversity_over_turns(rows)
                for language, rows in by_language(run.rows).items()
                if language != BOTH and any(row.responses for row in rows)
            }
            for name, run in runs.items()
        },
        emotions={name: line for name, line in lines.items() if line is not None},
        published=published,
    )


def _compared(one: Run, other: Run, *, resamples: int, seed: int) -> list[Comparison]:
    """One run against the other, on each language and all, over the scenarios that are the same in both."""
    cards = {row.id: (row.language, dict(row.card)) for row in other.rows}
    shared = [row for row in one.rows if row.id in cards]
    common = [row for row in shared if cards[row.id] == (row.language, dict(row.card))]
    found = []
    for language, rows in (by_language(common) or {"": []}).items():
        ids = {row.id for row in rows}
        against = [row for row in other.rows if row.id in ids]
        if one.benchmark == "sage":
            differences = compare_emotions(rows, against, resamples=resamples, seed=seed)
        else:
            differences = compare_scores(CardScores.of(rows), CardScores.of(against), resamples=resamples, seed=seed)
        found.append(
            Comparison(
                first=one.name,
                second=other.name,
                language=language,
                common=len(rows),
                others=len(shared) - len(common),
                conditions=differing(one.settings, other.settings),
                differences=differences,
            )
        )
    return found


def _explained(tables: Sequence[Table], meaning: str) -> list[Table]:
    """The tables, the last with what the columns of all mean."""
    return [*tables[:-1], *(replace(table, notes=[*table.notes, meaning]) for table in tables[-1:])]


def _cautions(row: Comparison) -> list[str]:
    notes = [] if row.common else ["They have no scenario in common."]
    if row.others:
        notes.append(f"{row.others} ids of both are left out, as their scenarios differ.")
    if row.conditions:
        notes.append(f"Careful: the two runs differ in {', '.join(row.conditions)} too.")
    return notes


def _diversity_file(results: Sequence[BenchmarkResults], one: BenchmarkResults) -> str:
    return DIVERSITY if len(results) == 1 else f"diversity_{one.benchmark}.png"


def _numbers(values: Float[np.ndarray, " K"]) -> list[float] | None:
    """A list, or None where they are not known."""
    return None if np.isnan(values).any() else values.tolist()
