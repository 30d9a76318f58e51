"""Drafts of dialogues: what a form finds in a row, before it has an id, a source and a licence."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


@dataclass(frozen=True)
class Draft:
    """A dialogue as read by its form, before any check.

    Attributes:
        turns: as written, neighbours of one role not yet merged.
        fields: what else the row says, by the names of `Dialogue`'s fields; `None` where it says nothing.
    """

    turns: tuple[Turn, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)


def make_turn(
    where: str, role: str, content: object, strategy: object = None, images: object = None, caption: str | None = None
) -> Turn:
    """One turn, its text without white space around it; UserError as `Turn.from_json`."""
    labels = {"strategy": strategy, "images": images, "caption": caption}
    given = {name: value for name, value in labels.items() if value}
    return Turn.from_json({"role": role, "content": stripped(content), **given}, where)


def read_turns(
    items: Iterable[object], place: str, read: Callable[[dict, str], Turn | None], *, first: int = 1
) -> tuple[Turn, ...]:
    """The turns of a list of objects; None from `read` leaves one out, as nobody in the talk says it.

    Args:
        place: of the list, for messages; each item's number is added: "a.json, row 3, turn 2".
        read: the turn that an object is, given its place.
        first: number of the first one.
    """
    places = ((item, f"{place} {number}") for number, item in enumerate(items, start=first))
    turns = (read(require_object(item, where), where) for item, where in places)
    return tuple(turn for turn in turns if turn is not None)


def stripped(text: object) -> object:
    """A text without white space around it; anything else as it is."""
    return text.strip() if isinstance(text, str) else text


def text_or_none(value: object) -> object:
    """As `stripped`, but a blank text, as public files have for what is not known, is None."""
    return stripped(value) or None if isinstance(value, str) else value


def own_id(row: Mapping, *names: str) -> str | None:
    """The id that a row gives itself under one of `names`, as text; None if it has none."""
    for name in (*names, "id"):
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def require_list(value: object, name: str, where: str) -> list:
    """`value` if it is a list with something in it; UserError naming the field if not."""
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: field {name!r} must be a list of at least one turn.")
    return value


def require_object(value: object, where: str) -> dict:
    """`value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(value).__name__}.")
    return value
