"""The rounds stage: samples the rounds of each dialogue to learn from (Eq. 1), those around its middle rather than
greetings and goodbyes.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from compeer_jax.curation import STAGES
from compeer_jax.curation.rounds.rows import ROUNDS, rounds_of
from compeer_jax.curation.rows import DIALOGUES, read_dialogues
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
from compeer_jax.errors import UserError


def round_probabilities(rounds: int) -> Float[np.ndarray, " N"]:
    """The probability of each round k = 1…N of a dialogue of N rounds (Eq. 1):

        P(k) ∝ exp(−(k − μ)² / 2σ²),   μ = N/2,   σ = N/4

    that is the normal density at whole numbers, made to sum to 1. The likeliest round has at most e² times the
    probability of the least likely one.

    Raises:
        UserError: there is no round.
    """
    if rounds < 1:
        raise UserError(f"a dialogue of {rounds} rounds has none to choose from; leave it out.")
    distances = (np.arange(1, rounds + 1) - rounds / 2) / (rounds / 4)
    weights = np.exp(-(distances**2) / 2)
    return weights / weights.sum()


def sample_rounds(rounds: int, count: int, generator: np.random.Generator) -> list[int]:
    """Rounds to learn from, drawn one after another by Eq. 1 without replacement, and returned in order.

    Args:
        count: N_s, how many are wanted; a dialogue with no more than that gives all that it has.

    Returns:
        Their numbers from 1, rising.

    Raises:
        UserError: there is no round, or none is wanted.
    """
    if count < 1:
        raise UserError(f"{count} rounds of a dialogue are wanted; it must be at least 1.")
    probabilities = round_probabilities(rounds)
    if count >= rounds:
        return list(range(1, rounds + 1))
    drawn = generator.choice(rounds, size=count, replace=False, p=probabilities)
    return sorted(int(index) + 1 for index in drawn)


def make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    """Draws rounds of each dialogue by its id."""
    seed, wanted = work.config.seed, work.config.rounds.per_dialogue
    made_by = {"stage": "rounds", "per_dialogue": wanted, "seed": seed}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    out.begin(ROUNDS)
    for dialogue in read_dialogues(work, "filter", out):
        rounds = rounds_of(dialogue)
        if not rounds:
            out.reject(dialogue.id, "no round: no supporter's turn answers the seeker", dialogue)
            continue
        generator = np.random.default_rng([*f"{seed}/{dialogue.id}".encode()])
        chosen = sample_rounds(len(rounds), wanted, generator)
        for number in chosen:
            drawn = rounds[number - 1]
            out.add(ROUNDS, replace(drawn, provenance=(*drawn.provenance, made_by)))
        counts[dialogue.source].update(dialogues=1, rounds=len(rounds), sampled=len(chosen))
    return {"sources": {source: dict(count) for source, count in counts.items()}}


STAGE = Stage(
    name="rounds",
    summary=STAGES["rounds"],
    inputs=lambda work: [work.file("filter", DIALOGUES)],
    settings=lambda config: {"per_dialogue": config.rounds.per_dialogue, "seed": config.seed},
    make=make,
)
