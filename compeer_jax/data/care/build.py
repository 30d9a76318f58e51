"""`compeer data care`: from a corpus with strategies to CARE's training data.

    OUTPUT/
      corpora/ privacy/     dialogues, and their addresses, numbers and names of accounts masked
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

from compeer_jax.data.build.corpora import STAGE as CORPORA
from compeer_jax.data.build.pipeline import ANSWERS, LOCK
from compeer_jax.data.build.privacy import STAGE as PRIVACY
from compeer_jax.data.build.stage import CARD, Stage, StageWriter, Workspace, read_card, run_stage
from compeer_jax.data.care.chain_rows import CHAINS, SPLITS, read_chains
from compeer_jax.data.care.chains import chains_stage
from compeer_jax.data.care.coherence import coherence_stage
from compeer_jax.data.care.config import CareDataConfig
from compeer_jax.data.care.data_card import data_card
from compeer_jax.data.care.statistics import ChainStatistics, pass_rates
from compeer_jax.data.cer.folder import SFT
from compeer_jax.errors import UserError
from compeer_jax.generation.chat_models import ChatModels

NAME = "care"
EARLIER = ("corpora", "privacy", "chains", "coherence")


def build_care(config: CareDataConfig, *, say: Callable[[str], None], again: bool = False) -> Path:
    """Runs the stages whose cards don't hold any more; returns the folder to train from.

    Args:
        config: the settings.
        say: told what is done.
        again: run all stages even if their cards hold.

    Raises:
        UserError: whatever a stage finds wrong, or another process is at work in the folder.
    """
    from filelock import FileLock, Timeout

    folder = Path(config.output).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} can't be made ({error.strerror}); choose another output.") from error
    try:
        with FileLock(folder / LOCK, timeout=0):
            models = ChatModels(config.models, folder=folder / ANSWERS, say=say)
            try:
                run_stages(config, Workspace(config.build, folder, models, say), again=again)
            finally:
                models.close()
    except Timeout as error:
        raise UserError(f"another process is building in {folder}; wait for it, or choose another output.") from error
    return folder / NAME


def run_stages(config: CareDataConfig, work: Workspace, *, again: bool = False) -> None:
    """Runs the stages in a workspace, and says of each what it gave."""
    for stage in (CORPORA, PRIVACY, chains_stage(config), coherence_stage(config), care_stage()):
        ran = run_stage(stage, work, again=again)
        work.say(_line(stage.name, ran, read_card(work.folder / stage.name) or {}))


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
        out.add(f"{SFT}/{chain.split}.jsonl", chain.record.to_json())
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


def _line(name: str, ran: bool, card: Mapping[str, Any]) -> str:
    """What a stage has given, for the person who waits."""
    rows = [
        f"{file} {output['rows']:,}"
        for file, output in card.get("outputs", {}).items()
        if "rows" in output and file != "rejected.jsonl"
    ]
    left_out = sum(card.get("rejected", {}).values())
    out = [f"{left_out:,} left out"] if left_out else []
    return f"{name}: {', '.join(rows + out)}{'' if ran else ' (as before)'}"
