"""Results on preferences: a line a criterion, published figures below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.evaluation.estimates import Estimate
from compeer_jax.evaluation.published_figures import Range, published_notes
from compeer_jax.people.criteria import CRITERIA
from compeer_jax.report.table import NOTHING, PUBLISHED, Cell, Table, estimate_cell, number, percent

RATES = {
    "wins": "A wins",
    "ties": "ties",
    "losses": "A loses",
    "win_rate": "win rate",
    "decided": "of decided",
}
METRICS = {
    **{f"{criterion}_{rate}": Range(0, 100) for criterion in CRITERIA for rate in RATES},
    **{f"{criterion}_kappa": Range(-1, 1) for criterion in CRITERIA},
}
FEW = 3  # twos of annotators that are named in the table's text
HEADINGS = ("criterion", "pairs", *RATES.values(), "sign test", "split", "kappa", "first shown")
MEANING = (
    "Percent, but for pairs, the sign test and kappa. A record's result is what most annotators say; where no answer "
    "has the most votes (split), it is a tie. win rate: a tie counts as half a win. of decided: wins of wins and "
    "losses. sign test: two-sided, exact, without ties: the p of so uneven a count if A and B were alike. kappa: "
    "Fleiss', how far annotators agree on A, B or tie beyond chance. first shown: how often the reply shown first was "
    "preferred where one was; 50 if its place makes no difference."
)


@dataclass(frozen=True)
class PreferenceRow:
    """One criterion.

    Attributes:
        criterion: its name.
        pairs: how many anybody has judged by it, a record each.
        votes: on all of them.
        wins, ties, losses: of A, in records.
        split: how many of the ties are so because no answer has the most votes.
        rates: "wins", "ties", "losses", "win_rate", "decided" -> share, None where nothing is there to count; without
            an interval where all records say the same.
        p: of the sign test; None where there are only ties.
        first_shown: share of votes for the reply shown first, among those for either; None without any.
        kappa: Fleiss'; None where it is not defined.
        kappa_pairs, kappa_votes: how many pairs that is of, and votes on each.
        cohen: for each two annotators with pairs in common {"annotators", "pairs", "kappa"}.
    """

    criterion: str
    pairs: int
    votes: int
    wins: int
    ties: int
    losses: int
    split: int
    rates: Mapping[str, Estimate]
    p: float | None
    first_shown: float | None
    kappa: float | None
    kappa_pairs: int
    kappa_votes: int
    cohen: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class PreferenceResults:
    """Results of people's preferences.

    Attributes:
        names: "a", "b" -> what the systems are called.
        given_out: how many pairs were.
        judged: how many anybody has judged.
        annotators: how many people have.
        repeated: votes that say again what the same annotator had said.
        rejected: lines of rejected.jsonl.
        rows: in the order of the criteria.
        published: figures of others: row -> metric -> figure.
    """

    names: Mapping[str, str]
    given_out: int
    judged: int
    annotators: int
    repeated: int
    rejected: int
    rows: Sequence[PreferenceRow]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What was judged."""
        people = "1 annotator" if self.annotators == 1 else f"{self.annotators} annotators"
        return (
            f"A is {self.names['a']}, B is {self.names['b']}: {self.judged} of {self.given_out} pairs judged by "
            f"{people}, with 95 % bootstrap intervals over records"
        )

    @property
    def _agreement(self) -> list[str]:
        """Who agrees how far, a sentence a criterion: Fleiss' kappa, and Cohen's of each two annotators."""
        lines = []
        for row in self.rows:
            if row.kappa_pairs:
                fleiss = f"Fleiss' kappa {kappa_text(row.kappa)} ({row.kappa_pairs} pairs with {row.kappa_votes} votes)"
                lines.append(f"{row.criterion}: {fleiss}; Cohen's: {_cohen_text(row.cohen)}.")
        return lines

    @property
    def _notes(self) -> list[str]:
        """What else is to be known."""
        found = published_notes(self.published, METRICS)
        if self.rejected:
            found.append(f"{self.rejected} faults in what came back; rejected.jsonl names each.")
        if self.repeated:
            found.append(f"{self.repeated} votes were there twice and count once.")
        return found

    @property
    def table(self) -> Table:
        """A line a criterion, below it what others have published on it; who agrees how far, and what columns mean."""
        measured = [row.criterion for row in self.rows]
        lines = []
        for row in self.rows:
            lines += [_line(row), *self._published(row.criterion)]
        for criterion in CRITERIA:
            if criterion not in measured:
                lines += self._published(criterion)
        return Table(self.title, HEADINGS, lines, [MEANING, *self._agreement, *self._notes])

    def _published(self, criterion: str) -> list[list[str]]:
        lines = []
        for name, figures in self.published.items():
            shares = [figures.get(f"{criterion}_{rate}") for rate in RATES]
            kappa = figures.get(f"{criterion}_kappa")
            if kappa is not None or any(share is not None for share in shares):
                shown = [number(share, ".1f") for share in shares]
                title = f"{criterion}, {name}, {PUBLISHED}"
                lines.append([title, NOTHING, *shown, NOTHING, NOTHING, kappa_text(kappa), NOTHING])
        return lines


def _line(row: PreferenceRow) -> list[str | Cell]:
    rates = [estimate_cell(row.rates[name]) for name in RATES]
    split = row.split / row.pairs if row.pairs else None
    p = NOTHING if row.p is None else f"p = {row.p:.2g}"
    return [row.criterion, str(row.pairs), *rates, p, percent(split), kappa_text(row.kappa), percent(row.first_shown)]


def kappa_text(kappa: float | None) -> str:
    """A kappa as it is shown."""
    return number(kappa, ".2f")


def _cohen_text(cohen: Sequence[Mapping[str, Any]]) -> str:
    """Cohen's kappas by name where there are few, else what they lie between."""
    if len(cohen) <= FEW:
        return ", ".join(f"{' and '.join(of['annotators'])} {kappa_text(of['kappa'])}" for of in cohen)
    known = [of["kappa"] for of in cohen if of["kappa"] is not None]
    span = f"{kappa_text(min(known))} to {kappa_text(max(known))}" if known else NOTHING
    return f"{span} for {len(cohen)} twos of annotators"
