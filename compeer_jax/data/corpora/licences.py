"""Licences of corpora, and what they allow. The table is `licences.yaml`."""

from functools import cache
from importlib import resources
from typing import Literal, get_args

import yaml

from compeer_jax.data.corpora.config import Licences

LicenceClass = Literal["commercial", "research", "unknown"]
UNKNOWN = "unknown"
ALLOWED: dict[Licences, tuple[str, ...]] = {
    "commercial": ("commercial",),
    "research": ("commercial", "research"),
    "all": get_args(LicenceClass),
}
"""The classes that each choice of licences takes in."""


def published_licence(corpus: str) -> str:
    """The licence that the authors of a corpus state; "unknown" where we know of none."""
    return _read()["corpora"].get(corpus, {}).get("licence", UNKNOWN)


def published_at(path: str) -> str | None:
    """The corpus that its authors publish as the data set `path` of the Hub; None if that is none of theirs."""
    corpora = _read()["corpora"].items()
    name = path.partition(":")[0].lower()
    return next((corpus for corpus, known in corpora if "hub" in known and known["hub"].lower() == name), None)


def licence_class(licence: str) -> LicenceClass:
    """What use a licence allows, by its name in any spelling: case, spaces and hyphens don't count."""
    return _classes().get(_letters(licence), UNKNOWN)


def is_allowed(licence: str, licences: Licences) -> bool:
    """Whether content under `licence` may be used where `licences` are chosen."""
    return licence_class(licence) in ALLOWED[licences]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum() or character == ".")


@cache
def _read() -> dict:
    return yaml.safe_load(resources.files(__package__).joinpath("licences.yaml").read_text(encoding="utf-8"))


@cache
def _classes() -> dict[str, LicenceClass]:
    return {_letters(str(name)): kind for kind, names in _read()["classes"].items() for name in names}
