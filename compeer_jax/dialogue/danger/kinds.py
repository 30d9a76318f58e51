"""Kinds of danger and how urgent each is: definition, what a helper must and must not do, sources; in both languages.

The words are in `kinds.yaml`. No professional has reviewed them as long as `reviewed_by()` is None.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from types import MappingProxyType

import yaml

from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import unknown


class Level(IntEnum):
    """How urgent it is."""

    NONE = 0
    CONCERN = 1
    SERIOUS = 2
    EMERGENCY = 3


@dataclass(frozen=True)
class Kind:
    """One kind of danger. The mappings are keyed by language.

    Attributes:
        asks: a reply must ask about safety directly.
        help: purposes of the lines to name, the most fitting first; see `numbers`.
        sources: the publications that it is taken from.
    """

    name: str
    level: Level
    asks: bool
    help: tuple[str, ...]
    title: Mapping[str, str]
    definition: Mapping[str, str]
    must: Mapping[str, tuple[str, ...]]
    must_not: Mapping[str, tuple[str, ...]]
    sources: tuple[str, ...]


def reviewed_by() -> str | None:
    """Who reviewed the kinds, with profession and date; None while no professional has."""
    return content("kinds.yaml")["reviewed_by"]


def in_order(kinds: Iterable[str]) -> tuple[str, ...]:
    """`kinds` without repetition, the most urgent first.

    Raises:
        UserError: one of them is none of the kinds.
    """
    wanted = set(kinds)
    for name in sorted(wanted - set(KINDS)):
        raise unknown("kind of danger", name, KINDS)
    return tuple(sorted(wanted, key=lambda name: (-KINDS[name].level, list(KINDS).index(name))))


def level_of(kinds: Iterable[str]) -> Level:
    """The highest level among `kinds`; NONE where there are none."""
    return max((KINDS[name].level for name in in_order(kinds)), default=Level.NONE)


@cache
def content(name: str) -> Mapping:
    """What a YAML file of this folder holds."""
    return yaml.safe_load(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _kind(name: str, entry: Mapping) -> Kind:
    return Kind(
        name=name,
        level=Level[entry["level"].upper()],
        asks=entry["asks"],
        help=tuple(entry["help"]),
        title={language: entry["title"][language] for language in LANGUAGES},
        definition={language: entry["definition"][language] for language in LANGUAGES},
        must={language: tuple(entry["must"][language]) for language in LANGUAGES},
        must_not={language: tuple(entry["must_not"][language]) for language in LANGUAGES},
        sources=tuple(content("kinds.yaml")["sources"][source] for source in entry["sources"]),
    )


KINDS: Mapping[str, Kind] = MappingProxyType(
    {name: _kind(name, entry) for name, entry in content("kinds.yaml")["kinds"].items()}
)
