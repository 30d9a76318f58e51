"""Lists of words that privacy reads, from `words.yaml`."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml


@cache
def words(of: str) -> frozenset[str]:
    """The words of one list."""
    return frozenset(_content()[of].split())


@cache
def _content() -> Mapping[str, str]:
    return yaml.safe_load(resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8"))
