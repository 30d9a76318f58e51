"""A stage of the data pipeline: it reads files, writes JSON lines, and keeps a card that says from what and how.

    OUTPUT/
      filter/
        dialogues.jsonl    what the stage gives to the next one
        rejected.jsonl     what it left out: {"where", "reason", "row"}
        stage.json         its card, written last: settings, hashes of what it read and wrote, counts
      answers/             what chat models said, as they said it; shared by all stages

A stage whose card still holds is not run again. One that was killed is run again from its start: reading and
computing are quick, and what chat models have answered is not asked twice.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

from compeer_jax import __version__
from compeer_jax.chat.models import ChatModels
from compeer_jax.curation.config import BuildConfig
from compeer_jax.data.pictures import beside
from compeer_jax.dialogue.danger.withheld import WITHHELD, why_withheld
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.files import read_json
from compeer_jax.progress import Progress
from compeer_jax.structure import unstructured

CARD = "stage.json"
REJECTED = "rejected.jsonl"
PICTURES = "pictures"
LONGEST_ROW = 100_000  # characters of a rejected row that are kept; a longer one is cut and kept as text


@dataclass(frozen=True)
class Workspace:
    """Workspace of a stage.

    Attributes:
        config: the whole pipeline's.
        folder: the pipeline's, with one folder a stage.
        models: the chat models by name, opened when they are first asked for.
        say: told a line for the person who waits.
    """

    config: BuildConfig
    folder: Path
    models: ChatModels
    say: Callable[[str], None]
    _shown: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False, compare=False)

    def file(self, stage: str, name: str) -> Path:
        """A file of a stage."""
        return self.folder / stage / name

    def rows(self, stage: str, name: str) -> int:
        """How many rows that file has, by the stage's card; 0 if it has none."""
        card = read_card(self.folder / stage) or {}
        return card.get("outputs", {}).get(name, {}).get("rows", 0)

    def pictured(self, turns: Sequence[Turn], where: str) -> tuple[Turn, ...]:
        """The turns of a row with their pictures as files to be opened, which lie in the folder of the first stage.

        Raises:
            UserError: naming `where`, a path that leads elsewhere.
        """
        return beside(turns, self.folder / "corpora", where)

    def progress(self, title: str, total: int) -> Callable[[int], None]:
        """Shows whoever waits how much is done, until the next one begins or the stage ends.

        Args:
            title: of what is done.
            total: how much there is; it may be a little less.

        Returns:
            The function to tell how much is done so far.
        """
        self._shown.close()
        progress = self._shown.enter_context(Progress(total, title, unit="item"))
        return lambda done: progress.update(min(done, total), {})

    def end_progress(self) -> None:
        """Shows no progress any more."""
        self._shown.close()


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: of its folder and its command.
        summary: what it does, for `compeer data --help`.
        inputs: the files that it reads.
        settings: all else that its files depend on, as plain values: its settings and the seed, versions of prompts,
            names of models. A change makes it run again.
        make: writes its files and returns counts for its card, plain values that depend on input and settings alone.
    """

    name: str
    summary: str
    inputs: Callable[[Workspace], Sequence[Path]]
    settings: Callable[[BuildConfig], Mapping[str, Any]]
    make: Callable[[Workspace, "StageWriter"], Mapping[str, Any]]


class StageWriter:
    """The files of a stage while they are written. They appear when the stage has ended well; before, those of an
    earlier run stay. Files in the folder that the stage didn't write are left alone, and a file that somebody has
    changed since it was written is kept under another name.

    Attributes:
        rejected: reason -> how many rows were left out for it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.rejected: Counter[str] = Counter()
        self._open: dict[str, tuple[BinaryIO, Any]] = {}
        self._rows: Counter[str] = Counter()
        self._others: list[str] = []

    def add(self, name: str, row: object) -> None:
        """Adds one row, a mapping or a dataclass, to the JSONL file `name`."""
        if name not in self._open:
            self._begin(name)
        file, digest = self._open[name]
        line = (json.dumps(_plain(row), ensure_ascii=False) + "\n").encode()
        file.write(line)
        digest.update(line)
        self._rows[name] += 1

    def begin(self, name: str) -> None:
        """Makes the JSONL file `name` be there, also when no row is added."""
        if name not in self._open:
            self._begin(name)

    def reject(self, where: str, reason: str, row: object = None) -> None:
        """Leaves a row out, and keeps it with the reason.

        Args:
            where: file and record, or the record's id.
            reason: the same words for the same fault: they are counted. What is special to the row comes after a
                colon.
            row: what was left out, JSON or a dataclass. It isn't kept if it was left out, or a chat model's answer in
                it has to be, for what no output may say.
        """
        self.rejected[reason.partition(":")[0]] += 1
        kept: dict[str, object] = {"where": where, "reason": reason}
        row = _plain(row)
        if row is not None and f"{WITHHELD} (" not in reason and not _answer_withheld(row):
            text = json.dumps(row, ensure_ascii=False)
            kept["row"] = row if len(text) <= LONGEST_ROW else text[:LONGEST_ROW]
        self.add(REJECTED, kept)

    def path(self, name: str) -> Path:
        """Where to write another file, `name` in the end: a picture, a labelling config. A subfolder is made."""
        self._others.append(name)
        path = self._part(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self, card: Mapping[str, Any]) -> None:
        """Puts all files in their places, then the card."""
        self.begin(REJECTED)
        outputs: dict[str, dict] = {}
        for name, (file, digest) in self._open.items():
            file.flush()
            os.fsync(file.fileno())
            file.close()
            outputs[name] = {"rows": self._rows[name], "sha256": digest.hexdigest()}
        for name in self._others:
            outputs[name] = {"sha256": file_hash(self._part(name))}
        before = (read_card(self.folder) or {}).get("outputs", {})
        (self.folder / CARD).unlink(missing_ok=True)
        for name in {*before, *outputs}:
            self._clear(self.folder / name, before.get(name, {}).get("sha256"))
        for name in outputs:
            os.replace(self._part(name), self.folder / name)
        text = json.dumps({**card, "rejected": dict(self.rejected), "outputs": outputs}, ensure_ascii=False, indent=2)
        part = self._part(CARD)
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, self.folder / CARD)

    def discard(self) -> None:
        """Removes what was written so far."""
        for file, _ in self._open.values():
            file.close()
        for name in (*self._open, *self._others):
            self._part(name).unlink(missing_ok=True)

    def _clear(self, path: Path, written: str | None) -> None:
        """Makes room for a new file: what we wrote goes, what somebody has changed since is kept under another name."""
        if not path.is_file():
            return
        now = file_hash(path)
        if now == written:
            path.unlink()
        else:
            path.rename(path.with_name(f"{path.stem}.changed-{now[:8]}{path.suffix}"))

    def _begin(self, name: str) -> None:
        part = self._part(name)
        part.parent.mkdir(parents=True, exist_ok=True)
        self._open[name] = part.open("wb"), hashlib.sha256()

    def _part(self, name: str) -> Path:
        path = self.folder / name
        return path.with_name(f".part-{path.name}")


