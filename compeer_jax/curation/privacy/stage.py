"""The privacy stage: masks contacts, numbers, addresses, and names as they are given, in the dialogues."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compeer_jax.curation import STAGES
from compeer_jax.curation.privacy.masking import KINDS, mask_dialogue
from compeer_jax.curation.rows import DIALOGUES, read_dialogues
from compeer_jax.curation.stage import Stage, StageWriter, Workspace


def make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    """Masks each dialogue, and counts what was masked."""
    kinds = work.config.privacy.kinds
    masked: dict[str, Counter[str]] = defaultdict(Counter)
    dialogues: dict[str, Counter[str]] = defaultdict(Counter)
    out.begin(DIALOGUES)
    for dialogue in read_dialogues(work, "corpora", out):
        dialogue, found = mask_dialogue(dialogue, kinds)
        if found:
            made_by = {"stage": "privacy", "masked": found}
            dialogue = replace(dialogue, provenance=(*dialogue.provenance, made_by))
        out.add(DIALOGUES, dialogue)
        dialogues[dialogue.source].update(dialogues=1, with_masks=int(bool(found)))
        masked[dialogue.source].update(found)
    return {
        "sources": {
            source: dict(count) | {"masked": {kind: masked[source][kind] for kind in KINDS}}
            for source, count in dialogues.items()
        }
    }


STAGE = Stage(
    name="privacy",
    summary=STAGES["privacy"],
    inputs=lambda work: [work.file("corpora", DIALOGUES)],
    settings=lambda config: {"kinds": sorted(config.privacy.kinds)},
    make=make,
)
