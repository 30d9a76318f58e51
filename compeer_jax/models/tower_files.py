"""A vision tower's files, copied through: it never learns, so a model is saved with the tower that it came with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.hf_names import TOWER, hf_tensors
from compeer_jax.models.vision import abstract_tower
from compeer_jax.models.weights import DTYPES, check_tensors, open_checkpoint

TOWER_FILE = "tower.safetensors"
"""What a tower by itself is called, as a run keeps it."""
PREPROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
"""What says how pictures become pixels."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in an open file; `name` is its published one.

    Attributes:
        nbytes: its size.
    """

    name: str
    nbytes: int
    file: Any
    stored_name: str

    def read(self) -> np.ndarray:
        return self.file.get_tensor(self.stored_name)


@contextmanager
def open_tower(directory: str | Path, config: DecoderConfig) -> Iterator[list[StoredTensor]]:
    """The tensors of the tower in a model's directory, or in that of a run's `keep_tower`.

    Raises:
        UserError: a file is missing or damaged, or the tower there is not the one of `config`.
    """
    directory = Path(directory)
    names = replace(TOWER, file=TOWER_FILE) if (directory / TOWER_FILE).is_file() else TOWER
    _, params = abstract_tower(config.vision)
    with open_checkpoint(directory, names) as files:
        stored = list(hf_tensors(params, names, names.prefix_in(files)))
        check_tensors(directory, files, stored, names)
        yield [
            StoredTensor(published.name, _nbytes(files[held.name], held.name), files[held.name], held.name)
            for published, held in zip(hf_tensors(params, names), stored, strict=True)
        ]


def keep_tower(source: str | Path, folder: Path, config: DecoderConfig) -> None:
    """Copies a model's tower, and what says how pictures become pixels, into a folder."""
    from safetensors.numpy import save_file

    with open_tower(source, config) as tensors:
        arrays = {tensor.name: tensor.read() for tensor in tensors}
    save_file(arrays, folder / TOWER_FILE, metadata={"format": "pt"})
    copy_preprocessors(source, folder)


def copy_preprocessors(source: str | Path, folder: Path) -> None:
    for name in PREPROCESSORS:
        if (Path(source) / name).is_file():
            shutil.copyfile(Path(source) / name, folder / name)


def _nbytes(file: Any, name: str) -> int:
    tensor = file.get_slice(name)
    return int(np.prod(tensor.get_shape())) * dict(zip(DTYPES, (8, 4, 2, 2), strict=True))[tensor.get_dtype()]
