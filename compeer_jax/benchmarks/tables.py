"""Results of benchmarks as tables, published figures beside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compeer_jax.benchmarks.compare import ALL, Agreement, Difference
from compeer_jax.benchmarks.dialogues import DIMENSIONS
from compeer_jax.benchmarks.measures import AVERAGE, BOTH, ENDINGS, EscReport, SageReport
from compeer_jax.benchmarks.turn_diversity import MEASURES, TurnDiversity
from compeer_jax.evaluation.estimates import Estimate
from compeer_jax.evaluation.published_figures import Range, published_notes
from compeer_jax.report.table import NOTHING, PUBLISHED, Cell, Table, estimate_cell, number, percent

Diversity = Mapping[str, Mapping[str, Sequence[TurnDiversity]]]
"""Model -> language -> diversity over turns."""

Figures = Mapping[str, Mapping[str, float]]
"""Row -> metric -> published figure."""

LANGUAGES = {BOTH: "both languages", "en": "English", "zh": "Chinese"}
COLUMNS = {**DIMENSIONS, AVERAGE: "Average"}
EMOTION, SUCCESS, FAILURE = "emotion", "success", "failure"
FEELINGS = {EMOTION: "Sentient", SUCCESS: "Success", FAILURE: "Failure"}
"""SAGE's measures, and what the paper's table calls them."""
NEAR = 0.01  # a printed average that is off by less is the mean, rounded or cut off


METRICS: Mapping[str, Range] = {
    **{f"{prefix}{column}": Range(0, 100) for prefix in ("", "en_", "zh_") for column in COLUMNS},
    EMOTION: Range(0, 100),
    SUCCESS: Range(0, 100_000),
    FAILURE: Range(0, 100_000),
}
"""What published figures can be of: of ESC-Eval, over both languages or one of them, and of SAGE."""

ESC_MEANING = (
    "Scores of 0 to 4, x 25, with 95 % bootstrap intervals over cards; of several scorers, their mean on what all of "
    "them scored. "
    "Average: the plain mean of the seven. missing: scores that no scorer gave in a form that can be read, or "
    "of dialogues without an end; they count nowhere else. broken: replies in broken format or cut off, percent."
)
SAGE_MEANING = (
    "Sentient: mean final emotion, with its 95 % bootstrap interval over profiles. Success, Failure: how many end at "
    "100, or below 10; goodbye: how many the seeker takes leave in; all rounds: how many run out of rounds. missing: "
    "dialogues without an end, which count nowhere else; each with its share of all profiles. replies: mean number a "
    "dialogue. broken: replies in broken format or cut off, percent."
)
COMPARISON_MEANING = (
    "On the same cards or profiles: mean difference with its 95 % bootstrap interval, in the units of the table "
    "(successes and failures in percent). better, worse: on how many the first has more, less. p: two-sided, of the "
    "Wilcoxon signed-rank test; of McNemar's exact test for successes and failures. Holm: p corrected over the seven "
    "dimensions."
)
AGREEMENT_MEANING = (
    "Over what both scored. kappa: Cohen's, with quadratic weights. Spearman: rank correlation. same: equal scores, "
    "percent."
)
DIVERSITY_MEANING = (
    "redundancy within: mean cosine of a reply's word counts with the model's earlier replies of the same dialogue; "
    "across: of two replies at the same turn of different dialogues. A Chinese character is a word. distinct-n "
    "falls as replies become more, so compare it between as many."
)
JOINT_MEANING = "With 95 % bootstrap intervals over cards or profiles; the tables below say what each figure is."


def esc_tables(reports: Sequence[EscReport], published: Figures) -> list[Table]:
    """ESC-Eval as the paper's table has it, over all cards first, then for each language apart."""
    names = {report.name for report in reports}
    split = len({report.language for report in reports}) > 1
    tables = []
    for language, some in _by_language(reports):
        prefix = f"{language}_" if split and language != BOTH else ""
        figures = _figures_of(published, {f"{prefix}{column}": column for column in COLUMNS})
        lines = [
            [f"{name}, {PUBLISHED}", NOTHING, *_published(row), *_nothing(2)]
            for name, row in figures.items()
            if name not in names
        ]
        for report in some:
            lines += _esc_lines(report)
            if report.name in figures:
                lines.append([f"  {PUBLISHED}", NOTHING, *_published(figures[report.name]), *_nothing(2)])
        headings = ["model", "cards", *COLUMNS.values(), "missing", "broken"]
        tables.append(Table(f"ESC-Eval, {LANGUAGES[language]}", headings, lines))
    tables[-1] = replace(
        tables[-1], notes=[ESC_MEANING, *published_notes(published, COLUMNS), *odd_averages(published)]
    )
    return tables


