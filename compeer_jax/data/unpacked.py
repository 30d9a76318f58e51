"""Decompression of files as streams: gzip and Zstandard are unpacked on the way, and none grows without end."""

import io
import stat
from pathlib import Path
from typing import BinaryIO

from compeer_jax.errors import UserError

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PACKED = (".gz", ".zst")
MOST_GROWTH = 100  # times its size that a file may have unpacked; texts have 3 to 10
FREE_GROWTH = 1 << 20  # bytes that any may have
NOT_TEXT = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or save it as JSON lines",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip or zstd",
    b"\xfd7zXZ\x00": "packed by xz; unpack it, or pack it by gzip or zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"PAR1": "Parquet; let its name end with .parquet",
    b"SQLite format 3\x00": "a database; save it as JSON lines",
}
"""How files begin that are no text, and what to say of them."""


def open_unpacked(path: Path, shown: str, *, buffer: int = 1 << 16) -> BinaryIO:
    """A file's bytes, of which `peek` shows as many as `buffer`; gzip and Zstandard are known by their first bytes.

    Raises:
        UserError: here, for a pipe or a device, or without the library that unpacks it; while it is read, for a file
            that is damaged, cut off, or grows to more than `MOST_GROWTH` times its size.
        OSError: it can't be opened.
    """
    require_file(path, shown)
    file = path.open("rb")
    try:
        begin = file.read(max(map(len, NOT_TEXT)))
        file.seek(0)
        for mark, what in NOT_TEXT.items():
            if begin.startswith(mark):
                raise UserError(f"{shown} is {what}.")
        return io.BufferedReader(_Bounded(_unpacking(file, begin, shown), path.stat().st_size, shown), buffer)
    except BaseException:
        file.close()
        raise


def require_file(path: Path, shown: str) -> None:
    """Raises UserError where `path` is a pipe or a device; OSError where it isn't there."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UserError(f"{shown} is a pipe or a device, which may have no end; save what it gives as a file.")


def plain_suffix(path: str | Path) -> str:
    """How a file's name ends, in small letters, but for what it is packed by: "a.jsonl.gz" with ".jsonl"."""
    path = Path(path)
    return (Path(path.stem) if path.suffix.lower() in PACKED else path).suffix.lower()


def _unpacking(file: BinaryIO, begin: bytes, shown: str) -> BinaryIO:
    if begin.startswith(GZIP):
        import gzip

        return gzip.GzipFile(fileobj=file)
    if begin.startswith(ZSTANDARD):
        return _zstd(shown).ZstdFile(file)
    return file


def _zstd(shown: str):
    try:
        from compression import zstd  # Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise UserError(
                f"{shown} is packed by zstd; unpack it, or run pip install 'compeer_jax[data]', which brings what does."
            ) from error
    return zstd


class _Bounded(io.RawIOBase):
    """What a file has before it is found to be damaged or to grow too much; then the UserError that says so."""

    def __init__(self, file: BinaryIO, size: int, shown: str):
        self._file, self._shown = file, shown
        self._left = size * MOST_GROWTH + FREE_GROWTH
        self._fault: UserError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        filled = 0
        while filled < len(buffer) and self._fault is None:
            data = self._some(len(buffer) - filled)
            if not data:
                break
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        if self._fault and not filled:
            raise self._fault
        return filled

    def _some(self, most: int) -> bytes:
        try:
            data = self._file.read1(most)
        except Exception as error:  # of the system, of zlib, or of whichever module there is for Zstandard
            said = " ".join(str(error).split())
            self._fault = UserError(f"{self._shown}: damaged or cut off ({said}); fetch the file again.")
            return b""
        self._left -= len(data)
        if self._left < 0:
            self._fault = UserError(
                f"{self._shown}: grows to more than {MOST_GROWTH} times its size; unpack it yourself if it is meant so."
            )
        return data

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
