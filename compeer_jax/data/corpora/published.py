"""Forms of published corpora: ESConv, ExTES, MESC and AvaMERG, each with its own fields and names of strategies.

- ESConv (Liu et al., 2021): one array of dialogues whose utterances read `{"speaker": "seeker"|"supporter",
  "annotation": {"strategy"?, "feedback"?}, "content"}`; a well-known copy is in JSON lines with `{"speaker":
  "usr"|"sys", "text", "strategy"?}`. Both may spell strategies and emotions in variants, which the taxonomy makes
  canonical.
- ExTES (Zheng et al., 2023), read after its published description: an array of `{"scene", "description", "content":
  [{"User": "…"}, {"AI": "…", "AI Strategy": "…"}, …]}`.
- MESC (Chu et al., 2024; seen: its `val.json`, `test.json` and `MESC.csv`, of which `mesc_table` makes such rows):
  `{"problem_type", "situation", "dialog": [{"text", "speaker": "user"|"sys", "emotion", "strategy"?}]}`, where a
  machine's description of the video follows what is said in the same text ("… The speaker seems to be …"); nobody says
  it, so it becomes the turn's caption.
- AvaMERG (Zhang et al., 2025), read after its published description: `{"conversation_id", "topic",
  "speaker_profile"?: {"ID"}, "listener_profile"?: {"ID"}, "turns": [{"dialogue_history": [{"index"?, "role":
  "speaker"|"listener", "utterance"}], "response"}]}`, where each turn repeats what came before it; the longest one is
  the dialogue. Its videos are files named after dialogue, utterance and profile: `dia01118utt0_28.mp4`.

The strategies of ExTES and MESC become the nearest of the eight (`strategy_names.yaml`). Paths of pictures and videos
are kept as written.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

import yaml

from compeer_jax.data.corpora.draft import (
    Draft,
    make_turn,
    own_id,
    read_turns,
    require_list,
    require_object,
    text_or_none,
)
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import UserError, unknown

MEDIA = ("images", "image", "image_path", "frames", "video", "video_path")
_DESCRIPTION = re.compile(r"(?<!\s)\s+The (?:speaker|emotion)\b.*", re.DOTALL)


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
    utterances = row.get("dialog")
    if not isinstance(utterances, list) or not utterances:
        raise UserError(f"{where}: field 'dialog' must be a list of at least one utterance.")

    def turn(utterance: dict, place: str) -> Turn | None:
        role = roles.side(utterance.get("speaker"), place)
        strategy = None
        if role == "supporter":
            annotation = utterance.get("annotation") or {}
            strategy = utterance.get("strategy") or (isinstance(annotation, dict) and annotation.get("strategy"))
        return role and make_turn(place, role, utterance.get("content", utterance.get("text")), strategy)

    return Draft(read_turns(utterances, f"{where}, utterance", turn, first=0), fields)


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


def is_extes(row: object) -> bool:
    """Whether a row has a "content" of what User and AI say."""
    items = row.get("content") if isinstance(row, dict) else None
    return isinstance(items, list) and any("User" in item or "AI" in item for item in items if isinstance(item, dict))


def read_extes(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of ExTES."""
    row = require_object(row, where)
    items = require_list(row.get("content"), "content", where)
    fields = {
        "id": own_id(row),
        "situation": text_or_none(row.get("description")),
        "problem_type": text_or_none(row.get("scene")),
    }
    turns = (turn for number, item in enumerate(items, start=1) for turn in _extes(item, f"{where}, turn {number}"))
    return Draft(tuple(turns), fields)


def _extes(item: object, where: str) -> Iterable[Turn]:
    item = require_object(item, where)
    if "User" not in item and "AI" not in item:
        raise UserError(f"{where}: field 'User' or 'AI' is missing.")
    if "User" in item:
        yield make_turn(where, "seeker", item["User"])
    if "AI" in item:
        yield make_turn(where, "supporter", item["AI"], nearest_strategy("extes", item.get("AI Strategy"), where))


def is_mesc(row: object) -> bool:
    """Whether a row is like ESConv's, with an emotion for each utterance."""
    return is_esconv(row) and any("emotion" in one for one in row["dialog"] if isinstance(one, dict))


