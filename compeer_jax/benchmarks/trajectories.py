"""Trajectories of a seeker's emotion, round by round, in dialogues of SAGE."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compeer_jax.benchmarks.dialogues import BenchDialogue
from compeer_jax.benchmarks.measures import final_emotion, resampled
from compeer_jax.evaluation.estimates import interval


class Trajectories(NamedTuple):
    """The emotion of P seekers over up to K rounds.

    Attributes:
        values: at the start and after each round; a seeker whose dialogue has ended stays at the final value, so that
            the last mean is the benchmark's score.
        lengths: how many of them each dialogue has itself.
        low, high: 95 % interval of the mean, by the bootstrap over seekers; NaN for fewer than two.
    """

    values: Float[np.ndarray, "P K+1"]
    lengths: tuple[int, ...]
    low: Float[np.ndarray, " K+1"]
    high: Float[np.ndarray, " K+1"]

    @property
    def mean(self) -> Float[np.ndarray, " K+1"]:
        """Over all seekers."""
        return self.values.mean(axis=0)


def trajectory(row: BenchDialogue) -> list[float]:
    """The emotion at the start and after each round, as far as the dialogue went."""
    return [float(turn.emotion) for turn in row.turns if turn.emotion is not None]


def trajectories(rows: Sequence[BenchDialogue], *, resamples: int, seed: int) -> Trajectories | None:
    """Those of all dialogues that ended by themselves; None where there are none."""
    lines = [line for row in rows if not np.isnan(final_emotion(row)) and (line := trajectory(row))]
    if not lines:
        return None
    longest = max(map(len, lines))
    values = np.array([line + line[-1:] * (longest - len(line)) for line in lines])
    draws = resampled(len(lines), resamples, seed) @ values / len(lines)
    low, high = interval(draws) if len(draws) else np.full((2, longest), np.nan)
    return Trajectories(values, tuple(map(len, lines)), low, high)