def sage_table(reports: Sequence[SageReport], published: Figures) -> Table:
    """SAGE as the paper's table has it, and how dialogues end."""
    figures = _figures_of(published, {name: name for name in FEELINGS})
    names = {report.name for report in reports}
    lines = [
        [f"{name}, {PUBLISHED}", *_nothing(2), *_sage_published(row), *_nothing(5)]
        for name, row in figures.items()
        if name not in names
    ]
    for place, (_, some) in enumerate(_by_language(reports)):
        for report in some:
            lines.append(_sage_line(report))
            if report.name in figures and not place:
                row = _sage_published(figures[report.name])
                lines.append([f"  {PUBLISHED}", *_nothing(2), *row, *_nothing(5)])
    headings = [
        "model",
        "language",
        "profiles",
        *FEELINGS.values(),
        "goodbye",
        "all rounds",
        "missing",
        "replies",
        "broken",
    ]
    return Table("SAGE", headings, lines, [SAGE_MEANING, *published_notes(published, FEELINGS)])


def comparison_table(
    title: str, one: str, other: str, differences: Sequence[Difference], notes: Sequence[str] = ()
) -> Table:
    """One model minus another."""
    lines = [
        [
            (COLUMNS | FEELINGS).get(row.measure, row.measure),
            str(row.pairs),
            _signed(row.difference),
            *(str(count) for count in (row.better, row.same, row.worse)),
            p_value(row.p),
            *([p_value(row.p_holm)] if _corrected(differences) else []),
        ]
        for row in differences
    ]
    headings = ["measure", "pairs", "difference", "better", "same", "worse", "p"]
    headings += ["Holm"] if _corrected(differences) else []
    return Table(f"{title}: {one} against {other}", headings, lines, notes)


def agreement_table(name: str, agreements: Sequence[Agreement]) -> Table:
    """How far scorers agree on the dialogues of a model."""
    lines = [
        [
            f"{row.first}, {row.second}",
            "all seven" if row.dimension == ALL else DIMENSIONS[row.dimension],
            str(row.pairs),
            *(number(value, ".2f") for value in (row.kappa, row.spearman)),
            percent(row.same),
        ]
        for row in agreements
    ]
    headings = ["scorers", "dimension", "scores", "kappa", "Spearman", "same"]
    return Table(f"Agreement between scorers on {name}", headings, lines)


def diversity_table(title: str, diversity: Diversity) -> Table:
    """Diversity over turns of each model and language."""
    lines = [
        [
            name,
            language,
            str(entry.turn or "all"),
            str(entry.replies),
            *(_measure(field, getattr(entry, field)) for field in MEASURES),
        ]
        for name, by_language in diversity.items()
        for language, entries in by_language.items()
        for entry in entries
    ]
    headings = ["model", "language", "turn", "replies", *MEASURES.values()]
    return Table(f"{title}: diversity over turns", headings, lines, [DIVERSITY_MEANING])


def brief(diversity: Diversity) -> Diversity:
    """The first turn, the last one and all: enough for a terminal."""

    def ends(entries: Sequence[TurnDiversity]) -> Sequence[TurnDiversity]:
        return entries if len(entries) <= 3 else [entries[0], *entries[-2:]]

    return {name: {language: ends(entries) for language, entries in of.items()} for name, of in diversity.items()}


