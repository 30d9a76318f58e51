"""ESConv (Liu et al., 2021): its own JSON, and the public copies that spell it otherwise.

The original is one array of dialogues whose utterances read `{"speaker": "seeker"|"supporter", "annotation":
{"strategy"?, "feedback"?}, "content"}`; a well-known copy is in JSON lines with `{"speaker": "usr"|"sys", "text",
"strategy"?}`. Both may spell strategies and emotions in variants, which the taxonomy makes canonical.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from compeer_jax.data.jsonl import read_rows
from compeer_jax.data.read_report import ReadReport
from compeer_jax.dialogue.schema import Dialogue, Turn, merge_adjacent
from compeer_jax.errors import UserError, unknown

LICENCE = "CC BY-NC 4.0"
ROLES = {"seeker": "seeker", "usr": "seeker", "user": "seeker", "supporter": "supporter", "sys": "supporter"}


def read_esconv(path: str | Path) -> tuple[list[Dialogue], ReadReport]:
    """The dialogues of an ESConv file, with ids "esconv-0000" by row, and the report on what was read.

    Adjacent utterances of one speaker become one turn (`merge_adjacent`).

    Raises:
        UserError: naming file, row and field, for whatever can't be read as a dialogue, an unknown strategy included.
    """
    dialogues, strategies, merged = [], [], 0
    for row, (where, obj) in enumerate(read_rows(path)):
        turns = _turns(obj, where)
        strategies += [turn.strategy for turn in turns]
        joined, joins = merge_adjacent(turns)
        merged += joins
        dialogues.append(replace(_dialogue(obj, f"esconv-{row:04d}", where), turns=joined))
    return dialogues, ReadReport.of("esconv", len(dialogues), strategies, merged)


def _turns(obj: Mapping, where: str) -> list[Turn]:
    utterances = obj.get("dialog")
    if not isinstance(utterances, list) or not utterances:
        raise UserError(f"{where}: field 'dialog' must be a list of at least one utterance.")
    return [_turn(utterance, f"{where}, utterance {index}") for index, utterance in enumerate(utterances)]


def _turn(utterance: object, where: str) -> Turn:
    if not isinstance(utterance, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(utterance).__name__}.")
    speaker = str(utterance.get("speaker")).lower()
    if speaker not in ROLES:
        raise unknown("speaker", utterance.get("speaker"), ROLES, where)
    content = utterance.get("content", utterance.get("text"))
    turn = {"role": ROLES[speaker], "content": content.strip() if isinstance(content, str) else content}
    if turn["role"] == "supporter":
        annotation = utterance.get("annotation") or {}
        turn["strategy"] = utterance.get("strategy") or (isinstance(annotation, dict) and annotation.get("strategy"))
    return Turn.from_json({name: value for name, value in turn.items() if value}, where)


def _dialogue(obj: Mapping, id: str, where: str) -> Dialogue:
    """The dialogue around the turns; its own `turns` are a stand-in."""
    fields = {
        "id": id,
        "language": "en",
        "source": "esconv",
        "licence": LICENCE,
        "emotion_type": obj.get("emotion_type") or None,
        "problem_type": obj.get("problem_type") or None,
        "situation": _stripped(obj.get("situation")),
        "initial_intensity": _intensity(obj, "initial_emotion_intensity", where),
        "final_intensity": _intensity(obj, "final_emotion_intensity", where),
        "turns": [{"role": "seeker", "content": "-"}],
    }
    return Dialogue.from_json(fields, where)


def _intensity(obj: Mapping, name: str, where: str) -> int | None:
    """A survey score from 1 to 5: a string in the original, a number in some copies, absent in others."""
    scores = obj.get("survey_score")
    scores = scores.get("seeker") if isinstance(scores, dict) else None
    score = scores.get(name) if isinstance(scores, dict) else None
    if score in (None, ""):
        return None
    if str(score) not in ("1", "2", "3", "4", "5"):
        raise UserError(f"{where}: survey score {name!r} must be from 1 to 5, found {score!r}.")
    return int(score)


def _stripped(text: object) -> object:
    return text.strip() or None if isinstance(text, str) else text
