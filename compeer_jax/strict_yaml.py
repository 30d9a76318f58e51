"""YAML in which no mapping has a key twice, and that does not grow.

Of two values under one name, PyYAML keeps the last and says nothing; aliases of aliases stand for billions of values.
"""

from functools import cache
from typing import Any

from compeer_jax.errors import UserError

LARGEST = 2**20  # characters: fifty times the settings of all commands together
MOST_VALUES = 100_000


def load_yaml(text: str, what: str) -> Any:
    """What is in a YAML text: plain values only.

    Args:
        text: YAML.
        what: what it is, for the message, in the plural: "published figures FILE".

    Raises:
        UserError: a key is in one mapping twice; `1` and `"1"` are the same, as all names here are strings. Or the text
            is larger, deeper or, with its aliases written out, longer than settings are.
        yaml.YAMLError: it is no YAML.
    """
    import yaml

    if len(text) > LARGEST:
        raise UserError(f"{what} have {len(text):,} characters, more than {LARGEST:,}; take another file.")
    try:
        if "*" in text and (node := yaml.compose(text, yaml.SafeLoader)) is not None:
            _count(node, {}, what)
        return yaml.load(text, _loader())  # a SafeLoader
    except RecursionError as error:
        raise UserError(f"{what} are nested too deeply; take another file.") from error
    except KeyTwice as error:
        raise UserError(f"{what} have {error.args[0]!r} twice; give one of them another name.") from None


def _count(node: Any, counted: dict[int, int], what: str) -> int:
    """How many values a YAML node holds when its aliases are written out."""
    if id(node) not in counted:
        counted[id(node)] = MOST_VALUES + 1  # of one that holds itself
        inside = node.value if isinstance(node.value, list) else []
        parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
        counted[id(node)] = 1 + sum(_count(part, counted, what) for part in parts)
    if counted[id(node)] > MOST_VALUES:
        raise UserError(f"{what} hold more than {MOST_VALUES:,} values when aliases are written out; shorten them.")
    return counted[id(node)]


class KeyTwice(Exception):
    """Its argument is the key."""


@cache
def _loader() -> type:
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Before what `<<` merges, which a key of the mapping's own may replace, is written into it."""
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in seen:
                        raise KeyTwice(self.construct_object(key))
                    seen.add(key.value)
            super().flatten_mapping(node)

    return Loader
