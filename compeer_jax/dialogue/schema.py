"""The schema of dialogues: turns of a seeker and a supporter, and where they come from. No I/O.

The JSON form, one object a dialogue:

    {"id", "language": "en"|"zh", "source", "licence", "situation"?, "emotion_type"?, "problem_type"?,
     "initial_intensity"?, "final_intensity"?, "provenance"?: [{"stage", …}],
     "turns": [{"role": "seeker"|"supporter", "content", "strategy"?, "images"?, "caption"?}]}
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from compeer_jax.dialogue.taxonomy import EMOTIONS, STRATEGIES, Language, check_language
from compeer_jax.errors import UserError, unknown

Role = Literal["seeker", "supporter"]
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Turn:
    """What one side says before the other answers.

    Attributes:
        role: whose turn it is.
        content: the words.
        strategy: a canonical name, of a supporter's turn only.
        images: paths of pictures and videos that go with it.
        caption: what they show, as somebody or a machine describes it; nobody says it.
    """

    role: Role
    content: str
    strategy: str | None = None
    images: tuple[str, ...] = ()
    caption: str | None = None

    @classmethod
    def from_json(cls, obj: object, where: str) -> "Turn":
        """The turn that `obj` describes; UserError naming `where` and the field for anything wrong with it."""
        fields = _Fields(obj, where, tuple(cls.__dataclass_fields__))
        role = fields.text("role")
        if role not in get_args(Role):
            raise unknown("role", role, get_args(Role), where)
        images = fields.texts("images")
        content = fields.text("content", may_be_blank=bool(images))
        strategy = fields.optional_text("strategy")
        if strategy is not None:
            if role == "seeker":
                raise UserError(f"{where}: field 'strategy' belongs to supporter turns, but this turn is the seeker's.")
            strategy = STRATEGIES.require(strategy, where)
        return cls(role, content, strategy, images, fields.optional_text("caption"))

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        obj = {"role": self.role, "content": self.content}
        if self.strategy is not None:
            obj["strategy"] = self.strategy
        if self.images:
            obj["images"] = list(self.images)
        if self.caption is not None:
            obj["caption"] = self.caption
        return obj


@dataclass(frozen=True)
class Dialogue:
    """One talk. Intensities run from 1 to 5 and are the seeker's own, before and after it, as in ESConv's survey.

    `provenance` says who made or changed it, oldest first: one JSON object a step.
    """

    id: str
    language: Language
    source: str
    licence: str
    turns: tuple[Turn, ...]
    situation: str | None = None
    emotion_type: str | None = None
    problem_type: str | None = None
    initial_intensity: int | None = None
    final_intensity: int | None = None
    provenance: tuple[Mapping, ...] = field(default=(), hash=False)

    @classmethod
    def from_json(cls, obj: object, where: str) -> "Dialogue":
        """The dialogue that `obj` describes, labels made canonical.

        Args:
            obj: a parsed JSON value in the form of this module's docstring.
            where: the place it was found, for the message, e.g. "a.jsonl, line 3".

        Raises:
            UserError: naming `where` and the field, for a field that is missing, of the wrong type, empty or unknown,
                an unknown role, strategy or emotion, and text that is not valid Unicode.
        """
        fields = _Fields(obj, where, tuple(cls.__dataclass_fields__))
        turns = fields.required("turns")
        if not isinstance(turns, list) or not turns:
            raise UserError(f"{where}: field 'turns' must be a list of at least one turn.")
        emotion_type = fields.optional_text("emotion_type")
        return cls(
            id=fields.text("id"),
            language=check_language(fields.text("language"), where),
            source=fields.text("source"),
            licence=fields.text("licence"),
            turns=tuple(Turn.from_json(turn, f"{where}, turn {n}") for n, turn in enumerate(turns, start=1)),
            situation=fields.optional_text("situation"),
            emotion_type=None if emotion_type is None else EMOTIONS.require(emotion_type, where),
            problem_type=fields.optional_text("problem_type"),
            initial_intensity=fields.optional_intensity("initial_intensity"),
            final_intensity=fields.optional_intensity("final_intensity"),
            provenance=fields.objects("provenance"),
        )

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        obj = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("turns", "provenance")}
        obj = {name: value for name, value in obj.items() if value is not None}
        obj["turns"] = [turn.to_json() for turn in self.turns]
        return obj | {"provenance": [dict(step) for step in self.provenance]} if self.provenance else obj


def merge_adjacent(turns: Iterable[Turn]) -> tuple[tuple[Turn, ...], int]:
    """Turns with neighbours of one role joined by a newline, and how many joins that took.

    A joined turn keeps the last strategy that is given (the one that leads to the reply), all images and captions.
    """
    merged: list[Turn] = []
    joins = 0
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            before = merged.pop()
            content = f"{before.content}\n{turn.content}"
            caption = " ".join(filter(None, (before.caption, turn.caption))) or None
            turn = Turn(turn.role, content, turn.strategy or before.strategy, before.images + turn.images, caption)
            joins += 1
        merged.append(turn)
    return tuple(merged), joins


class _Fields:
    """Reads the fields of one JSON object, each mistake a sentence that begins with `where`."""

    def __init__(self, obj: object, where: str, names: tuple[str, ...]):
        if not isinstance(obj, dict):
            raise UserError(f"{where}: expected a JSON object, found {_kind(obj)}.")
        for name in obj:
            if name not in names:
                raise unknown("field", name, names, where)
        self.obj, self.where = obj, where

    def required(self, name: str) -> object:
        if self.obj.get(name) is None:
            raise UserError(f"{self.where}: field {name!r} is missing.")
        return self.obj[name]

    def text(self, name: str, may_be_blank: bool = False) -> str:
        value = self._checked(name, self.required(name))
        if not value.strip() and not may_be_blank:
            raise UserError(f"{self.where}: field {name!r} is empty.")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.obj.get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.obj.get(name) or []
        if not isinstance(values, list):
            raise UserError(f"{self.where}: field {name!r} must be a list of strings, found {_kind(values)}.")
        return tuple(self._checked(name, value) for value in values)

    def objects(self, name: str) -> tuple[dict, ...]:
        values = self.obj.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise UserError(f"{self.where}: field {name!r} must be a list of objects.")
        return tuple(values)

    def optional_intensity(self, name: str) -> int | None:
        value = self.obj.get(name)
        if value is not None and (type(value) is not int or not 1 <= value <= 5):
            raise UserError(f"{self.where}: field {name!r} must be a whole number from 1 to 5, found {value!r}.")
        return value

    def _checked(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise UserError(f"{self.where}: field {name!r} must be a string, found {_kind(value)}.")
        if SURROGATE.search(value):
            raise UserError(f"{self.where}: field {name!r} holds half of a surrogate pair, which is not valid Unicode.")
        return value


def _kind(value: object) -> str:
    """What JSON calls the kind of `value`."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)
