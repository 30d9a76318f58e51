"""The cer stage: labelled candidates, split by dialogue, in a view for each kind of training, with a data card.

cer/
  README.md, histograms.png               the data card
  unifi/  prm/  orm/  sft/  rl/            the views, each with
    train.jsonl  valid.jsonl  test.jsonl
  pictures/                                what turns show, told from this folder
  {unifi,sft,rl}/train_{d,r,p}.jsonl       train with duplicates, rewrites, rewrites with a persona: as many of each
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compeer_jax.curation import STAGES
from compeer_jax.curation.annotation.labels import LABELS
from compeer_jax.curation.candidates.rows import CANDIDATES, Candidate
from compeer_jax.curation.cer.data_card import CardFacts, data_card
from compeer_jax.curation.cer.histograms import draw_histograms
from compeer_jax.curation.cer.split import SplitKey, held_out_shares, split_records, talk_key
from compeer_jax.curation.cer.tally import Tally
from compeer_jax.curation.cer.views import (
    DUPLICATE,
    VARIANTS,
    VIEWS,
    AnyRecord,
    Consensus,
    draw_extra,
    duplicate,
    judge_record,
    rewritten,
    rewritten_policy,
    right_labels,
    rl_record,
    sft_record,
    views_of,
)
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.personality.rewriting import Rewritten
from compeer_jax.curation.rounds.rows import ROUNDS, Round
from compeer_jax.curation.rows import DIALOGUES, read_dialogues, read_rows, sound_rows
from compeer_jax.curation.stage import CARD, Stage, StageWriter, Workspace, read_card
from compeer_jax.data.cer_folder import RL, SFT, TRAIN, UNIFI, WITH_VARIANTS
from compeer_jax.data.danger.talks import MARK, danger_mark, finder_version
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.pictures import inspect_picture, pictures_of
from compeer_jax.data.record import Record
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.danger.withheld import VERSION, why_withheld
from compeer_jax.dialogue.reasoning import FORMATS, ReasoningFormat

PICTURE = "histograms.png"
EARLIER = tuple(name for name in STAGES if name != "cer")
FILES = {
    "filter": DIALOGUES,
    "rounds": ROUNDS,
    "candidates": CANDIDATES,
    "annotation": LABELS,
    "personality": "rewrites.jsonl",
}
AGREEMENT = "agreement.json"


def inputs(work: Workspace) -> list[Path]:
    """Dialogues, rounds, candidates, what is said of them, their rewrites; all cards, for the data card."""
    rows = [work.file(stage, name) for stage, name in FILES.items()]
    return [*rows, work.file("annotation", AGREEMENT), *(work.file(stage, CARD) for stage in EARLIER)]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the dataset depends on beside the rows."""
    return {
        "valid": config.cer.valid,
        "test": config.cer.test,
        "format": config.candidates.format,
        "seed": config.seed,
        "withheld": VERSION,
        "danger": finder_version(),
    }


