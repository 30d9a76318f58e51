"""The corpora stage, the first: corpora become dialogues, each with the file it is from and its licence."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.curation import STAGES
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.corpora.pictures import Pictures
from compeer_jax.curation.rows import DIALOGUES
from compeer_jax.curation.stage import Stage, StageWriter, Workspace, file_hash
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.licences import is_allowed
from compeer_jax.data.corpora.places import corpus_files, plain_name, shown
from compeer_jax.data.corpora.reading import check_corpus, iter_corpus, merged
from compeer_jax.data.corpora.rejected import Rejected
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

NO_PICTURE = "a picture that can't be used"


@dataclass
class SourceCounts:
    """What became of the rows of one source. What is counted in dialogues is of those kept.

    `without_picture` counts dialogues set aside because a picture is missing or can't be used.
    """

    read: int = 0
    kept: int = 0
    rejected: int = 0
    licence_filtered: int = 0
    utterances: int = 0
    merged: int = 0
    strategies: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    without_picture: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, strategies and licences by how often they are there."""
        return {
            name: dict(value.most_common()) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


def inputs(work: Workspace) -> Sequence[Path]:
    """The corpora's files; none for the bundled dialogues and the Hub's."""
    if not work.config.corpora:
        raise UserError("corpora is empty; name at least one, such as {path: ESConv.json}, or {path: sample}.")
    for corpus in work.config.corpora:
        check_corpus(corpus)
    return [file for corpus in work.config.corpora for file in corpus_files(corpus.path)]


def settings(config: BuildConfig) -> Mapping[str, Any]:
    """Which corpora, and which licences are wanted."""
    corpora = [asdict(corpus) | {"path": _name(corpus), "files": _files_hash(corpus)} for corpus in config.corpora]
    return {"corpora": corpora, "licences": config.licences}


def _name(corpus: CorpusConfig) -> str:
    """The corpus's name without the folders above it, which differ between machines."""
    return Path(corpus.path).expanduser().name if corpus_files(corpus.path) else corpus.path


def _files_hash(corpus: CorpusConfig) -> str:
    """Of a folder's files together: two of them may have the same name, and then the card's inputs show one."""
    if not Path(corpus.path).expanduser().is_dir():
        return ""
    lines = (f"{shown(file, corpus.path)} {file_hash(file)}\n" for file in corpus_files(corpus.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    """Reads each corpus, and keeps the dialogues whose licence is wanted."""
    out.begin(DIALOGUES)
    seen: set[str] = set()
    counts: dict[str, SourceCounts] = {}
    for corpus in work.config.corpora:
        refused, source = 0, corpus.name or plain_name(corpus.path)
        pictures = Pictures(corpus, out)
        for item in iter_corpus(corpus, seen=seen):
            if isinstance(item, Rejected):
                out.reject(item.where, item.reason, item.row)
                refused += 1
                continue
            source = item.source
            of_source = counts.setdefault(source, SourceCounts())
            of_source.read += 1
            if not is_allowed(item.licence, work.config.licences):
                of_source.licence_filtered += 1
                continue
            try:
                pictured = pictures.of(item)
            except UserError as error:
                where, _, what = str(error).partition(": ")
                out.reject(where, f"{NO_PICTURE}: {what}", item)
                of_source.without_picture += 1
            else:
                out.add(DIALOGUES, _counted(pictured, of_source))
        counts.setdefault(source, SourceCounts()).rejected += refused
    for source, of_source in counts.items():
        for line in _remarks(source, of_source, work.config):
            work.say(line)
    return {"sources": {source: of_source.to_json() for source, of_source in counts.items()}}


def _counted(dialogue: Dialogue, counts: SourceCounts) -> Dialogue:
    """The dialogue with its turns merged, after it was counted."""
    counts.kept += 1
    counts.licences[dialogue.licence] += 1
    counts.utterances += len(dialogue.turns)
    counts.strategies.update(turn.strategy for turn in dialogue.turns if turn.strategy)
    counts.pictures += sum(len(turn.images) for turn in dialogue.turns)
    dialogue, joins = merged(dialogue)
    counts.merged += joins
    return dialogue


def _remarks(source: str, counts: SourceCounts, config: BuildConfig) -> list[str]:
    """What the person who waits should know of a source."""
    lines = []
    if not counts.read:
        lines.append(f"{source}: no dialogue could be read; rejected.jsonl says why.")
    if counts.licence_filtered:
        lines.append(
            f"{source}: {counts.licence_filtered:,} dialogues are left out, as licences is {config.licences!r}; if you "
            "may use them, name the corpus's licence (or, as its form, the published corpus that it is), or set "
            "licences to research or all."
        )
    if counts.without_picture:
        are = "1 dialogue is" if counts.without_picture == 1 else f"{counts.without_picture:,} dialogues are"
        lines.append(
            f"{source}: {are} set aside, as a picture is missing or can't be used (rejected.jsonl names each); put the "
            "pictures beside the corpus, or set the corpus's pictures to leave_out for the words alone."
        )
    return lines


STAGE = Stage("corpora", STAGES["corpora"], inputs, settings, make)
