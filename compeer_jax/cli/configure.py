"""Typed configs from YAML files and the command line; a mistake is one sentence."""

import argparse
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from compeer_jax.cli.asked_as_trained import card_defaults, tell_differing
from compeer_jax.cli.keys import containers, fields, groups, item_class, required, unknown_key
from compeer_jax.cli.shorthand import written_out
from compeer_jax.errors import UserError
from compeer_jax.strict_yaml import load_yaml

Config = TypeVar("Config")

LARGEST_COUNT, LARGEST_SEED = 2**31 - 1, 2**32 - 1  # of JAX's integers and keys
BATCHES, LARGEST_BATCH = ("batch_size", "prompts_per_step", "group_size"), 2**20


def parse_config(
    config_class: type[Config], arguments: Sequence[str], *, command: str, description: str, positional: str = ""
) -> Config:
    """Builds `config_class` from its defaults, then `--config` files in order, then `--key value` overrides.

    Args:
        config_class: of the settings.
        arguments: of the command line.
        command: the command's name, for `--help`.
        description: what it does, for `--help`.
        positional: the setting that words without an option's name give ("": there is none).

    Raises:
        UserError: unknown key (with the nearest one), wrong type, missing value, missing or malformed file.
    """
    values, _ = _parse(config_class, arguments, command, description, positional)
    return _built(config_class, values)


def merged_yaml(
    config_class: type, arguments: Sequence[str], *, command: str, description: str, positional: str = ""
) -> str:
    """The merged config as YAML: what `compeer config show` prints. What has to be given may be missing.

    Where nothing at all is given, what the config says of its defaults is a comment above them.

    Raises:
        UserError: as `parse_config`.
    """
    values, lines = _parse(config_class, arguments, command, description, positional, whole=False)
    try:
        _built(config_class, values)
    except UserError as error:
        if arguments:
            raise
        lines = [f"# {error}", *lines]
    return "\n".join(lines)


