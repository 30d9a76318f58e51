"""GGUF files, the format of llama.cpp: metadata and quantised tensors, mapped into memory and read by rows.

The header is read here, every length in it checked against the file's size before anything is built from it; numbers
in blocks are unpacked by the `gguf` package. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.models.json_config import shown

MAGIC = b"GGUF"
VERSIONS = (2, 3)
TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")
"""What tensors may be stored as."""

MAX_DIMENSIONS = 4
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY, _FLOAT32 = 8, 9, 6


@dataclass(frozen=True)
class GGUFTensor:
    """One tensor of a file.

    Attributes:
        kind: of `TYPES`.
        shape: outer dimension first, as in NumPy.
        blocks: its bytes [rows, bytes a row], in the mapped file.
    """

    kind: str
    shape: tuple[int, ...]
    blocks: np.ndarray

    def rows(self, which: slice | np.ndarray) -> np.ndarray:
        """Some of its rows as float32; a vector is one row."""
        from gguf import GGMLQuantizationType, dequantize

        return dequantize(np.ascontiguousarray(self.blocks[which]), GGMLQuantizationType[self.kind])


@dataclass(frozen=True)
class GGUFFile:
    """A file that was opened.

    Attributes:
        path: where it lies.
        metadata: its keys and values.
        tensors: by their names there.
    """

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GGUFTensor]

    def value(self, key: str, kind: type, *default: Any) -> Any:
        """A value of the metadata: a str, list, int or bool; without a default it must be there.

        Raises:
            UserError: it is missing, or of another type.
        """
        value = self.metadata.get(key, *default or (None,))
        if type(value) is not kind and not (default and value is default[0]):
            wanted = {str: "a text", list: "a list", int: "a whole number", bool: "true or false"}[kind]
            raise UserError(f"{self.path}: {key} is {shown(value)} in its metadata; it must be {wanted}.")
        return value

    @classmethod
    def open(cls, path: str | Path) -> "GGUFFile":
        """Reads the header, and sees to it that every tensor lies within the file.

        Raises:
            UserError: the file can't be read, is cut off, damaged, of another format or version, or a part of a split
                model; a tensor is stored in a way that is not read; the `gguf` package is missing.
        """
        path = Path(path)
        check_magic(path)
        _require_gguf(path)
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return cls._parse(path, _Header(data))
        except OSError as error:
            raise UserError(f"{path} can't be read ({error.strerror or error}); check it.") from error
        except _Damaged as error:
            raise UserError(f"{path} is cut off, or damaged: {error}; copy or download it again.") from error

    @classmethod
    def _parse(cls, path: Path, header: "_Header") -> "GGUFFile":
        (version,) = header.numbers("I")
        if version not in VERSIONS:
            order = " of a big-endian machine" if version and not version & 0xFFFF else ""
            raise UserError(f"{path}: its GGUF version is {version}{order}; only 2 and 3, little-endian, are read.")
        tensor_count, key_count = header.numbers("QQ")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key = header.string()
            if key in metadata:
                raise _Damaged(f"its metadata has {shown(key)} twice")
            metadata[key] = header.value()
        if (files := metadata.get("split.count", 0)) not in (0, 1):
            raise UserError(
                f"{path} is one of {shown(files)} files of a split model; put them together first, with llama.cpp's "
                "`llama-gguf-split --merge`."
            )
        places = [header.tensor(path) for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            raise _Damaged(f"general.alignment is {shown(alignment)}, which is no power of two")
        start = -(-header.at // alignment) * alignment
        tensors: dict[str, GGUFTensor] = {}
        for name, kind, shape, row_bytes, offset in places:
            if name in tensors:
                raise _Damaged(f"it has the tensor {shown(name)} twice")
            size = prod(shape[:-1]) * row_bytes
            if offset % alignment or start + offset + size > len(header.data):
                raise _Damaged(f"the tensor {shown(name)} does not lie within its {len(header.data):,} bytes")
            blocks = np.frombuffer(header.data, np.uint8, size, start + offset).reshape(-1, row_bytes)
            tensors[name] = GGUFTensor(kind, shape, blocks)
        return cls(path, metadata, tensors)


def check_magic(path: Path) -> None:
    """Raises UserError for a file that does not begin as GGUF files do, or that can't be read."""
    try:
        if path.is_file():  # a pipe would be waited on for ever
            with path.open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    return
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror or error}); check it.") from error
    raise UserError(f"{path} is no GGUF file; give a Hugging Face directory, or a model in GGUF.")


class _Damaged(Exception):
    """What a file has that no whole file has, as a part of a sentence."""


class _Header:
    """Reads values from the front of a file, one after the other; `at` is where the next one starts."""

    def __init__(self, data: mmap.mmap):
        self.data, self.at = data, len(MAGIC)

    def numbers(self, codes: str) -> tuple:
        """Numbers by their codes in `struct`."""
        form = f"<{codes}"
        self._need(struct.calcsize(form))
        found = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return found

    def string(self) -> str:
        (size,) = self.numbers("Q")
        self._need(size)
        text = self.data[self.at : self.at + size]
        self.at += size
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise _Damaged("a text in its header is not UTF-8") from error

    def value(self) -> Any:
        """A value of the metadata, with its type before it; a float32 as the shortest decimal that rounds to it."""
        (kind,) = self.numbers("I")
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            kind, count = self.numbers("IQ")
            if kind == _STRING:
                return [self.string() for _ in range(count)]
            self._need(count * struct.calcsize(self._code(kind)))
            return list(self.numbers(f"{count}{self._code(kind)}"))
        (number,) = self.numbers(self._code(kind))
        return float(str(np.float32(number))) if kind == _FLOAT32 else number

    def tensor(self, path: Path) -> tuple[str, str, tuple[int, ...], int, int]:
        """A tensor's name, kind, shape, bytes a row, and place after the header."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name = self.string()
        (dimensions,) = self.numbers("I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise _Damaged(f"the tensor {shown(name)} has {dimensions} dimensions")
        *shape, number, offset = self.numbers(f"{dimensions}QIQ")
        known = {kind.value: kind.name for kind in GGMLQuantizationType}
        kind = known.get(number, f"type {number}")
        if kind not in TYPES:
            raise UserError(
                f"{path}: the tensor {shown(name)} is stored as {kind}; only {', '.join(TYPES)} are read: give the "
                "model in one of these."
            )
        values, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
        if not all(shape) or shape[0] % values:
            raise _Damaged(f"the tensor {shown(name)} has shape {shape}, which {kind} can't store")
        return name, kind, tuple(reversed(shape)), shape[0] // values * size, offset

    def _code(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise _Damaged(f"its metadata has a value of type {kind}")
        return _SCALARS[kind]

    def _need(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise _Damaged(f"its header does not end within its {len(self.data):,} bytes")


def _require_gguf(path: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path} is read through the {error.name} package; run pip install 'compeer_jax[gguf]'."
        ) from error
