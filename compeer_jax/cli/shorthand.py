"""Short ways to write options, written out before the parser reads them."""

import dataclasses
import json
from collections.abc import Sequence

from compeer_jax.cli.keys import fields, groups
from compeer_jax.errors import UserError


def written_out(config_class: type, arguments: Sequence[str], positional: str = "") -> list[str]:
    """The arguments with every option as `--key value` or `--key=value`.

    A truth value that is named alone is true: `--explain`. A list of texts can stand as words, as a shell writes out
    `--imports *.csv`. A group with a path can be named by it: `--model DIR` is `--model.path DIR`.

    Args:
        config_class: of the command's settings.
        arguments: of the command line.
        positional: the setting that words without an option's name give ("": there is none).
    """
    types = {f"--{name}": field.type for name, field in fields(config_class)}
    with_path = {f"--{name}" for name, group in groups(config_class).items() if _has_path(group) and "." not in name}
    options: list[str] = []
    words: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            words.append(argument)
            continue
        name, equals, value = argument.partition("=")
        values = [value] if equals else _until_option(rest)
        used = 1
        if name in with_path and values and not values[0].lstrip().startswith("{"):
            name += ".path"
        elif types.get(name) is bool and _stands_alone(values, positional):
            equals, values, used = "=", ["true"], 0
        elif types.get(name) == list[str] and not equals and values and not values[0].startswith("["):
            equals, used, values = "=", len(values), [json.dumps(values, ensure_ascii=False)]
        options += [f"{name}={values[0]}"] if equals else [name, *values[:1]]
        del rest[: 0 if "=" in argument else used]
    if positional and words:
        return [_positional(types, positional, words), *options]
    return options + words


def _has_path(group: type) -> bool:
    return any(field.name == "path" for field in dataclasses.fields(group))


def _until_option(words: Sequence[str]) -> list[str]:
    """The words before the next option; a negative number is a word."""
    end = next((at for at, word in enumerate(words) if word.startswith("--") or word == "-h"), len(words))
    return list(words[:end])


def _stands_alone(values: Sequence[str], positional: str) -> bool:
    """Whether a truth value has none of the words after it."""
    return not values or (bool(positional) and values[0] not in ("true", "false"))


def _positional(types: dict[str, type], key: str, words: Sequence[str]) -> str:
    if types[f"--{key}"] == list[str]:
        return f"--{key}={json.dumps(words, ensure_ascii=False)}"
    if len(words) > 1:
        raise UserError(f"{words[1]!r} follows {words[0]!r}, but only one {key} can be named; leave it out.")
    return f"--{key}={words[0]}"
