"""Preferences of annotators: filled-in pairs un-blinded, a result for each record by majority, and statistics of these.

A record's result on a criterion is what more annotators said than said anything else: A, B or a tie. Where no answer
has the most votes, it is a tie too, and counted as split besides. Rates are over records. The win rate counts a tie as
half a win; the rate "of decided" leaves ties out, as does the sign test.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.curation.annotation.agreement import cohen_kappa, fleiss_kappa
from compeer_jax.curation.annotation.votes import Fault, Filled
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.estimates import Estimate, bootstrap, clustered_resamples, sign_test
from compeer_jax.evaluation.published_figures import read_figures
from compeer_jax.files import write_json, write_text
from compeer_jax.people.criteria import FIRST, SPELLINGS, TIE, VERDICTS
from compeer_jax.people.results import METRICS, RATES, PreferenceResults, PreferenceRow
from compeer_jax.people.task_files import read_forms
from compeer_jax.people.tasks import Key, read_key
from compeer_jax.report.table import tables_markdown
from compeer_jax.structure import plain

Preferred = Literal["a", "b", "tie"]

Outcomes = Int[np.ndarray, " N"]
"""A result a record: 1 where A wins, -1 where B does, 0 for a tie."""


@dataclass(frozen=True)
class PreferencesConfig:
    """Reads what people prefer in pairs of `compeer eval pairs` or `study`: wins, ties, losses, how far they agree.

    Args:
        pairs: folder of the pairs or of the study, with key.json.
        imports: files that annotators have filled in: our CSV, or exports of Label Studio in JSON, JSON-MIN or CSV.
        resamples: of the bootstrap over records, for 95 % intervals.
        published: figures to print beside: "care" for CARE's win rates, or a YAML file of yours, in percent: row ->
            metric -> figure, for example {Theirs: {overall_win_rate: 60.0, overall_kappa: 0.5}}. Metrics are the
            criteria with _wins, _ties, _losses, _win_rate, _decided and, from -1 to 1, _kappa.
        seed: of the bootstrap.
        output: folder for preferences.json, preferences.md, votes.jsonl and rejected.jsonl (default: pairs).
    """

    pairs: str
    imports: list[str] = field(default_factory=list)
    resamples: int = 2000
    published: str = ""
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(1, self, "", "resamples")
        require_at_least(0, self, "", "seed")


class Vote(NamedTuple):
    """Vote of one annotator on one pair.

    Attributes:
        value: whose reply is preferred.
        shown: the same as it was said, by place.
    """

    value: Preferred
    shown: str


class Ballot:
    """All votes: key of the pair -> criterion -> annotator -> vote.

    Attributes:
        repeated: how many said again what the same annotator had said.
    """

    def __init__(self, key: Key):
        self.key, self.repeated = key, 0
        self._votes: dict[str, dict[str, dict[str, Vote]]] = {
            pair: {criterion: {} for criterion in key.criteria} for pair in key.pairs
        }

    def read(self, forms: Iterable[Filled | Fault]) -> Iterator[Fault]:
        """Adds the votes of the forms, and yields what is wrong with them. A form with a fault gives the others."""
        for form in forms:
            fault = form if isinstance(form, Fault) else self._unusable(form)
            if fault:
                yield fault
            else:
                yield from self._add(form)

    def on(self, pair: str, criterion: str) -> Mapping[str, Vote]:
        """The votes on one pair by annotator."""
        return self._votes[pair][criterion]

    @property
    def annotators(self) -> list[str]:
        """Annotators who have voted on anything."""
        return sorted({name for on in self._votes.values() for votes in on.values() for name in votes})

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each pair with votes: whose reply each annotator prefers, and the results."""
        for pair, on in self._votes.items():
            judged = {criterion: votes for criterion, votes in on.items() if votes}
            if judged:
                votes = {name: {who: vote.value for who, vote in on.items()} for name, on in judged.items()}
                results = {name: result(list(on.values()))[0] for name, on in votes.items()}
                yield {"id": self.key.pairs[pair].id, "key": pair, "results": results, "votes": votes}

    def _unusable(self, form: Filled) -> Fault | None:
        if form.key is None or not str(form.key).strip():
            reason = "no key of a pair"
        elif str(form.key) not in self.key.pairs:
            reason = f"a pair that was not given out: {str(form.key)[:40]!r}"
        elif not form.annotator:
            reason = "no annotator is named"
        else:
            return None
        return Fault(form.where, reason, _row(form))

    def _add(self, form: Filled) -> Iterator[Fault]:
        pair = str(form.key)
        missing = [name for name in self.key.criteria if form.verdicts.get(name) is None]
        for name in self.key.criteria:
            if name in missing:
                continue
            text = form.verdicts[name]
            shown = SPELLINGS.get(unicodedata.normalize("NFKC", str(text)).strip().casefold())
            if shown is None:
                reason = f"not a verdict: {name} is {str(text)[:40]!r}; it can be {', '.join(VERDICTS[:-1])} or {TIE}"
                yield Fault(form.where, reason, _row(form))
                continue
            vote = Vote(_unblinded(shown, self.key, pair), shown)
            earlier = self._votes[pair][name].setdefault(form.annotator, vote)
            self.repeated += earlier is not vote and earlier.value == vote.value
            if earlier.value != vote.value:
                reason = f"a second, different vote of one annotator: {form.annotator} on {name}; the first stays"
                yield Fault(form.where, reason, _row(form))
        if missing:
            yield Fault(form.where, f"half-filled: no verdict on {', '.join(missing)}", _row(form))


