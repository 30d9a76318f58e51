"""Opening of a run folder by all processes, once they have the same settings, code and folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import jax

import compeer_jax
from compeer_jax.errors import UserError
from compeer_jax.parallel.exchange import from_first, gather
from compeer_jax.runs.binding import flat
from compeer_jax.runs.contents import read_contents
from compeer_jax.runs.folder import RunFolder


def open_folder(config: Any) -> RunFolder:
    """The run's folder, made or opened by process 0, once it is sure that all processes mean the same run.

    Process 0 alone reads what the settings name, for its fingerprints.

    Args:
        config: a dataclass; its `output` is the folder.

    Raises:
        UserError: as `check_same_run`, `read_contents` and `RunFolder.open`; weights are damaged; or a process doesn't
            see what process 0 wrote there.
    """
    settings = asdict(config)
    if jax.process_count() > 1:
        check_same_run(settings)
    folder = RunFolder(Path(config.output).expanduser())

    def open_first() -> bool:
        nonlocal folder
        contents = read_contents(config)
        defaults = _defaults(type(config))
        folder = RunFolder.open(config.output, settings, defaults=defaults, contents=contents.fingerprints)
        if contents.fault:
            folder.release()
            raise UserError(contents.fault)
        return folder.resumed  # it holds the lock, for all

    folder.resumed = from_first(open_first)
    blind = [index for index, seen in enumerate(gather(folder.config.is_file())) if not seen]
    if blind:
        raise UserError(
            f"Process {blind[0]} doesn't see {folder.config}, which process 0 wrote; give an output folder on storage "
            "that all processes share."
        )
    return folder


def _defaults(config_class: type) -> dict[str, Any]:
    """The default of every setting that has one, but of those whose absence meant something else (`absent`)."""
    values = {}
    for field in fields(config_class):
        if "absent" in field.metadata:
            continue
        if field.default_factory is not MISSING:
            value = field.default_factory()
            values[field.name] = asdict(value) if is_dataclass(value) else value
        elif field.default is not MISSING:
            values[field.name] = field.default
    return values


def check_same_run(settings: Mapping[str, Any]) -> None:
    """Compares what every process was started with.

    Raises:
        UserError: a process has other settings, other code or another JAX than process 0; the sentence, the same in
            all of them, names the process and the first thing that differs.
    """
    started_with = {name: value for name, value in settings.items() if name != "processes"}
    started_with |= {"the code of compeer_jax": code_digest(), "the version of jax": jax.__version__}
    first, *others = gather(started_with)
    for index, other in enumerate(others, start=1):
        if difference := _first_difference(first, other):
            name, there, here = difference
            raise UserError(
                f"Process {index} was started otherwise than process 0: {name} is {here} there and {there} in process "
                "0; start all processes with the same settings and the same installation."
            )


def code_digest() -> str:
    """SHA-256, in hexadecimal, of this package's files: code and prompts."""
    root = Path(compeer_jax.__file__).parent
    files = sorted(file for file in root.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _first_difference(one: Mapping, other: Mapping) -> tuple[str, Any, Any] | None:
    """(name, value in `one`, value in `other`) of the first setting that differs."""
    one, other = flat(one), flat(other)
    for name in {**one, **other}:
        values = one.get(name, "absent"), other.get(name, "absent")
        if values[0] != values[1]:
            return name, *values
    return None
