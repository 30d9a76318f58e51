"""Corpora with pictures: MESC and AvaMERG. The words are read, the paths of pictures and videos kept as written.

MESC (Chu et al., 2024; seen: its `val.json` and `test.json`) is `{"problem_type", "situation", "dialog": [{"text",
"speaker": "user"|"sys", "emotion", "strategy"?}]}`, where a machine's description of the video follows what is said in
the same text ("… The speaker seems to be …"); nobody says it, so it becomes the turn's caption. Its ten
strategies become the nearest of the eight (`strategy_names.yaml`).

AvaMERG (Zhang et al., 2025) is read after its published description: `{"conversation_id", "topic", "turns":
[{"dialogue_history": [{"role": "speaker"|"listener", "utterance"}], "response"}]}`, where each turn repeats what came
before it; the longest one is the dialogue.
"""

import re

from compeer_jax.data.corpora.draft import Draft, make_turn, own_id, require_list, require_object, text_or_none
from compeer_jax.data.corpora.esconv import is_esconv
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.data.corpora.strategy_names import nearest_strategy
from compeer_jax.dialogue.schema import Turn

MEDIA = ("images", "image", "image_path", "frames", "video", "video_path")
_DESCRIPTION = re.compile(r"(?<!\s)\s+The (?:speaker|emotion)\b.*", re.DOTALL)


def is_mesc(row: object) -> bool:
    """Whether a row is like ESConv's, with an emotion for each utterance."""
    return is_esconv(row) and any("emotion" in one for one in row["dialog"] if isinstance(one, dict))


def read_mesc(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of MESC."""
    row = require_object(row, where)
    utterances = require_list(row.get("dialog"), "dialog", where)
    fields = {
        "id": own_id(row, "dialogue_id", "Dialogue_ID"),
        "situation": text_or_none(row.get("situation")),
        "problem_type": text_or_none(row.get("problem_type")),
    }
    turns = (_mesc_turn(one, f"{where}, turn {number}", roles) for number, one in enumerate(utterances, start=1))
    return Draft(tuple(turn for turn in turns if turn is not None), fields)


def _mesc_turn(utterance: object, where: str, roles: Roles) -> Turn | None:
    utterance = require_object(utterance, where)
    role = roles.side(utterance.get("speaker"), where)
    if role is None:
        return None
    text = utterance.get("text", utterance.get("content"))
    description = _DESCRIPTION.search(text) if isinstance(text, str) else None
    caption = description and description.group().strip()
    text = text[: description.start()] if description else text
    strategy = nearest_strategy("mesc", utterance.get("strategy"), where) if role == "supporter" else None
    return make_turn(where, role, text, strategy, media_paths(utterance), caption)


def is_avamerg(row: object) -> bool:
    """Whether a row has turns that repeat the dialogue's history."""
    turns = row.get("turns") if isinstance(row, dict) else None
    return isinstance(turns, list) and any("dialogue_history" in turn for turn in turns if isinstance(turn, dict))


def read_avamerg(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of AvaMERG: the history of its longest turn, and the response to it."""
    row = require_object(row, where)
    rounds = [require_object(one, where) for one in require_list(row.get("turns"), "turns", where)]
    longest = max(rounds, key=lambda one: len(one.get("dialogue_history") or ()))
    turns = []
    for number, said in enumerate(require_list(longest.get("dialogue_history"), "dialogue_history", where), start=1):
        place = f"{where}, turn {number}"
        said = require_object(said, place)
        role = roles.side(said.get("role"), place)
        if role is not None:
            turns.append(make_turn(place, role, said.get("utterance"), images=media_paths(said)))
    if text_or_none(longest.get("response")) is not None:
        place = f"{where}, response"
        turns.append(make_turn(place, "supporter", longest["response"], images=media_paths(longest)))
    fields = {"id": own_id(row, "conversation_id"), "problem_type": text_or_none(row.get("topic"))}
    return Draft(tuple(turns), fields)


def media_paths(value: dict) -> list:
    """The paths that an utterance names, whichever of the usual fields they are in."""
    paths = []
    for name in MEDIA:
        found = value.get(name)
        paths += found if isinstance(found, list) else [found] if found else []
    return paths