def count_preferences(config: PreferencesConfig) -> PreferenceResults:
    """Reads the files and counts.

    Raises:
        UserError: anything in the settings or the files that does not fit, or no vote that can be used.
    """
    published = read_figures(config.published, METRICS) if config.published else {}
    ballot, faults = read_votes(config)
    key, rows = ballot.key, list(ballot.rows())
    results = PreferenceResults(
        names=key.names,
        given_out=len(key.pairs),
        judged=len(rows),
        annotators=len(ballot.annotators),
        repeated=ballot.repeated,
        rejected=faults,
        rows=[criterion_row(name, ballot, config.resamples, config.seed) for name in key.criteria],
        published=published,
    )
    write_results(config, results, tables_markdown([results.table]), rows)
    return results


def read_votes(config: PreferencesConfig) -> tuple[Ballot, int]:
    """The votes in the files that annotators have filled in, and how many faults these have, kept in rejected.jsonl.

    Raises:
        UserError: no file is named or one can't be read, one is of other pairs, or no vote can be used.
    """
    if not config.imports:
        raise UserError("imports names no file; name those that annotators have filled in.")
    folder = Path(config.pairs).expanduser()
    key = read_key(folder)
    ballot, faults = Ballot(key), []
    for path in dict.fromkeys(config.imports):
        forms = list(read_forms(Path(path).expanduser(), key.criteria))
        keys = {str(form.key) for form in forms if isinstance(form, Filled) and form.key}
        if keys and not keys & key.pairs.keys():
            raise UserError(f"{path} has none of the pairs in {folder}: it is of another study; name its own folder.")
        faults += ballot.read(forms)
    rejected = results_folder(config) / "rejected.jsonl"
    write_jsonl(rejected, map(asdict, faults))
    if not ballot.annotators:
        raise UserError(f"no vote in {', '.join(config.imports)} can be used; see {rejected}.")
    return ballot, len(faults)


def results_folder(config: PreferencesConfig) -> Path:
    """Where results are written."""
    return Path(config.output or config.pairs).expanduser()


def result(values: Sequence[Preferred]) -> tuple[Preferred, bool]:
    """What most annotators say of one pair, and whether they are split: a tie because no answer has the most votes."""
    (value, most), *others = Counter(values).most_common()
    split = bool(others) and others[0][1] == most
    return ("tie" if split else value), split


def criterion_row(
    criterion: str, ballot: Ballot, resamples: int, seed: int, pairs: Iterable[str] | None = None, same: int = 0
) -> PreferenceRow:
    """The line of one criterion, over the pairs that anybody has judged by it.

    Args:
        criterion: its name.
        ballot: the votes.
        resamples, seed: of the bootstrap.
        pairs: keys of those that count; by default all.
        same: further records with the same reply from both, which are ties that nobody was asked about.
    """
    on = [votes for pair in (ballot.key.pairs if pairs is None else pairs) if (votes := ballot.on(pair, criterion))]
    values = [[votes[who].value for who in sorted(votes)] for votes in on]
    results = [result(one) for one in values]
    outcomes = np.array([{"a": 1, "b": -1, "tie": 0}[value] for value, _ in results] + [0] * same, dtype=np.int64)
    shown = [vote.shown for votes in on for vote in votes.values() if vote.shown != TIE]
    wins, losses = int((outcomes > 0).sum()), int((outcomes < 0).sum())
    return PreferenceRow(
        criterion=criterion,
        pairs=len(outcomes),
        votes=sum(map(len, values)),
        wins=wins,
        ties=len(outcomes) - wins - losses,
        losses=losses,
        split=sum(split for _, split in results),
        rates=rates(outcomes, resamples, seed),
        p=sign_test(wins, losses),
        first_shown=shown.count(FIRST) / len(shown) if shown else None,
        **agreement([{who: vote.value for who, vote in votes.items()} for votes in on]),
    )