@dataclass
class _Learned:
    """What the first reading of rounds and candidates tells the second.

    Attributes:
        keys: candidate or round -> what decides where it goes.
        of_round: round -> its labelled candidates, in their order.
        right: candidate -> labels of its steps that were found right.
        views: candidate -> those of `WITH_VARIANTS` that it is in.
        withheld: candidates and rounds that are handed on to nobody.
    """

    keys: dict[str, SplitKey] = field(default_factory=dict)
    of_round: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    right: dict[str, dict[str, str]] = field(default_factory=dict)
    views: dict[str, list[str]] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)

    def samples(self) -> Counter[str]:
        """Dialogue -> how many samples are counted of it: candidates with all labels; where there are none, labelled
        ones; where nothing is labelled, rounds."""
        whole = (id for id, views in self.views.items() if UNIFI in views)
        for ids in (whole, self.views, self.keys):
            if counted := Counter(self.keys[id].dialogue for id in ids):
                return counted
        return Counter()


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Reads rounds and candidates twice: to split them, and to write them. Labels and rewrites are held in memory."""
    config = work.config
    for view in VIEWS:
        for split in SPLITS:
            out.begin(f"{view}/{split}.jsonl")
    for view in WITH_VARIANTS:
        for variant in VARIANTS:
            out.begin(f"{view}/{TRAIN}_{variant}.jsonl")
    labelled = _labelled(work, out)
    learned = _first_reading(work, labelled, out)
    for id in sorted(labelled.keys() - learned.views.keys() - learned.withheld):
        out.reject(id, "labels of a candidate that is not there")
    samples = learned.samples()
    valid, test = held_out_shares(config.cer.valid, config.cer.test, samples.total())
    splits = split_records(learned.keys.values(), valid=valid, test=test, seed=config.seed, samples=samples)
    rewrites, unused = _rewrites(work, learned, splits, out)
    extra, format = _extra(learned, splits, rewrites, config.seed), FORMATS[config.candidates.format]
    tally = Tally()
    marks = _marks(work, splits, tally, out)
    writer = _Writer(out, work, tally, format, splits, rewrites, extra, marks)
    for candidate in _candidates(work):
        if candidate.id in learned.views:
            writer.write_judged(candidate, labelled[candidate.id])
    for asked in _rounds(work):
        if asked.id in learned.keys:
            writer.write_prompt(asked, rl_record(asked, [learned.right[id] for id in learned.of_round[asked.id]]))
    _describe(work, out, tally)
    if not labelled:
        work.say(
            "cer: no candidate has labels yet, so there is nothing but prompts in rl/; see the annotation stage's "
            "folder."
        )
    return {
        "records": dict(tally.records),
        "dialogues": {split: len(tally.dialogues[split]) for split in SPLITS},
        "rows": {f"{view}/{split}": count for (view, split), count in sorted(tally.rows.items())},
        "not_for_sft": dict(sorted(tally.not_for_sft.items())),
        "rewrites_not_used": dict(sorted(unused.items())),
        "danger": tally.danger.counts(),
        "drafted": tally.drafted,
    }


def _first_reading(work: Workspace, labelled: Mapping[str, Consensus], out: StageWriter) -> _Learned:
    learned, format = _Learned(), FORMATS[work.config.candidates.format]
    for asked in _rounds(work):
        if why := why_withheld(asked.reference.response, turns=asked.history):
            learned.withheld.add(asked.id)
            out.reject(asked.id, why)
        else:
            learned.keys[asked.id] = _key(asked)
    for candidate in _candidates(work):
        if candidate.id not in labelled:
            continue
        if why := candidate.withheld:
            learned.withheld.add(candidate.id)
            out.reject(candidate.id, why)
            continue
        consensus = labelled[candidate.id]
        record = judge_record(candidate, consensus, format)
        learned.keys[candidate.id] = _key(candidate)
        learned.of_round[candidate.of_round].append(candidate.id)
        learned.right[candidate.id] = right_labels(candidate, consensus, format)
        fits = not isinstance(sft_record(candidate, record), str)
        learned.views[candidate.id] = [name for name in views_of(record) if name == UNIFI] + [SFT] * fits
    return learned


Rewrites = Mapping[tuple[str, str], Rewritten]
"""By candidate or round, and variant. A round's is that of its first candidate that has one."""


@dataclass(frozen=True)
class _Writer:
    """Adds records to all views that they belong to, and to the variants of train.

    Attributes:
        out: where to.
        work: the pipeline, whose pictures are copied.
        tally: what is counted.
        format: of the reasoning.
        splits: dialogue -> split.
        rewrites: of all that may be learned from.
        extra: view -> variant -> ids of the records that are added once more.
        marks: dialogue -> what its records' provenance says of danger in it.
    """

    out: StageWriter
    work: Workspace
    tally: Tally
    format: ReasoningFormat
    splits: Mapping[str, str]
    rewrites: Rewrites
    extra: Mapping[str, Mapping[str, frozenset[str]]]
    marks: Mapping[str, Mapping[str, Any]]

    def write_judged(self, candidate: Candidate, consensus: Consensus) -> None:
        """A labelled candidate, for judges and for fine-tuning."""
        split, record = self.splits[candidate.dialogue], judge_record(candidate, consensus, self.format)
        self.tally.add(split, candidate, record, drafts=consensus.drafts)
        for view in views_of(record):
            self._write(
                view, candidate.dialogue, record, lambda rewrite: rewritten(record, rewrite, candidate, self.format)
            )
        fit = sft_record(candidate, record)
        if isinstance(fit, str):
            self.tally.not_for_sft[fit] += 1
        else:
            self._write(SFT, candidate.dialogue, fit, lambda rewrite: rewritten_policy(fit, rewrite))

    def write_prompt(self, asked: Round, record: Record) -> None:
        """A round."""
        split = self.splits[asked.dialogue]
        for name in record.reference.labels:
            self.tally.known[name][split] += 1
        self._write(RL, asked.dialogue, record, lambda rewrite: rewritten_policy(record, rewrite))

    def _write(self, view: str, dialogue: str, record: AnyRecord, reword: Callable[[Rewritten], AnyRecord]) -> None:
        split, mark = self.splits[dialogue], self.marks.get(dialogue)
        self._add(view, split, record, mark)
        if split != TRAIN:
            return
        for variant, ids in self.extra.get(view, {}).items():
            self._add(view, f"{TRAIN}_{variant}", record, mark)
            if record.id in ids:
                more = duplicate(record) if variant == DUPLICATE else reword(self.rewrites[record.id, variant])
                self._add(view, f"{TRAIN}_{variant}", more, mark)

    def _add(self, view: str, name: str, row: Record | JudgeRecord, mark: Mapping[str, Any] | None) -> None:
        if mark is not None:
            row = replace(row, provenance=(*row.provenance, mark))
        for copy, path in zip(
            pictures_of(row.history), pictures_of(self.work.pictured(row.history, row.id)), strict=True
        ):
            if copy not in self.tally.pictures:
                shutil.copyfile(inspect_picture(path, row.id).path, self.out.path(copy))
                self.tally.pictures.add(copy)
        self.out.add(f"{view}/{name}.jsonl", row)
        self.tally.rows[view, name] += 1