def joint_table(esc: Sequence[EscReport], sage: Sequence[SageReport], published: Figures) -> Table:
    """A line a model: what both benchmarks say of it, over all languages."""
    scores, feelings = ({report.name: report for report in reports} for reports in (esc, sage))  # the last is over all
    names = list(dict.fromkeys((*scores, *feelings)))
    figures = {
        name: [number(row.get(metric), form) for metric, form in _JOINT.items()]
        for name, row in _figures_of(published, {metric: metric for metric in _JOINT}).items()
    }
    lines = [[f"{name}, {PUBLISHED}", *row] for name, row in figures.items() if name not in names]
    for name in names:
        average, counts = _nothing(1), _nothing(3)
        if name in scores:
            average = [_number(scores[name].columns[AVERAGE])]
        if (felt := feelings.get(name)) is not None:
            counts = [_number(felt.emotion), str(felt.success), str(felt.failure)]
        lines.append([name, *average, *counts])
        if name in figures:
            lines.append([f"  {PUBLISHED}", *figures[name]])
    headings = ["model", f"ESC-Eval {COLUMNS[AVERAGE]}", *(f"SAGE {heading}" for heading in FEELINGS.values())]
    return Table("ESC-Eval and SAGE", headings, lines, [JOINT_MEANING])


def odd_averages(published: Figures) -> list[str]:
    """A sentence on each published average that is not the plain mean of its seven columns."""
    found = []
    for name, row in published.items():
        for prefix in ("", "en_", "zh_"):
            values = [row.get(prefix + column) for column in COLUMNS]
            if None not in values:
                *seven, average = values
                off = average - sum(seven) / len(seven)
                if abs(off) >= NEAR - 1e-9:
                    where = "above" if off > 0 else "below"
                    found.append(
                        f"{name}: the published average {average:.2f} is {abs(off):.2f} {where} the mean of its seven "
                        f"columns, {average - off:.2f}."
                    )
    return found


def p_value(p: float | None) -> str:
    """A p as papers print it."""
    return NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


_JOINT = {AVERAGE: ".2f", EMOTION: ".2f", SUCCESS: "g", FAILURE: "g"}


def _measure(field: str, value: float | None) -> str:
    return number(value, ".1f" if field == "words" else ".3f")


def _corrected(differences: Sequence[Difference]) -> bool:
    return any(row.p_holm is not None for row in differences)


def _by_language(reports: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The reports on each language, those on both first."""
    for language in (BOTH, "en", "zh"):
        some = [report for report in reports if report.language == language]
        if some:
            yield language, some


def _esc_lines(report: EscReport) -> list[list[str | Cell]]:
    """The line of a model, and one of each scorer alone where there are several."""
    broken = percent(report.broken / report.replies if report.replies else None)
    lines = [
        [
            report.name,
            str(report.cards),
            *(_number(report.columns[column]) for column in COLUMNS),
            Cell(str(report.missing), f"of {report.asked}") if report.missing else "0",
            broken,
        ]
    ]
    for scorer, columns in report.by_scorer.items():
        lines.append([f"  {scorer}", "", *(_number(columns[one]) for one in COLUMNS), *_nothing(2, "")])
    return lines


def _sage_line(report: SageReport) -> list[str | Cell]:
    return [
        report.name,
        LANGUAGES[report.language].removesuffix(" languages"),
        str(report.profiles),
        _number(report.emotion),
        *(_share(report.endings.get(ending, 0), report.profiles) for ending in ENDINGS),
        _share(report.missing, report.profiles),
        number(report.rounds, ".1f"),
        percent(report.broken / report.replies if report.replies else None),
    ]


def _figures_of(published: Figures, wanted: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The rows that have a figure of any wanted metric, by the column that it belongs to."""
    rows = {name: {wanted[key]: row[key] for key in wanted if key in row} for name, row in published.items()}
    return {name: row for name, row in rows.items() if row}


def _published(row: Mapping[str, float]) -> list[str]:
    return [number(row.get(column), ".2f") for column in COLUMNS]


def _sage_published(row: Mapping[str, float]) -> list[str]:
    return [number(row.get(EMOTION), ".2f"), *(number(row.get(name), "g") for name in (SUCCESS, FAILURE))]


def _number(estimate: Estimate) -> Cell:
    return estimate_cell(estimate, scale=1)


def _share(count: int, of: int) -> Cell:
    """A count, and its share in percent."""
    return Cell(str(count), f"{100 * count / of:.0f} %")


def _signed(estimate: Estimate) -> Cell:
    if estimate.value is None:
        return Cell(NOTHING)
    value, low, high = (one if one is None else f"{one:+.1f}".replace("-", "−") for one in estimate)
    return Cell(value, "" if low is None else f"{low} to {high}")


def _nothing(count: int, text: str = NOTHING) -> list[str]:
    return [text] * count
