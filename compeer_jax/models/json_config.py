"""Reading a model's `config.json`: typed keys, and a sentence for each that is missing or badly typed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError


def read_config(path: str | Path) -> tuple[dict[str, Any], Path]:
    """The object in `config.json`, given the file or the directory that holds it; and the file.

    Raises:
        UserError: the file is missing, not JSON, or no JSON object.
    """
    path = Path(path)
    if path.is_dir() or path.suffix != ".json":
        path = path / "config.json"
    return read_json(path, "the model's config", dict), path


def read_json(path: Path, what: str, kind: type) -> Any:
    """The value in a JSON file of a model's directory.

    Args:
        path: the file.
        what: the file holds, for the sentence when it is missing.
        kind: dict or list, which the value must be.

    Raises:
        UserError: the file is missing, not JSON, or of another kind.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {what} {path} ({error.strerror}): give a directory that holds one.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): copy or download it again.") from error
    if not isinstance(values, kind):
        names = {dict: "object", list: "array"}
        raise UserError(f"{path} must hold a JSON {names[kind]}, not {type(values).__name__}.")
    return values


@dataclass(frozen=True)
class ConfigReader:
    """Reads typed keys of a config. A key absent or null takes its default; without a default it must be there."""

    values: Mapping[str, Any]
    where: str

    def integer(self, name: str, *default: int | None) -> int | None:
        return self._read(name, default, "a whole number above 0", lambda x: type(x) is int and x > 0)

    def positive(self, name: str, *default: float | None) -> float | None:
        value = self._read(
            name, default, "a number above 0", lambda x: type(x) in (int, float) and x > 0 and math.isfinite(x)
        )
        return value if value is None else float(value)

    def boolean(self, name: str, default: bool) -> bool:
        return self._read(name, (default,), "true or false", lambda x: type(x) is bool)

    def token(self, name: str) -> int | None:
        return self._read(name, (None,), "a token id", lambda x: type(x) is int)

    def tokens(self, name: str) -> int | tuple[int, ...] | None:
        def is_token_or_list(x: Any) -> bool:
            return type(x) is int or (isinstance(x, list) and all(type(i) is int for i in x))

        value = self._read(name, (None,), "a token id or a list of them", is_token_or_list)
        return tuple(value) if isinstance(value, list) else value

    def _read(self, name: str, default: tuple, wanted: str, is_valid: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            if not default:
                raise UserError(f"{self.where}: the key {name!r} is missing; it must be {wanted}.")
            return default[0]
        if not is_valid(value):
            raise UserError(f"{self.where}: {name} is {value!r}; it must be {wanted}.")
        return value
