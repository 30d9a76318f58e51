"""The run folder: where everything lies, and the settings that it was started with."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.files import FolderLock, read_json, replacing
from compeer_jax.runs.binding import check_same
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
                changed = check_same(path, old, settings, old_contents=began, contents=contents, may_change=may_change)
                if changed:
                    log.warning("The run in %s goes on with changed settings: %s.", path, ", ".join(changed))
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


def _filled(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, with what only `defaults` have."""
    own = {
        key: _filled(value, defaults[key])
        if isinstance(value, Mapping) and isinstance(defaults.get(key), Mapping)
        else value
        for key, value in settings.items()
    }
    return {**defaults, **own}


def _plain(value: Any) -> Any:
    """Nested settings as YAML gives them back: dicts with string keys, lists, strings, numbers, None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith("~/"):
        return str(Path(value).expanduser())
    return str(value) if isinstance(value, (os.PathLike, str)) else value