def _extra(
    learned: _Learned, splits: Mapping[str, str], rewrites: Rewrites, seed: int
) -> dict[str, dict[str, frozenset[str]]]:
    """View -> variant -> ids of the records that are added once more."""
    of_view: dict[str, list[str]] = {view: [] for view in WITH_VARIANTS}
    for id, key in learned.keys.items():
        if splits[key.dialogue] == TRAIN:
            for view in learned.views.get(id, [RL]):
                of_view[view].append(id)
    return {
        view: draw_extra(ids, {name: [id for id in ids if (id, name) in rewrites] for name in VARIANTS}, seed)
        for view, ids in of_view.items()
    }


def _marks(work: Workspace, splits: Mapping[str, str], tally: Tally, out: StageWriter) -> dict[str, dict[str, Any]]:
    """Dialogue -> the entry that marks danger in it; of those that are used, each counted."""
    marks = {}
    for dialogue in read_dialogues(work, "filter", out):
        if dialogue.id in splits and (mark := danger_mark(dialogue.turns)):
            tally.danger.add(mark, splits[dialogue.id])
            marks[dialogue.id] = {"stage": "cer", MARK: mark}
    return marks


def _labelled(work: Workspace, out: StageWriter) -> dict[str, Consensus]:
    """Candidate -> what its annotators agree on, where they agree on anything; without critiques that are withheld."""
    labelled = {}
    rows = sound_rows(work.file("annotation", FILES["annotation"]), Consensus, out, unknown_fields="ignore")
    for one in rows:
        if why := why_withheld(*one.critiques.values()):
            out.reject(f"{one.id}, critiques", why)
            one = replace(one, critiques={})
        if one.labels or one.preference:
            labelled[one.id] = one
    return labelled


def _rewrites(
    work: Workspace, learned: _Learned, splits: Mapping[str, str], out: StageWriter
) -> tuple[Rewrites, Counter[str]]:
    """The rewrites, as far as they may be learned from; and why others may not."""
    held = {key.history for key in learned.keys.values() if splits[key.dialogue] != TRAIN}
    kept: dict[tuple[str, str], Rewritten] = {}
    unused: Counter[str] = Counter()
    for rewrite in sound_rows(work.file("personality", FILES["personality"]), Rewritten, out):
        if rewrite.id not in learned.views:
            unused["its candidate has no labels"] += 1
        elif splits[learned.keys[rewrite.id].dialogue] != TRAIN:
            unused["its dialogue is held out"] += 1
        elif talk_key(rewrite.history) in held:
            unused["its history is held out"] += 1
        elif why := why_withheld(*rewrite.responses, *(rewrite.steps or {}).values(), turns=rewrite.history):
            unused[why] += 1
        else:
            kept[rewrite.id, rewrite.variant] = rewrite
    for asked, candidates in learned.of_round.items():
        for variant in VARIANTS:
            found = next((kept[id, variant] for id in candidates if (id, variant) in kept), None)
            if found is not None and asked in learned.keys:
                kept[asked, variant] = found
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


def _key(row: Candidate | Round) -> SplitKey:
    return SplitKey(row.dialogue, row.source, row.language, talk_key(row.history))


def _rounds(work: Workspace) -> Iterator[Round]:
    return read_rows(work.file("rounds", FILES["rounds"]), Round)


def _candidates(work: Workspace) -> Iterator[Candidate]:
    return read_rows(work.file("candidates", FILES["candidates"]), Candidate)


STAGE = Stage("cer", STAGES["cer"], inputs, settings, make)
