"""YAML that says one thing: no key twice, no growth, and text is text unless it looks like a number, true or null.

Of two values under one name, PyYAML keeps the last and says nothing; aliases of aliases stand for billions of values;
and by YAML 1.1, which it reads, `on` and `no` are truth values, `12:30` is 750, `010` is 8, and `1e-5` is text. Here
plain words are read as in YAML 1.2 (its core schema, in decimal).
"""

import re
from functools import cache
from typing import Any, ClassVar

from compeer_jax.errors import UserError

LARGEST = 2**20  # characters: fifty times the settings of all commands together
MOST_VALUES = 100_000

# What a plain scalar is read as: tag, how it looks, and the characters that it can begin with.
_PLAIN = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
)


def load_yaml(text: str, what: str) -> Any:
    """Content of a YAML text: plain values only.

    Args:
        text: YAML.
        what: what it is, for the message, in the plural: "published figures FILE".

    Raises:
        UserError: a key is in one mapping twice; `1` and `"1"` are the same, as all names here are strings. Or the text
            is larger, deeper or, with its aliases written out, longer than settings are, or a value is none.
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
        if error.args[0] == MERGE:
            raise UserError(f"{what} have '<<' twice in one mapping; write both as <<: [*first, *second].") from None
        raise UserError(f"{what} have {error.args[0]!r} twice; give one of them another name.") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # `!!int x`
        if isinstance(error, UnicodeError):
            raise
        raise UserError(f"{what} hold a value that can't be read ({error}); mend it.") from error


def dump_yaml(value: Any) -> str:
    """A value as YAML that `load_yaml`, and readers of YAML 1.1, read as the same value."""
    import yaml

    return yaml.dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120)


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


MERGE = "tag:yaml.org,2002:merge"


class KeyTwice(Exception):
    """Its argument is the key, or `MERGE`."""


@cache
def _loader() -> type:
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar[dict] = {}

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Before what `<<` merges, which a key of the mapping's own may replace, is written into it."""
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    name = (key.tag == MERGE, key.value)
                    if name in seen:
                        raise KeyTwice(MERGE if key.tag == MERGE else self.construct_object(key))
                    seen.add(name)
            super().flatten_mapping(node)

    _read_plainly(Loader)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
    return Loader


@cache
def _dumper() -> type:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes text that either of the readings would take for something else."""

        ignore_aliases = staticmethod(lambda value: True)

        def represent_str(self, data: str) -> yaml.ScalarNode:
            """In double quotes, where they are escaped, with line ends that plain text would lose."""
            style = '"' if any(end in data for end in "\x85\u2028\u2029") else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, Dumper.represent_str)
    _read_plainly(Dumper)
    return Dumper


def _read_plainly(resolver: Any) -> None:
    for kind, looks, begins in _PLAIN:
        resolver.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{looks})$"), list(begins))
