"""`compeer data care`: from a corpus with strategies to CARE's training data.

    OUTPUT/
      corpora/ privacy/     dialogues, and the same with contacts, numbers, addresses and given names masked
      chains/               each reply with the four nodes that lead to it
      coherence/            the chains of which every node holds
      care/
        README.md           the data card
        statistics.json     of the nodes
        sft/                train.jsonl, valid.jsonl, test.jsonl: `data.path` of `compeer sft` is OUTPUT/care

A stage whose card still holds is not run again; what chat models have answered is not asked twice.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compeer_jax.curation.care.chains import CHAINS, chains_stage, read_chains
from compeer_jax.curation.care.coherence import coherence_stage
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.care.data_card import data_card
from compeer_jax.curation.care.statistics import ChainStatistics, pass_rates
from compeer_jax.curation.corpora.stage import STAGE as CORPORA
from compeer_jax.curation.pipeline import run_and_tell, workspace
from compeer_jax.curation.privacy.stage import STAGE as PRIVACY
from compeer_jax.curation.stage import CARD, Stage, StageWriter, Workspace, read_card
from compeer_jax.data.cer_folder import SFT
from compeer_jax.data.splits import SPLITS

NAME = "care"
EARLIER = ("corpora", "privacy", "chains", "coherence")


def build_care(config: CareDataConfig, *, say: Callable[[str], None], again: bool = False) -> Path:
    """Runs the stages whose cards don't hold any more; returns the folder to train from.

    Args:
        again: run all stages even if their cards hold.

    Raises:
        UserError: whatever a stage finds wrong, or another process is at work in the folder.
    """
    with workspace(config.build, say=say) as work:
        run_stages(config, work, again=again)
    return work.folder / NAME


def run_stages(config: CareDataConfig, work: Workspace, *, again: bool = False) -> None:
    """Runs the stages in a workspace, and says of each what it gave."""
    for stage in (CORPORA, PRIVACY, chains_stage(config), coherence_stage(config), care_stage()):
        run_and_tell(stage, work, again=again)


def care_stage() -> Stage:
    """The stage that writes the records to train on, their statistics and the data card."""

    def inputs(work: Workspace) -> list[Path]:
        return [work.file("coherence", CHAINS), *(work.file(stage, CARD) for stage in EARLIER)]

    return Stage(NAME, "write the records to train on, and the data card", inputs, lambda build: {}, _make)


def _make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    for split in SPLITS:
        out.begin(f"{SFT}/{split}.jsonl")
    statistics = ChainStatistics()
    for chain in read_chains(work.file("coherence", CHAINS)):
        out.add(f"{SFT}/{chain.split}.jsonl", chain.record)
        statistics.add(chain)
    cards = {stage: read_card(work.folder / stage) or {} for stage in EARLIER}
    counts = {"silver": cards["chains"]["counts"]["silver"], **statistics.to_json()}
    counts["pass_rates"] = pass_rates(cards["coherence"]["counts"])
    text = json.dumps(counts, ensure_ascii=False, indent=2)
    out.path("statistics.json").write_text(text + "\n", encoding="utf-8")
    out.path("README.md").write_text(data_card(counts, statistics.sources, cards), encoding="utf-8")
    for split in SPLITS:
        if not statistics.chains[split]:
            work.say(f"care: no chain is left for {split}; chains/rejected.jsonl and coherence/rejected.jsonl say why.")
    return {"records": counts["chains"]}