def rates(outcomes: Outcomes, resamples: int, seed: int) -> dict[str, Estimate]:
    """Shares of wins, ties and losses, the win rate and that of decided records, with 95 % intervals of the bootstrap
    over records. Which records a resample holds does not depend on the outcomes, so that A's intervals mirror B's.

    There is no interval where all records say the same: resamples of these can't tell how rare others are.
    """
    if not len(outcomes):
        return dict.fromkeys(RATES, Estimate(None))
    each = np.stack([outcomes == value for value in (1, 0, -1)], axis=1).astype(np.int64)
    found = _rates(each.sum(axis=0)[None])
    resampled = _rates(clustered_resamples(range(len(outcomes)), resamples, seed) @ each)
    return {name: bootstrap(found[name][0], resampled[name], constant=False) for name in RATES}


def agreement(votes: Sequence[Mapping[str, Preferred]]) -> dict[str, Any]:
    """Agreement of annotators beyond chance on pairs, given the votes on each by annotator.

    Fleiss' kappa takes as many votes on each pair. It is that of the pairs with the commonest number of votes, two at
    least; of two numbers that are as common, the larger.

    Returns:
        "kappa": Fleiss', None where not defined; "kappa_pairs" and "kappa_votes": how many pairs it is of, and votes on
        each; "cohen": for each two annotators with pairs in common {"annotators", "pairs", "kappa"}.
    """
    sizes = Counter(len(on) for on in votes if len(on) > 1)
    size = max(sizes, key=lambda number: (sizes[number], number), default=0)
    full = [list(on.values()) for on in votes if len(on) == size] if size else []
    names = sorted({name for on in votes for name in on})
    cohen = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            both = [(on[one], on[other]) for on in votes if one in on and other in on]
            if both:
                kappa = _kappa(cohen_kappa, *map(list, zip(*both, strict=True)))
                cohen.append({"annotators": [one, other], "pairs": len(both), "kappa": kappa})
    return {
        "kappa": _kappa(fleiss_kappa, full) if full else None,
        "kappa_pairs": len(full),
        "kappa_votes": size,
        "cohen": cohen,
    }


def _rates(counts: Int[np.ndarray, "R 3"]) -> dict[str, Float[np.ndarray, " R"]]:
    wins, ties, losses = counts.T
    total, decided = counts.sum(axis=1), wins + losses
    return {
        "wins": wins / total,
        "ties": ties / total,
        "losses": losses / total,
        "win_rate": (wins + ties / 2) / total,
        "decided": np.divide(wins, decided, out=np.full(len(counts), np.nan), where=decided > 0),
    }


def _kappa(function: Callable[..., float | None], *ratings: Sequence) -> float | None:
    try:
        return function(*ratings)
    except ImportError as error:
        raise UserError(
            'agreement is measured with scikit-learn and statsmodels; run pip install "compeer_jax[data]".'
        ) from error


def _unblinded(shown: str, key: Key, pair: str) -> Preferred:
    """Whose reply is meant, by place."""
    if shown == TIE:
        return "tie"
    first = key.pairs[pair].first
    return first if shown == FIRST else {"a": "b", "b": "a"}[first]


def _row(form: Filled) -> dict[str, Any]:
    return {"key": form.key, "annotator": form.annotator, **form.verdicts}


def write_results(config: PreferencesConfig, results: Any, text: str, rows: Iterable[Mapping]) -> None:
    """preferences.json, preferences.md, and the votes, un-blinded."""
    folder = results_folder(config)
    write_json(folder / "preferences.json", {"settings": config, **plain(results)})
    write_text(folder / "preferences.md", text)
    write_jsonl(folder / "votes.jsonl", rows)