def _parse(
    config_class: type,
    arguments: Sequence[str],
    command: str,
    description: str,
    positional: str,
    *,
    whole: bool = True,
) -> tuple[dict[str, Any], list[str]]:
    """The values of all settings, and the lines of YAML that show them."""
    import yaml
    from jsonargparse import ArgumentParser, set_loader

    # The parser's own loader reads YAML 1.1, in which `on` is a truth value.
    set_loader("plain", lambda text: load_yaml(text, "the settings"), exceptions=(yaml.YAMLError,))
    files, options = _config_files(arguments)
    options = written_out(config_class, options, positional)
    parser = ArgumentParser(
        parser_mode="plain",
        prog=f"compeer {command}",
        usage=f"compeer {command} [--config FILE.yaml] [--key value ...]",
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
        print_config=None,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the keys below; can be given twice")
    parser.add_class_arguments(config_class)
    _check_options(config_class, options)
    given = [argument for file in files for argument in _file_options(config_class, file)] + options
    if not whole:
        types = dict(fields(config_class))
        empty = {dict: "{}", list: "[]"}
        given = [f"--{name}={empty.get(get_origin(types[name].type), '')}" for name in required(config_class)] + given
    try:
        namespace = parser.parse_args(given)
        if of_the_card := card_defaults(config_class, namespace):
            parser.set_defaults(of_the_card)
            namespace = parser.parse_args(given)
            tell_differing(of_the_card, namespace)
        config = parser.instantiate(namespace)
        text = parser.dump(namespace, skip_none=False)
    except argparse.ArgumentError as error:
        raise UserError(_sentence(error)) from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:  # of the parser, about a strange value
        raise UserError(f"the settings can't be read ({' '.join(str(error).split())}); check those given.") from error
    values = {name: value for name, value in vars(config).items() if name != "config"}
    missing = [name for name in required(config_class) if not whole and not values[name]]
    left_out = tuple(f"{name}:" for name in ("config", *missing))
    shown = [line for line in text.splitlines() if not line.startswith(left_out)]
    return values, [*(f"# {name}: has to be given" for name in missing), *shown]


def _built(config_class: type[Config], values: dict[str, Any]) -> Config:
    config = config_class(**values)
    for key, value in _leaves(config):
        _check_leaf(key, value)
    return _at_home(config, ())


def _leaves(value: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every text, number and truth value in settings, with the names that lead to it."""
    inside: Iterable[tuple[Any, Any]] = ()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inside = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.init]
    elif isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    else:
        yield key, value
    for name, one in inside:
        yield from _leaves(one, (*key, str(name)))


def _check_leaf(key: tuple[str, ...], value: Any) -> None:
    """Raises for what no machine here takes: NUL in a text, a count or a seed of more than 32 bits, a huge batch."""
    if isinstance(value, str) and "\0" in value:
        raise UserError(f"the setting {value!r} holds the character NUL, which no path or text has; take it out.")
    if isinstance(value, int):
        name = key[-1]
        most = LARGEST_BATCH if name in BATCHES else LARGEST_SEED if name.endswith("seed") else LARGEST_COUNT
        if value > most:
            raise UserError(f"{'.'.join(key)} is {value}; it must be at most {most}.")


def _at_home(value: Any, key: tuple[str, ...]) -> Any:
    """Settings in which "~" at the begin of a path is the home; a shell leaves it in `--key=~/x`, and files have it."""
    if isinstance(value, str):
        return type(value)(home(value, ".".join(key))) if re.match(r"~$|~[\w.-]*/", value) else value
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_at_home(one, (*key, str(at))) for at, one in enumerate(value))
    if isinstance(value, dict):
        return {name: _at_home(one, (*key, str(name))) for name, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        now = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changed = {name: new for name, old in now.items() if (new := _at_home(old, (*key, name))) != old}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def home(path: str, what: str) -> Path:
    """The path with "~" written out; UserError where it names a user that there is not."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{what} is {path!r}, which begins with '~' and a name that no user here has; write the path out."
        ) from error


def _sentence(error: argparse.ArgumentError) -> str:
    """What the parser says, on one line and without Python's names for types."""
    text = " ".join(f"{error.argument_name or ''} {error.message}".split())
    text = re.sub(r"<class '(\w+)'>|typing\.(?=Literal)", r"\1", text)
    text = re.sub(r"Problem with given class_path '[\w.]+': ", "", text)
    text = re.sub(r"Expected a dot import path string: (.*)", r"expected keys and values in braces, found \1", text)
    return text.replace('Parser key "', '"').rstrip(".") + "."


def _check_options(config_class: type, options: Sequence[str]) -> None:
    """Raises for a key on the command line that the config has not, or that a value has twice."""
    import yaml

    types = {name: field.type for name, field in fields(config_class)}
    for option in options:
        key = option[2:].partition("=")[0] if option.startswith("--") else ""
        if key and key != "help" and key not in types:
            raise unknown_key(config_class, key)
    group_classes = groups(config_class)
    for option, value in _options(options):
        if option in types:
            with contextlib.suppress(yaml.YAMLError):  # what is no YAML is the parser's to name
                content = load_yaml(value, f"the settings of --{option}")
                _check_numbers(types[option], content, f"--{option}")
                if option in group_classes:
                    if not isinstance(content, dict):
                        raise _no_group(group_classes[option], f"--{option}", option)
                    list(_as_options(group_classes[option], content, f"--{option}", f"{option}.", empty=False))
                    _check_items(group_classes[option], content, f"--{option}")
                elif "." not in option:
                    _check_items(config_class, {option: content}, f"--{option}")


def _file_options(config_class: type, path: str) -> list[str]:
    """What a YAML file says, as options of the command line.

    Raises:
        UserError: the file can't be read, is no YAML of keys and values, or has a key that the config has not, or that
            is without a value.
    """
    import yaml

    try:
        content = load_yaml(home(path, "--config").read_text(encoding="utf-8"), f"the settings of {path}") or {}
    except OSError as error:
        raise UserError(f"config file {path} can't be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config file {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise UserError(f"config file {path} must hold keys and values, not a {type(content).__name__}.")
    _check_keys(config_class, content, path)
    _check_items(config_class, content, path)
    _check_numbers(config_class, content, path)
    return list(_as_options(config_class, content, path))


def _as_options(
    config_class: type, content: dict, where: str, prefix: str = "", *, empty: bool = True
) -> Iterator[str]:
    """The settings in `content` as options; groups may be `empty`, as when all below them is commented out."""
    for field in dataclasses.fields(config_class):
        if field.name not in content:
            continue
        key, value = f"{prefix}{field.name}", content[field.name]
        if dataclasses.is_dataclass(field.type):
            if isinstance(value, dict):
                yield from _as_options(field.type, value, where, f"{key}.", empty=empty)
            elif value is not None or not empty:
                raise _no_group(field.type, f"{where}: {key}", key)
            continue
        if value is None and type(None) not in get_args(field.type):
            raise UserError(f"{where}: {key} has no value; give it one, or leave the key out.")
        try:
            yield f"--{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{where}: {key} holds what is no setting ({error}); give text, numbers or lists."
            ) from error


def _no_group(config_class: type, what: str, key: str) -> UserError:
    return UserError(f"{what} has settings of its own, such as {key}.{dataclasses.fields(config_class)[0].name}.")


def _check_items(config_class: type, content: dict, where: str) -> None:
    """Raises for a wrong key in what a list or dictionary of dataclasses holds."""
    for field in dataclasses.fields(config_class):
        value = content.get(field.name)
        if dataclasses.is_dataclass(field.type) and isinstance(value, dict):
            _check_items(field.type, value, where)
        if (inner := item_class(field)) is None:
            continue
        named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, item in named:
            if isinstance(value, dict) and get_origin(field.type) is dict and not isinstance(item, dict):
                raise UserError(f"{where}, {field.name} {name}: expected keys and values in braces, found {item}.")
            if isinstance(item, dict):
                list(_as_options(inner, item, f"{where}, {field.name} {name}", empty=False))
                _check_keys(inner, item, f"{where}, {field.name} {name}")


def _check_numbers(kind: Any, content: Any, where: str) -> None:
    """Raises for a text such as 1:30 in the place of a number, which the parser would read as seconds, 90."""
    if dataclasses.is_dataclass(kind) and isinstance(content, dict):
        for field in dataclasses.fields(kind):
            _check_numbers(field.type, content.get(field.name), f"{where}: {field.name}")
    elif isinstance(content, dict | list) and get_origin(kind) in (dict, list):
        for key, item in content.items() if isinstance(content, dict) else enumerate(content):
            _check_numbers(get_args(kind)[-1], item, f"{where}: {key}")
    elif isinstance(content, str) and ":" in content and not {int, float}.isdisjoint({kind, *get_args(kind)}):
        raise UserError(f"{where} is {content!r}, which is no number.")


def _check_keys(config_class: type, content: dict, where: str) -> None:
    """Raises for a key that the config has not."""
    known = {name for name, _ in fields(config_class)}
    for key in _flatten(content, where, free=containers(config_class)):
        if key not in known:
            raise unknown_key(config_class, key, where)


def _config_files(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files that `--config` names, and the arguments without them; they count before all others."""
    files, others = [], []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--config":
            file = next(rest, "")
            if not file or file.startswith("--"):
                raise UserError("--config names no file; give it one, as in --config FILE.yaml.")
            files.append(file)
        elif argument.startswith("--config="):
            files.append(argument.partition("=")[2])
        else:
            others.append(argument)
    return files, others


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each option on the command line."""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and equals:
            yield name, value
        elif argument.startswith("--") and index + 1 < len(arguments):
            yield name, arguments[index + 1]


def _flatten(content: dict, where: str, prefix: str = "", *, free: set[str]) -> Iterator[str]:
    """The dotted names of the keys in `content`; UserError for a key that has dots itself, which no group would get."""
    for key, value in content.items():
        if isinstance(key, str) and "." in key:
            group, _, rest = key.partition(".")
            raise UserError(
                f"{where}: the key {key!r} has a dot, as on the command line; write it as {group}: {{{rest}: …}}."
            )
        if isinstance(value, dict) and f"{prefix}{key}" not in free:
            yield from _flatten(value, where, f"{prefix}{key}.", free=free)
        else:
            yield f"{prefix}{key}"
