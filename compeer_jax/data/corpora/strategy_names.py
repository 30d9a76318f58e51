"""Strategies of corpora that have a list of their own, as the nearest of our eight. The names are in the YAML file."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import unknown


def nearest_strategy(corpus: str, name: object, where: str) -> str | None:
    """The canonical strategy for what `corpus` calls `name`; None for None or blank.

    Letter case and punctuation don't count, and an abbreviation in brackets is dropped: "Offer Hope (OH)".

    Raises:
        UserError: the corpus has no such strategy, and it is none of the eight either.
    """
    if name is None or (isinstance(name, str) and not name.strip()):
        return None
    names = _names()[corpus]
    if isinstance(name, str):
        found = names.get(_letters(name.partition("(")[0])) or STRATEGIES.canonical(name)
        if found:
            return found
    raise unknown("strategy", name, _read()[corpus], where)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


@cache
def _read() -> Mapping[str, Mapping[str, str]]:
    text = resources.files(__package__).joinpath("strategy_names.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    return {
        corpus: {_letters(name): STRATEGIES.require(ours, corpus) for name, ours in names.items()}
        for corpus, names in _read().items()
    }
