"""A folder of the data pipeline for tests, filled by hand."""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.models import ChatModels
from compeer_jax.chat.types import ChatModel
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import Workspace

_WORDS = "the rain a house my sister work to sleep and never again since monday talk about it with nobody"


def workspace(folder: Path, *, models: Mapping[str, ChatModel] | None = None, **settings) -> Workspace:
    """A workspace in `folder`, with other settings than the usual ones, and with models of a test's own by name."""
    named = {name: ChatModelConfig(path="a test's own") for name in models or {}}
    config = BuildConfig(output=str(folder), models=named, **settings)
    folder.mkdir(parents=True, exist_ok=True)
    return Workspace(config, folder, models or ChatModels({}, folder=folder / "answers", say=print), print)


def given_rows(work: Workspace, stage: str, rows: Sequence[dict], name: str = "dialogues.jsonl") -> None:
    """Puts rows where a stage would have written them."""
    path = work.file(stage, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_rows(work: Workspace, stage: str, name: str) -> list[dict]:
    """The rows of a stage's file."""
    return [json.loads(line) for line in work.file(stage, name).read_text(encoding="utf-8").splitlines()]


def dialogue(id: str, exchanges: int, *, language: str = "en", source: str = "test", **fields) -> dict:
    """A dialogue's row whose words differ from those of other ids."""
    turns, vocabulary = [], _WORDS.split()
    for number in range(exchanges):
        words = " ".join(
            vocabulary[zlib.crc32(f"{id}/{number}/{place}".encode()) % len(vocabulary)] for place in range(12)
        )
        turns.append({"role": "seeker", "content": f"This is my part {number} of {id}: {words}, I think."})
        turns.append({"role": "supporter", "content": f"I hear you about {words[::-1]} and {id}, part {number}."})
    return {"id": id, "language": language, "source": source, "licence": "CC0 1.0", "turns": turns} | fields
