"""YAML in which no mapping has a key twice: of two values under one name, PyYAML keeps the last and says nothing."""

from functools import cache
from typing import Any

from compeer_jax.errors import UserError


def load_yaml(text: str, what: str) -> Any:
    """What is in a YAML text: plain values only.

    Args:
        text: YAML.
        what: what it is, for the message, in the plural: "published figures FILE".

    Raises:
        UserError: a key is in one mapping twice; `1` and `"1"` are the same, as all names here are strings.
        yaml.YAMLError: it is no YAML.
    """
    import yaml

    try:
        return yaml.load(text, _loader())  # a SafeLoader
    except KeyTwice as error:
        raise UserError(f"{what} have {error.args[0]!r} twice; give one of them another name.") from None


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
