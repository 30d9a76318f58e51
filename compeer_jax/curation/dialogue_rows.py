"""Dialogues as the pipeline's stages hand them on, one a line."""

from collections.abc import Iterator

from compeer_jax.curation.stage import StageWriter, Workspace
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

DIALOGUES = "dialogues.jsonl"


def read_dialogues(work: Workspace, stage: str, out: StageWriter) -> Iterator[Dialogue]:
    """The dialogues that a stage gave, one at a time. Those that somebody has made unreadable since are rejected.

    Raises:
        UserError: the file is not JSON lines in UTF-8.
    """
    path = work.file(stage, DIALOGUES)
    if not path.stat().st_size:  # the stage left nothing over
        return
    for number, (_, row) in enumerate(read_jsonl(path), start=1):
        where = f"{stage}/{DIALOGUES}, line {number}"
        try:
            dialogue = Dialogue.from_json(row, where)
        except UserError as error:
            out.reject(where, f"not a dialogue's row: {str(error).removeprefix(f'{where}: ')}", row)
        else:
            yield dialogue
