"""Measures of a benchmark's dialogues: ESC-Eval's seven columns, SAGE's final emotion and endings.

A card's score on a dimension is the mean over scorers, as the paper averages ESC-Rank and GPT-4o, and needs all of
them; a column of ESC-Eval is its mean over the cards that have one, x 25, so that it lies in 0 … 100. A scorer's own
column is over all that it scored. The average column is the plain mean of the seven. What has no score, the -1 of the
official reading included, counts nowhere but among what is missing. Intervals are the bootstrap's over cards or
profiles.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compeer_jax.benchmarks.dialogues import DIMENSIONS, SCALE, UNFINISHED, BenchDialogue
from compeer_jax.evaluation.estimates import Estimate, Weights, bootstrap, clustered_resamples

AVERAGE = "average"
BOTH = "both"

ENDINGS = ("success", "failure", "goodbye", "rounds")


class CardScores(NamedTuple):
    """Scores of N dialogues by S scorers on the seven dimensions.

    Attributes:
        ids, languages: of the dialogues.
        scorers: their names.
        values: NaN where there is no score.
    """

    ids: tuple[str, ...]
    languages: tuple[str, ...]
    scorers: tuple[str, ...]
    values: Float[np.ndarray, "N S 7"]

    @classmethod
    def of(cls, rows: Sequence[BenchDialogue]) -> "CardScores":
        """The scores of dialogues; one that was never scored has none."""
        scorers = tuple(dict.fromkeys(name for row in rows for name in row.scores))
        values = np.full((len(rows), len(scorers), len(DIMENSIONS)), np.nan)
        for place, row in enumerate(rows):
            for name, scores in row.scores.items():
                for column, dimension in enumerate(DIMENSIONS):
                    if (score := scores.get(dimension)) is not None and score >= 0:
                        values[place, scorers.index(name), column] = score
        return cls(tuple(row.id for row in rows), tuple(row.language for row in rows), scorers, values)

    @property
    def missing(self) -> int:
        """How many scores there should be and are not."""
        return int(np.isnan(self.values).sum())


@dataclass(frozen=True)
class EscReport:
    """Report on a model over the cards of one language, or of both.

    Attributes:
        name: of the model.
        language: "en", "zh" or "both".
        cards: how many there are.
        missing: scores that there should be and are not; `asked` is how many there should be.
        columns: dimension, and "average" -> estimate in 0 … 100.
        by_scorer: the same for each scorer alone.
        replies: of the model, and how many of them are broken: problems with their format, or cut off.
        endings: ending -> how many dialogues ended so.
    """

    name: str
    language: str
    cards: int
    missing: int
    asked: int
    columns: Mapping[str, Estimate]
    by_scorer: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    replies: int = 0
    broken: int = 0
    endings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SageReport:
    """Report on a model over the profiles of one language, or of both.

    Attributes:
        name: of the model.
        language: "en", "zh" or "both".
        profiles: how many there are.
        missing: how many of them have no dialogue that ended by itself.
        emotion: mean final value, over those that have.
        success, failure: counts.
        endings: ending -> how many dialogues ended so.
        rounds: mean number of replies a dialogue.
        replies, broken: as of `EscReport`.
    """

    name: str
    language: str
    profiles: int
    missing: int
    emotion: Estimate
    success: int
    failure: int
    endings: Mapping[str, int]
    rounds: float | None
    replies: int = 0
    broken: int = 0


def esc_reports(name: str, rows: Sequence[BenchDialogue], *, resamples: int, seed: int) -> list[EscReport]:
    """The report on each language, and on both together where there are two."""
    return [_esc_report(name, language, some, resamples, seed) for language, some in by_language(rows).items()]


def sage_reports(name: str, rows: Sequence[BenchDialogue], *, resamples: int, seed: int) -> list[SageReport]:
    """The same of SAGE."""
    return [_sage_report(name, language, some, resamples, seed) for language, some in by_language(rows).items()]


def by_language(rows: Sequence[BenchDialogue]) -> dict[str, list[BenchDialogue]]:
    """The rows of each language, English first, and where there are two, all under "both"."""
    languages = sorted({row.language for row in rows})
    parts = {language: [row for row in rows if row.language == language] for language in languages}
    return parts | ({BOTH: list(rows)} if len(parts) > 1 else {})


def final_emotion(row: BenchDialogue) -> float:
    """The final value of a dialogue of SAGE; NaN if it did not end by itself."""
    return float(row.emotion) if row.finished and row.emotion is not None else float("nan")


def column_means(values: Float[np.ndarray, "N S D"], weights: Weights) -> Float[np.ndarray, "R D"]:
    """Mean over the dialogues that all scorers scored of the scorers' mean; NaN where there is none."""
    complete = ~np.isnan(values).any(axis=1) & (values.shape[1] > 0)
    each = np.where(complete, values.sum(axis=1) / max(values.shape[1], 1), 0)
    counts = weights @ complete.astype(np.int64)
    return np.divide(weights @ each, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def resampled(count: int, resamples: int, seed: int) -> Weights:
    """Resamples of `count` dialogues. None for fewer than two: one dialogue can't tell how others would differ."""
    if count < 2:
        return np.zeros((0, count), np.int64)
    return clustered_resamples(range(count), resamples, seed)


def _columns(values: Float[np.ndarray, "N S 7"], weights: Weights) -> dict[str, Estimate]:
    whole = np.ones((1, len(values)), np.int64)
    found, draws = (SCALE * column_means(values, one) for one in (whole, weights))
    pairs = zip(DIMENSIONS, found[0], draws.T, strict=True)
    columns = {dimension: bootstrap(value, drawn, constant=False) for dimension, value, drawn in pairs}
    return columns | {AVERAGE: bootstrap(found[0].mean(), draws.mean(axis=1), constant=False)}


def _esc_report(name: str, language: str, rows: Sequence[BenchDialogue], resamples: int, seed: int) -> EscReport:
    scores = CardScores.of(rows)
    weights = resampled(len(rows), resamples, seed)
    several = scores.scorers if len(scores.scorers) > 1 else ()
    return EscReport(
        name=name,
        language=language,
        cards=len(rows),
        missing=scores.missing,
        asked=scores.values.size,
        columns=_columns(scores.values, weights),
        by_scorer={one: _columns(scores.values[:, [at]], weights) for at, one in enumerate(several)},
        endings=_endings(rows),
        **_broken(rows),
    )


def _sage_report(name: str, language: str, rows: Sequence[BenchDialogue], resamples: int, seed: int) -> SageReport:
    emotions = np.array([final_emotion(row) for row in rows])
    there = emotions[~np.isnan(emotions)]
    drawn = resampled(len(there), resamples, seed) @ there / max(len(there), 1)
    ended = [row for row in rows if not np.isnan(final_emotion(row))]
    endings = _endings(rows)
    return SageReport(
        name=name,
        language=language,
        profiles=len(rows),
        missing=len(rows) - len(there),
        emotion=bootstrap(there.mean(), drawn, constant=False) if len(there) else Estimate(None),
        success=endings.get("success", 0),
        failure=endings.get("failure", 0),
        endings=endings,
        rounds=sum(len(row.responses) for row in ended) / len(ended) if ended else None,
        **_broken(rows),
    )


def _endings(rows: Sequence[BenchDialogue]) -> dict[str, int]:
    """How many dialogues ended in each way, those that occur, in a fixed order."""
    counts = Counter(row.ending for row in rows)
    order = (*ENDINGS, *UNFINISHED, *sorted(counts))
    return {ending: counts[ending] for ending in dict.fromkeys(order) if counts[ending]}


def _broken(rows: Sequence[BenchDialogue]) -> dict[str, int]:
    replies = [turn for row in rows for turn in row.turns if turn.role == "supporter"]
    return {
        "replies": len(replies),
        "broken": sum(bool(turn.problems or turn.truncated) for turn in replies),
    }
