"""ESConv (Liu et al., 2021): its own JSON, and the public copies that spell it otherwise.

The original is one array of dialogues whose utterances read `{"speaker": "seeker"|"supporter", "annotation":
{"strategy"?, "feedback"?}, "content"}`; a well-known copy is in JSON lines with `{"speaker": "usr"|"sys", "text",
"strategy"?}`. Both may spell strategies and emotions in variants, which the taxonomy makes canonical.
"""

from collections.abc import Mapping

from compeer_jax.data.corpora.draft import Draft, make_turn, require_object, text_or_none
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def is_esconv(row: object) -> bool:
    """Whether a row has utterances with speakers."""
    utterances = row.get("dialog") if isinstance(row, dict) else None
    return isinstance(utterances, list) and any("speaker" in one for one in utterances if isinstance(one, dict))


def read_esconv_row(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of ESConv; UserError naming the utterance and field for whatever can't be read."""
    row = require_object(row, where)
    fields = {
        "emotion_type": row.get("emotion_type") or None,
        "problem_type": row.get("problem_type") or None,
        "situation": text_or_none(row.get("situation")),
        "initial_intensity": _intensity(row, "initial_emotion_intensity", where),
        "final_intensity": _intensity(row, "final_emotion_intensity", where),
    }
    return Draft(_turns(row, where, roles), fields)


def _turns(row: Mapping, where: str, roles: Roles) -> tuple[Turn, ...]:
    utterances = row.get("dialog")
    if not isinstance(utterances, list) or not utterances:
        raise UserError(f"{where}: field 'dialog' must be a list of at least one utterance.")
    turns = (_turn(one, f"{where}, utterance {index}", roles) for index, one in enumerate(utterances))
    return tuple(turn for turn in turns if turn is not None)


def _turn(utterance: object, where: str, roles: Roles) -> Turn | None:
    if not isinstance(utterance, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(utterance).__name__}.")
    role = roles.side(utterance.get("speaker"), where)
    if role is None:
        return None
    strategy = None
    if role == "supporter":
        annotation = utterance.get("annotation") or {}
        strategy = utterance.get("strategy") or (isinstance(annotation, dict) and annotation.get("strategy"))
    return make_turn(where, role, utterance.get("content", utterance.get("text")), strategy)


def _intensity(row: Mapping, name: str, where: str) -> int | None:
    """A survey score from 1 to 5: a string in the original, a number in some copies, absent in others."""
    scores = row.get("survey_score")
    scores = scores.get("seeker") if isinstance(scores, dict) else None
    score = scores.get(name) if isinstance(scores, dict) else None
    if score in (None, ""):
        return None
    if str(score) not in ("1", "2", "3", "4", "5"):
        raise UserError(f"{where}: survey score {name!r} must be from 1 to 5, found {score!r}.")
    return int(score)
