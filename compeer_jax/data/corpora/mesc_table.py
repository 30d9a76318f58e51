"""MESC's table of utterances, `MESC.csv`: the rows of a dialogue as one row of MESC's form, with a frame for each turn.

The table says where in the videos an utterance is, its JSON files don't: Utterance, Speaker, Emotion, Strategy,
Dialogue_ID, Utterance_ID, Season, Episode, StartTime, EndTime. Videos are not part of it. A turn shows how its speaker
looks at its end: the frame of its last utterance, under the name that this family of corpora has for clips,
`dia0_utt5.mp4` or, as a picture, `dia0_utt5.png`.
"""

import csv
import io
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import BinaryIO

from compeer_jax.errors import UserError

TABLE = ".csv"  # read if it is named, and of a folder not: other things are in tables too
COLUMNS = ("Utterance", "Speaker", "Emotion", "Strategy", "Dialogue_ID", "Utterance_ID")
NO_STRATEGY = ("", "undefined")


def mesc_dialogues(file: BinaryIO, shown: str) -> Iterator[dict]:
    """The dialogues in a table, in the form of MESC's JSON files.

    Args:
        file: in UTF-8.
        shown: what messages call it.

    Raises:
        UserError: it is no such table, or not in UTF-8.
    """
    reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(
                f"{shown}: a table without {', '.join(missing)}; of tables, MESC's alone is read, as it is published."
            )
        for dialogue, rows in groupby(reader, lambda row: row["Dialogue_ID"]):
            yield {"dialogue_id": dialogue, "dialog": _utterances(dialogue, list(rows))}
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{shown}: not a table in UTF-8 ({error}); fetch the file again.") from error


def _utterances(dialogue: str, rows: list[dict[str, str]]) -> list[dict]:
    utterances = []
    for row, following in pairwise([*rows, None]):
        strategy = (row["Strategy"] or "").strip()
        utterance = {"speaker": row["Speaker"], "text": row["Utterance"], "emotion": row["Emotion"]}
        if strategy not in NO_STRATEGY:
            utterance["strategy"] = strategy
        if following is None or following["Speaker"] != row["Speaker"]:
            utterance["video"] = f"dia{dialogue}_utt{row['Utterance_ID']}.mp4"
        utterances.append(utterance)
    return utterances
