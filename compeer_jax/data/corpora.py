"""Any corpus file, told by its content. A new corpus is one reader here."""

from dataclasses import replace
from pathlib import Path

from compeer_jax.data.esconv import read_esconv
from compeer_jax.data.jsonl import read_rows
from compeer_jax.data.read_report import ReadReport
from compeer_jax.data.sample import sample_dialogues
from compeer_jax.dialogue.schema import Dialogue, merge_adjacent
from compeer_jax.errors import UserError

SAMPLE = "sample"


def read_corpus(path: str | Path) -> tuple[list[Dialogue], ReadReport]:
    """The dialogues of a file: our own form (`dialogue.schema`) or ESConv's; "sample" names the bundled ones.

    Adjacent turns of one role are merged; the report says how many.

    Raises:
        UserError: naming file and record, for a file that can't be read, is of neither form, or repeats an id.
    """
    if str(path) == SAMPLE:
        return _merged(SAMPLE, sample_dialogues())
    rows = read_rows(path)
    where, first = rows[0]
    if "dialog" in first:
        return read_esconv(path)
    if "turns" not in first:
        raise UserError(
            f"{where}: neither 'turns' nor 'dialog' is there; dialogues need the form of the README, or ESConv's."
        )
    dialogues = []
    places: dict[str, str] = {}
    for where, obj in rows:
        dialogue = Dialogue.from_json(obj, where)
        if dialogue.id in places:
            raise UserError(f"{where}: id {dialogue.id!r} is that of {places[dialogue.id]}; ids must differ.")
        places[dialogue.id] = where
        dialogues.append(dialogue)
    return _merged(Path(path).stem, dialogues)


def _merged(name: str, dialogues: list[Dialogue]) -> tuple[list[Dialogue], ReadReport]:
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    result, merged = [], 0
    for dialogue in dialogues:
        joined, joins = merge_adjacent(dialogue.turns)
        merged += joins
        result.append(replace(dialogue, turns=joined))
    return result, ReadReport.of(name, len(result), (turn.strategy for turn in turns), merged)
