"""Samples the rounds to learn from (Eq. 1)."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from compeer_jax.curation.dialogue_rows import DIALOGUES, read_dialogues
from compeer_jax.curation.pipeline import STAGES
from compeer_jax.curation.rounds.drawing import sample_rounds
from compeer_jax.curation.rounds.rows import rounds_of
from compeer_jax.curation.stage import Stage, StageWriter, Workspace

ROUNDS = "rounds.jsonl"


def _make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    seed, wanted = work.config.seed, work.config.rounds.per_dialogue
    made_by = {"stage": "rounds", "per_dialogue": wanted, "seed": seed}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    out.begin(ROUNDS)
    for dialogue in read_dialogues(work, "filter", out):
        rounds = rounds_of(dialogue)
        if not rounds:
            out.reject(dialogue.id, "no round: no supporter's turn answers the seeker", dialogue.to_json())
            continue
        generator = np.random.default_rng([*f"{seed}/{dialogue.id}".encode()])
        chosen = sample_rounds(len(rounds), wanted, generator)
        for number in chosen:
            drawn = rounds[number - 1]
            out.add(ROUNDS, replace(drawn, provenance=(*drawn.provenance, made_by)).to_json())
        counts[dialogue.source].update(dialogues=1, rounds=len(rounds), sampled=len(chosen))
    return {"sources": {source: dict(count) for source, count in counts.items()}}


STAGE = Stage(
    name="rounds",
    summary=STAGES["rounds"],
    inputs=lambda work: [work.file("filter", DIALOGUES)],
    settings=lambda config: {"per_dialogue": config.rounds.per_dialogue, "seed": config.seed},
    make=_make,
)