def read_mesc(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of MESC."""
    row = require_object(row, where)
    fields = {
        "id": own_id(row, "dialogue_id", "Dialogue_ID"),
        "situation": text_or_none(row.get("situation")),
        "problem_type": text_or_none(row.get("problem_type")),
    }

    def turn(utterance: dict, place: str) -> Turn | None:
        role = roles.side(utterance.get("speaker"), place)
        if role is None:
            return None
        text = utterance.get("text", utterance.get("content"))
        description = _DESCRIPTION.search(text) if isinstance(text, str) else None
        caption = description and description.group().strip()
        text = text[: description.start()] if description else text
        strategy = nearest_strategy("mesc", utterance.get("strategy"), place) if role == "supporter" else None
        return make_turn(place, role, text, strategy, _media_paths(utterance), caption)

    return Draft(read_turns(require_list(row.get("dialog"), "dialog", where), f"{where}, turn", turn), fields)


def is_avamerg(row: object) -> bool:
    """Whether a row has turns that repeat the dialogue's history."""
    turns = row.get("turns") if isinstance(row, dict) else None
    return isinstance(turns, list) and any("dialogue_history" in turn for turn in turns if isinstance(turn, dict))


def read_avamerg(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of AvaMERG: the history of its longest turn, and the response to it."""
    row = require_object(row, where)
    rounds = [require_object(one, where) for one in require_list(row.get("turns"), "turns", where)]
    longest = max(rounds, key=lambda one: len(one.get("dialogue_history") or ()))
    history = require_list(longest.get("dialogue_history"), "dialogue_history", where)

    def turn(said: dict, place: str) -> Turn | None:
        role = roles.side(said.get("role"), place)
        images = _media_paths(said) or _avamerg_video(row, said.get("index"), said.get("role"))
        return role and make_turn(place, role, said.get("utterance"), images=images)

    turns = read_turns(history, f"{where}, turn", turn)
    if text_or_none(longest.get("response")) is not None:
        places = [said.get("index") for said in history if isinstance(said, dict)]
        last = max((place for place in places if type(place) is int), default=None)
        images = _media_paths(longest) or _avamerg_video(row, None if last is None else last + 1, "listener")
        turns += (make_turn(f"{where}, response", "supporter", longest["response"], images=images),)
    return Draft(turns, {"id": own_id(row, "conversation_id"), "problem_type": text_or_none(row.get("topic"))})


def _avamerg_video(row: Mapping, index: object, role: object) -> list[str]:
    """The video of an utterance, by the names of AvaMERG's files; none where the row doesn't say whose it is."""
    profile = row.get(f"{role}_profile")
    who = profile.get("ID") if isinstance(profile, dict) else None
    if type(index) is not int or who is None or not own_id(row, "conversation_id"):
        return []
    return [f"dia{own_id(row, 'conversation_id')}utt{index}_{who}.mp4"]


def _media_paths(value: Mapping) -> list:
    """The paths that an utterance names, whichever of the usual fields they are in."""
    paths = []
    for name in MEDIA:
        found = value.get(name)
        paths += found if isinstance(found, list) else [found] if found else []
    return paths


def nearest_strategy(corpus: str, name: object, where: str) -> str | None:
    """The canonical strategy for what `corpus` calls `name`; None for None or blank.

    Letter case and punctuation don't count, and an abbreviation in brackets is dropped: "Offer Hope (OH)".

    Raises:
        UserError: the corpus has no such strategy, and it is none of the eight either.
    """
    if name is None or (isinstance(name, str) and not name.strip()):
        return None
    if isinstance(name, str):
        found = _nearest(corpus).get(_letters(name.partition("(")[0])) or STRATEGIES.canonical(name)
        if found:
            return found
    raise unknown("strategy", name, strategy_names()[corpus], where)


@cache
def strategy_names() -> Mapping[str, Mapping[str, str]]:
    """Corpus -> its own name of a strategy -> the nearest of the eight."""
    text = resources.files(__package__).joinpath("strategy_names.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@cache
def _nearest(corpus: str) -> Mapping[str, str]:
    return {_letters(name): STRATEGIES.require(ours, corpus) for name, ours in strategy_names()[corpus].items()}


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