def _plain(row: object) -> object:
    return unstructured(row) if is_dataclass(row) else row


def _answer_withheld(row: object) -> bool:
    """Whether a chat model's answer in a rejected row, its "text" or "lines", says what no output may say."""
    if not isinstance(row, Mapping):
        return False
    return why_withheld(str(row.get("text", "")), *map(str, row.get("lines", ()))) is not None


def run_stage(stage: Stage, work: Workspace, *, again: bool = False) -> bool:
    """Runs a stage, unless its card still holds; returns whether it ran.

    Raises:
        UserError: a file of an earlier stage is missing, or whatever the stage finds wrong.
    """
    folder = work.folder / stage.name
    inputs = {}
    for path in stage.inputs(work):
        if not path.is_file():
            maker = f"run `compeer data {path.parent.name}` first" if path.parent.parent == work.folder else "check it"
            raise UserError(f"{path}, which the {stage.name} stage reads, is not there; {maker}.")
        inputs[_shown(path, work.folder)] = file_hash(path)
    card = {
        "stage": stage.name,
        "compeer_jax": __version__,
        "settings": json.loads(json.dumps(stage.settings(work.config))),
        "inputs": inputs,
    }
    if not again and _holds(read_card(folder), card, folder):
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} can't be made ({error.strerror}); choose another output.") from error
    out = StageWriter(folder)
    try:
        counts = stage.make(work, out)
        out.finish({**card, "counts": counts})
    except BaseException:
        out.discard()
        raise
    finally:
        work.end_progress()
    return True


def read_card(folder: Path) -> dict | None:
    """The card of a stage's folder; None if there is none, or it can't be read."""
    try:
        return read_json(folder / CARD, "the card", dict)
    except UserError:
        return None


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds(old: dict | None, card: Mapping, folder: Path) -> bool:
    """Whether what the folder holds was made from the same, and is still what it was."""
    if old is None or any(old.get(name) != card[name] for name in card):
        return False
    return all(
        (folder / name).is_file() and file_hash(folder / name) == output["sha256"]
        for name, output in old.get("outputs", {}).items()
    )


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
