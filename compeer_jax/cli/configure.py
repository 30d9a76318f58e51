"""Typed configs from YAML files and the command line; a mistake is one sentence."""

import argparse
import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar, get_origin

from compeer_jax.errors import UserError, unknown

Config = TypeVar("Config")


def parse_config(config_class: type[Config], arguments: Sequence[str], *, command: str, description: str) -> Config:
    """Builds `config_class` from its defaults, then `--config` files in order, then `--key value` overrides.

    Raises:
        UserError: unknown key (with the nearest one), wrong type, missing value, missing or malformed file.
    """
    return _parse(config_class, arguments, command, description)[0]


def merged_yaml(config_class: type, arguments: Sequence[str], *, command: str, description: str) -> str:
    """The merged config as YAML: what `compeer config show` prints."""
    return _parse(config_class, arguments, command, description)[1]


def _parse(config_class, arguments, command, description):
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=f"compeer {command}",
        usage=f"compeer {command} [--config FILE.yaml] [--key value ...]",
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
        print_config=None,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of the keys below; can be given twice")
    parser.add_class_arguments(config_class)
    _check_keys(config_class, arguments)
    try:
        namespace = parser.parse_args(list(arguments))
        config = parser.instantiate(namespace)
        text = parser.dump(namespace, skip_none=False)
    except argparse.ArgumentError as error:
        raise UserError(_sentence(error)) from error
    values = {name: value for name, value in vars(config).items() if name != "config"}
    return config_class(**values), "\n".join(line for line in text.splitlines() if not line.startswith("config:"))


def _sentence(error: argparse.ArgumentError) -> str:
    """What the parser says, on one line and without Python's names for types."""
    text = re.sub(r"<class '(\w+)'>|typing\.(?=Literal)", r"\1", f"{error.argument_name or ''} {error.message}")
    return " ".join(text.replace('Parser key "', '"').split()).rstrip(".") + "."


def _check_keys(config_class: type, arguments: Sequence[str]) -> None:
    """Raises for a key that the config has not, in a file or on the command line, before anything is parsed."""
    import yaml

    keys = [name for name, _ in _fields(config_class)]
    arguments = list(arguments)
    for argument in arguments:
        key = argument[2:].partition("=")[0] if argument.startswith("--") else ""
        if key and key not in ("help", "config") and key not in keys:
            raise unknown("config key", key, keys)
    for path in _config_files(arguments):
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise UserError(f"config file {path} can't be read ({error.strerror}); check the path.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"config file {path} is not YAML: {' '.join(str(error).split())}.") from error
        if not isinstance(content, dict):
            raise UserError(f"config file {path} must hold keys and values, not a {type(content).__name__}.")
        for key in _flatten(content, free={name for name, free in _fields(config_class) if free}):
            if key not in keys:
                raise unknown("config key", key, keys, where=str(path))


def _config_files(arguments: list[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        if argument == "--config" and index + 1 < len(arguments):
            yield arguments[index + 1]
        elif argument.startswith("--config="):
            yield argument.partition("=")[2]


def _fields(config_class: type, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Every key, and whether it holds a dictionary whose keys are free."""
    for field in dataclasses.fields(config_class):
        yield prefix + field.name, get_origin(field.type) is dict
        if dataclasses.is_dataclass(field.type):
            yield from _fields(field.type, f"{prefix}{field.name}.")


def _flatten(content: dict, prefix: str = "", *, free: set[str]) -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in free:
            yield from _flatten(value, f"{prefix}{key}.", free=free)
        else:
            yield f"{prefix}{key}"
