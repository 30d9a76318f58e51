"""Typed configs from YAML files and the command line; a mistake is one sentence."""

import argparse
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from compeer_jax.cli.asked_as_trained import card_defaults, tell_differing
from compeer_jax.errors import UserError, unknown
from compeer_jax.strict_yaml import load_yaml

Config = TypeVar("Config")


def parse_config(config_class: type[Config], arguments: Sequence[str], *, command: str, description: str) -> Config:
    """Builds `config_class` from its defaults, then `--config` files in order, then `--key value` overrides.

    Raises:
        UserError: unknown key (with the nearest one), wrong type, missing value, missing or malformed file.
    """
    return _parse(config_class, arguments, command, description)[0]


def merged_yaml(config_class: type, arguments: Sequence[str], *, command: str, description: str) -> str:
    """The merged config as YAML: what `compeer config show` prints. What has to be given may be missing."""
    return _parse(config_class, arguments, command, description, whole=False)[1]


def _parse(config_class, arguments, command, description, *, whole: bool = True):
    from jsonargparse import ArgumentParser

    files, options = _config_files(arguments)
    parser = ArgumentParser(
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
        given = [f"--{name}=" for name in _required(config_class)] + given
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
    missing = [name for name in _required(config_class) if values[name] == "" and not whole]
    left_out = tuple(f"{name}:" for name in ("config", *missing))
    shown = [line for line in text.splitlines() if not line.startswith(left_out)]
    shown = [*(f"# {name}: has to be given" for name in missing), *shown]
    return _at_home(config_class(**values)), "\n".join(shown)


def _required(config_class: type) -> list[str]:
    """The keys that have no default."""
    return [
        field.name
        for field in dataclasses.fields(config_class)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _at_home(value: Any) -> Any:
    """Settings in which "~" at the begin of a path is the home; a shell leaves it in `--key=~/x`, and files have it."""
    if isinstance(value, str):
        if "\0" in value:
            raise UserError(f"the setting {value!r} holds the character NUL, which no path or text has; take it out.")
        return type(value)(Path(value).expanduser()) if value == "~" or value.startswith("~/") else value
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(map(_at_home, value))
    if isinstance(value, dict):
        return {name: _at_home(one) for name, one in value.items()}
    if dataclasses.is_dataclass(value):
        now = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changed = {name: new for name, old in now.items() if (new := _at_home(old)) != old}
        return dataclasses.replace(value, **changed) if changed else value
    return value


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

    keys = [name for name, _ in _fields(config_class)]
    for option in options:
        key = option[2:].partition("=")[0] if option.startswith("--") else ""
        if key and key != "help" and key not in keys:
            raise _refused(config_class, key)
    groups = dict(_groups(config_class))
    for option, value in _options(options):
        if option in keys:
            with contextlib.suppress(yaml.YAMLError):  # what is no YAML is the parser's to name
                content = load_yaml(value, f"the settings of --{option}")
                if option in groups:
                    if not isinstance(content, dict):
                        raise _no_group(groups[option], f"--{option}", option)
                    list(_as_options(groups[option], content, f"--{option}", f"{option}.", empty=False))
                    _check_items(groups[option], content, f"--{option}")
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
        content = load_yaml(Path(path).expanduser().read_text(encoding="utf-8"), f"the settings of {path}") or {}
    except OSError as error:
        raise UserError(f"config file {path} can't be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config file {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise UserError(f"config file {path} must hold keys and values, not a {type(content).__name__}.")
    keys = [name for name, _ in _fields(config_class)]
    for key in _flatten(content, path, free={name for name, free in _fields(config_class) if free}):
        if key not in keys:
            raise _refused(config_class, key, path)
    _check_items(config_class, content, path)
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


def _refused(config_class: type, key: str, where: str = "") -> UserError:
    """Of a key that the config once had, `config_class.RENAMED` says what is there now: old key -> a sentence."""
    for old, sentence in getattr(config_class, "RENAMED", {}).items():
        if key == old or key.startswith(f"{old}."):
            return UserError(f"{where}{': ' * bool(where)}there is no config key {key!r} any more; {sentence}")
    return unknown("config key", key, [name for name, _ in _fields(config_class)], where=where)


def _check_items(config_class: type, content: dict, where: str) -> None:
    """Raises for a wrong key in what a list or dictionary of dataclasses holds."""
    for field in dataclasses.fields(config_class):
        value = content.get(field.name)
        if dataclasses.is_dataclass(field.type) and isinstance(value, dict):
            _check_items(field.type, value, where)
        item_class = next((part for part in get_args(field.type) if dataclasses.is_dataclass(part)), None)
        if item_class is None:
            continue
        named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, item in named:
            if isinstance(value, dict) and get_origin(field.type) is dict and not isinstance(item, dict):
                raise UserError(f"{where}, {field.name} {name}: expected keys and values in braces, found {item}.")
            if isinstance(item, dict):
                list(_as_options(item_class, item, f"{where}, {field.name} {name}", empty=False))
                keys = [key for key, _ in _fields(item_class)]
                place = f"{where}, {field.name} {name}"
                for key in _flatten(item, place, free={key for key, free in _fields(item_class) if free}):
                    if key not in keys:
                        raise unknown("config key", key, keys, where=place)


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


def _groups(config_class: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Every key that has keys below it, with the class of these."""
    for field in dataclasses.fields(config_class):
        if dataclasses.is_dataclass(field.type):
            yield f"{prefix}{field.name}", field.type
            yield from _groups(field.type, f"{prefix}{field.name}.")


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each option on the command line."""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and equals:
            yield name, value
        elif argument.startswith("--") and index + 1 < len(arguments):
            yield name, arguments[index + 1]


def _fields(config_class: type, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Every key, and whether what it holds has keys of its own, free or of `_check_items`."""
    for field in dataclasses.fields(config_class):
        yield prefix + field.name, get_origin(field.type) in (dict, list)
        if dataclasses.is_dataclass(field.type):
            yield from _fields(field.type, f"{prefix}{field.name}.")


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
