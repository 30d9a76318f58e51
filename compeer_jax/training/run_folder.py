"""The folder of a run: where everything lies, and the settings that it was started with."""

import logging
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.files import FolderLock, replacing

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
        cls, path: str | os.PathLike, config: Mapping[str, Any], *, may_change: tuple[str, ...] = MAY_CHANGE
    ) -> "RunFolder":
        """Make the folder, or go on with the run that it holds, and write `config.yaml` into it.

        Until `release`, or the end of this process, no other process can open it.

        Args:
            path: the folder; its parents are made too.
            config: the run's settings, nested mappings of plain values.
            may_change: dotted names, or patterns of them, in which a run that goes on may differ from its start.

        Raises:
            UserError: the folder can't be written, another process writes it, or it holds a run with other settings
                (the sentence names them).
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
                _check_same(path, _plain(_read(folder.config)), settings, may_change)
            with replacing(folder.config) as temporary:
                temporary.write_text(_dump(settings), encoding="utf-8")
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


def _check_same(path: Path, old: Mapping, new: Mapping, may_change: tuple[str, ...]) -> None:
    old, new = dict(_flat(old)), dict(_flat(new))
    differing = [key for key in sorted({*old, *new}) if key not in old or key not in new or old[key] != new[key]]
    lines = {key: f"{key} ({old.get(key, 'absent')} there, {new.get(key, 'absent')} now)" for key in differing}
    barred = [key for key in differing if not any(fnmatchcase(key, pattern) for pattern in may_change)]
    if barred:
        advice = (
            "settings that are absent there came with a later version, so choose another folder."
            if any(key not in old for key in barred)
            else "choose another folder, or set these back to go on with that run."
        )
        named = ", ".join(lines[key] for key in barred)
        raise UserError(f"The folder {path} holds a run with other settings: {named}; {advice}")
    if lines:
        log.warning("The run in %s goes on with changed settings: %s.", path, ", ".join(lines.values()))


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


def _dump(settings: dict) -> str:
    import yaml

    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=120)


def _read(path: Path) -> dict:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        settings = None
    if not isinstance(settings, dict):
        raise UserError(f"{path} is not the settings of a run; mend or remove it, or choose another folder.")
    return settings
