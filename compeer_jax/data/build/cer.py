"""The dataset itself: labelled candidates, split by dialogue, in a view for each kind of training, with a data card.

cer/
  README.md, histograms.png               the data card
  unifi/  prm/  orm/  sft/                 the views, each with
    train.jsonl  valid.jsonl  test.jsonl
  unifi/train_{d,r,p}.jsonl                train with duplicates, rewrites, rewrites with a persona: as many of each
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from compeer_jax.data.build.candidate_rows import Candidate
from compeer_jax.data.build.config import BuildConfig
from compeer_jax.data.build.pipeline import STAGES
from compeer_jax.data.build.stage import CARD, Stage, StageWriter, Workspace, read_card
from compeer_jax.data.cer.data_card import CardFacts, data_card
from compeer_jax.data.cer.histograms import draw_histograms
from compeer_jax.data.cer.split import SPLITS, TRAIN, SplitKey, split_records, talk_key
from compeer_jax.data.cer.tally import Tally
from compeer_jax.data.cer.views import (
    SFT,
    VARIANTS,
    VIEWS,
    Consensus,
    Rewritten,
    extra_records,
    judge_record,
    sft_record,
    views_of,
)
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.reasoning import FORMATS
from compeer_jax.errors import UserError

UNIFI = "unifi"
PICTURE = "histograms.png"
EARLIER = tuple(name for name in STAGES if name != "cer")
FILES = {
    "candidates": "candidates.jsonl",
    "annotation": "labels.jsonl",
    "personality": "rewrites.jsonl",
}
AGREEMENT = "agreement.json"


def inputs(work: Workspace) -> list[Path]:
    """Candidates, what is said of them, their rewrites, and all cards, which the data card tells of."""
    rows = [work.file(stage, name) for stage, name in FILES.items()]
    return [*rows, work.file("annotation", AGREEMENT), *(work.file(stage, CARD) for stage in EARLIER)]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the dataset depends on beside the rows."""
    return {
        "valid": config.cer.valid,
        "test": config.cer.test,
        "format": config.candidates.format,
        "seed": config.seed,
    }


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Reads the candidates twice: to split them, and to write them. Labels and rewrites are held in memory."""
    config = work.config
    for view in VIEWS:
        for split in SPLITS:
            out.begin(f"{view}/{split}.jsonl")
    for variant in VARIANTS:
        out.begin(_variant_file(variant))
    labelled = _labelled(work, out)
    keys = {candidate.id: _key(candidate) for candidate in _candidates(work) if candidate.id in labelled}
    for id in labelled.keys() - keys.keys():
        out.reject(id, "labels of a candidate that is not there")
    splits = split_records(keys.values(), valid=config.cer.valid, test=config.cer.test, seed=config.seed)
    rewrites, unused = _rewrites(work, keys, splits, out)
    tally = Tally()
    for candidate in _candidates(work):
        if candidate.id in keys:
            split = splits[candidate.dialogue]
            _write(candidate, labelled[candidate.id], split, rewrites.get(candidate.id, ()), config, tally, out)
    _describe(work, out, tally)
    if not keys:
        work.say("cer: no candidate has labels yet, so the dataset is empty; see the annotation stage's folder.")
    return {
        "records": dict(tally.records),
        "dialogues": {split: len(tally.dialogues[split]) for split in SPLITS},
        "rows": {f"{view}/{split}": count for (view, split), count in sorted(tally.rows.items())},
        "not_for_sft": dict(sorted(tally.not_for_sft.items())),
        "rewrites_not_used": dict(sorted(unused.items())),
        "drafted": tally.drafted,
    }


def _write(
    candidate: Candidate,
    consensus: Consensus,
    split: str,
    rewrites: Sequence[Rewritten],
    config: BuildConfig,
    tally: Tally,
    out: StageWriter,
) -> None:
    """Adds a candidate to all views that it belongs to."""
    record = judge_record(candidate, consensus, FORMATS[config.candidates.format])
    tally.add(split, candidate, record, drafts=consensus.drafts)

    def add(view: str, name: str, row: Any) -> None:
        out.add(f"{view}/{name}.jsonl", row.to_json())
        tally.rows[view, name] += 1

    views = views_of(record)
    for view in views:
        add(view, split, record)
    fit = sft_record(candidate, record)
    if isinstance(fit, str):
        tally.not_for_sft[fit] += 1
    else:
        add(SFT, split, fit)
    if UNIFI in views and split == TRAIN:
        extra = extra_records(record, rewrites)
        for variant in VARIANTS:
            add(UNIFI, f"{TRAIN}_{variant}", record)
            if extra:
                add(UNIFI, f"{TRAIN}_{variant}", extra[variant])


def _labelled(work: Workspace, out: StageWriter) -> dict[str, Consensus]:
    """Candidate -> what its annotators agree on, where they agree on anything."""
    found = _parsed(work.file("annotation", FILES["annotation"]), Consensus, out)
    return {one.id: one for one in found if one.labels or one.preference}


def _rewrites(
    work: Workspace, keys: Mapping[str, SplitKey], splits: Mapping[str, str], out: StageWriter
) -> tuple[dict[str, list[Rewritten]], Counter[str]]:
    """Candidate -> its rewrites, as far as they may be learned from; and why others may not."""
    held = {key.history for key in keys.values() if splits[key.dialogue] != TRAIN}
    kept: dict[str, list[Rewritten]] = {}
    unused: Counter[str] = Counter()
    for rewrite in _parsed(work.file("personality", FILES["personality"]), Rewritten, out):
        if rewrite.id not in keys:
            unused["its candidate has no labels"] += 1
        elif splits[keys[rewrite.id].dialogue] != TRAIN:
            unused["its dialogue is held out"] += 1
        elif talk_key(rewrite.history) in held:
            unused["its history is held out"] += 1
        else:
            kept.setdefault(rewrite.id, []).append(rewrite)
    return kept, unused


def _describe(work: Workspace, out: StageWriter, tally: Tally) -> None:
    """The data card and its picture."""
    pictures = []
    if tally.records:
        draw_histograms(tally, out.path(PICTURE))
        pictures.append(PICTURE)
    agreement = json.loads(work.file("annotation", AGREEMENT).read_text(encoding="utf-8"))
    cards = {stage: read_card(work.folder / stage) or {} for stage in EARLIER}
    facts = CardFacts(tally, cards, agreement, settings(work.config), out.rejected, pictures)
    out.path("README.md").write_text(data_card(facts), encoding="utf-8")


def _key(candidate: Candidate) -> SplitKey:
    return SplitKey(candidate.dialogue, candidate.source, candidate.language, talk_key(candidate.history))


def _variant_file(variant: str) -> str:
    return f"{UNIFI}/{TRAIN}_{variant}.jsonl"


def _candidates(work: Workspace) -> Iterator[Candidate]:
    for where, row in _rows(work.file("candidates", FILES["candidates"])):
        yield Candidate.from_json(row, where)


Row = TypeVar("Row", covariant=True)


class _Form(Protocol[Row]):
    def from_json(self, obj: Mapping, where: str) -> Row: ...


def _parsed(path: Path, form: _Form[Row], out: StageWriter) -> Iterator[Row]:
    """The rows of a file; those that somebody has spoilt are rejected."""
    for number, (where, row) in enumerate(_rows(path), start=1):
        try:
            yield form.from_json(row, where)
        except UserError as error:
            place = f"{path.parent.name}/{path.name}, line {number}"
            out.reject(place, f"not a row of this file: {str(error).removeprefix(f'{where}: ')}", row)


def _rows(path: Path) -> Iterable[tuple[str, dict]]:
    return read_jsonl(path) if path.stat().st_size else ()


STAGE = Stage("cer", STAGES["cer"], inputs, settings, make)
