"""The folder of a run: where everything lies, and the settings that it was started with."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.files import FolderLock, read_json, replacing
from compeer_jax.strict_yaml import dump_yaml, load_yaml

FINGERPRINTS = "fingerprints.json"

MAY_CHANGE = (
    "output",
    "steps",
    "mesh.*",
    "processes.*",
    "checkpoint.*",
    "eval_every",
    "eval_records",
    "samples_every",
    "gradient_accumulation",
    "optimizer.max_skipped",
    "model.remat",
    "model.gather",
    "reward.models.gather",
    "reward.models.batch_prompts",
    "reward.models.devices",
    *(f"reward.remote.{name}" for name in ("url", "api_key_env", "concurrency", "timeout", "tries", "backoff")),
    *(f"reward.remote.{name}" for name in ("patience", "cache")),
    "reward.encoder.batch_size",
    "export",
)
"""Settings that a run may go on with changed: how long, how often, on what. All others make another experiment."""

log = logging.getLogger(__name__)


class RunFolder:
    """Paths of one run. Make it with `RunFolder.open`.

    Attributes:
        path: the folder.
        resumed: it held a run with these settings when it was opened.
    """

    def __init__(self, path: Path, resumed: bool = False):
        self.path = path
        self.resumed = resumed
        self._lock: FolderLock | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike,
        config: Mapping[str, Any],
        *,
        defaults: Mapping[str, Any] = MappingProxyType({}),
        contents: Mapping[str, str] = MappingProxyType({}),
        may_change: tuple[str, ...] = MAY_CHANGE,
    ) -> "RunFolder":
        """Make the folder, or go on with the run that it holds; write `config.yaml` and `fingerprints.json` into it.

        Until `release`, or the end of this process, no other process can open it.

        Args:
            path: the folder; its parents are made too.
            config: the run's settings, nested mappings of plain values.
            defaults: what settings are that a run of an earlier version did not have.
            contents: dotted names of settings that name files, and the fingerprints of these. They go by content: the
                same files may have moved.
            may_change: dotted names, or patterns of them, in which a run that goes on may differ from its start.

        Raises:
            UserError: the folder can't be written, another process writes it, or it holds a run with other settings,
                or that began with other files (the sentence names them).
        """
        path = Path(path).expanduser()
        settings = _plain(config)
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder._lock = FolderLock(path)
            for directory in (folder.checkpoints, folder.tensorboard, folder.rollouts):
                directory.mkdir(exist_ok=True)
            # Settings bind once there is something to go on with; a start that failed early can be mended and repeated.
            folder.resumed = folder.config.exists() and any(folder.checkpoints.iterdir())
            if folder.resumed:
                old = _plain(_filled(folder.settings(), defaults))
                began = folder.fingerprints()
                _check_same(path, dict(_flat(old)), dict(_flat(settings)), began, contents, may_change)
                contents = {**began, **contents}
            with replacing(folder.config) as temporary:
                temporary.write_text(dump_yaml(settings), encoding="utf-8")
            with replacing(folder.path / FINGERPRINTS) as temporary:
                temporary.write_text(json.dumps(dict(contents), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"The run folder {path} can't be written: {error.strerror or error}; choose another."
            ) from error
        except UserError:
            folder.release()
            raise
        return folder

    def release(self) -> None:
        """Lets other processes open the run."""
        if self._lock is not None:
            self._lock.release()

    @property
    def config(self) -> Path:
        """The merged settings."""
        return self.path / "config.yaml"

    def settings(self) -> dict[str, Any]:
        """What is in `config`; UserError if it is not the settings of a run."""
        import yaml

        try:
            settings = load_yaml(self.config.read_text(encoding="utf-8"), f"the settings of {self.config}")
        except OSError as error:
            raise UserError(f"{self.path} is no run folder: {self.config} can't be read ({error.strerror}).") from error
        except (yaml.YAMLError, UnicodeDecodeError):
            settings = None
        if not isinstance(settings, dict):
            raise UserError(f"{self.config} is not the settings of a run; mend or remove it, or choose another folder.")
        return settings

    def fingerprints(self) -> dict[str, str]:
        """Of the files that the run began with, by the settings that name them; none of a run of an earlier version."""
        path = self.path / FINGERPRINTS
        return read_json(path, "the fingerprints", dict, mend="choose another folder") if path.exists() else {}

    @property
    def metrics(self) -> Path:
        """One JSON object a step."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """Prompts and outputs to read."""
        return self.path / "samples.md"

    @property
    def curves(self) -> Path:
        """The picture of the metrics."""
        return self.path / "curves.png"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tb"

    @property
    def profile(self) -> Path:
        """The trace of a few steps."""
        return self.path / "profile"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def rollouts(self) -> Path:
        return self.path / "rollouts"

    @property
    def base(self) -> Path:
        """Config and tokenizer of the model that the run started from."""
        return self.path / "base"

    @property
    def model(self) -> Path:
        """The exported Hugging Face directory."""
        return self.path / "model"


def _check_same(
    path: Path,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    began: Mapping[str, str],
    contents: Mapping[str, str],
    may_change: tuple[str, ...],
) -> None:
    other = {key for key in contents if began.get(key, contents[key]) != contents[key]}
    moved = {key for key in contents if key in began} - other
    differing = {key for key in {*old, *new} if key not in old or key not in new or old[key] != new[key]}
    lines, barred = {}, []
    for key in sorted(differing | other):
        how = [f"{old.get(key, 'absent')} there, {new.get(key, 'absent')} now"] if key in differing else []
        how += [f"other content, SHA-256 {began[key][:8]}… there, {contents[key][:8]}… now"] if key in other else []
        lines[key] = f"{key} ({'; '.join(how)})"
        if key not in moved and not any(fnmatchcase(key, pattern) for pattern in may_change):
            barred.append(key)
    if barred:
        back = ["set these back"] if any(key not in other for key in barred) else []
        back += ["put the files that it began with in their places"] if other else []
        mend = f"choose another output folder, or {' and '.join(back)} to go on with that run."
        if any(key in differing and key not in old for key in barred):
            mend = "settings that are absent there came with a later version, so choose another output folder."
        named = ", ".join(lines[key] for key in barred)
        raise UserError(f"The folder {path} holds a run with other settings: {named}; {mend}")
    if lines:
        log.warning("The run in %s goes on with changed settings: %s.", path, ", ".join(lines.values()))


def _filled(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, with what only `defaults` have."""
    own = {
        key: _filled(value, defaults[key])
        if isinstance(value, Mapping) and isinstance(defaults.get(key), Mapping)
        else value
        for key, value in settings.items()
    }
    return {**defaults, **own}


def _flat(config: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plain(value: Any) -> Any:
    """Nested settings as YAML gives them back: dicts with string keys, lists, strings, numbers, None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith("~/"):
        return str(Path(value).expanduser())
    return str(value) if isinstance(value, (os.PathLike, str)) else value
