"""SHA-256 sums of the files in a folder, in a file that `sha256sum --check` reads: a flipped bit is noticed."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUMS = "SHA256SUMS"
CHANGING = ("_CHECKPOINT_METADATA", "commit_success.txt")
"""Orbax writes them, with the time, when it puts a checkpoint into place. They have nothing that a run goes on from."""

AT_ONCE = 4  # files read side by side


def summed_files(folder: Path) -> list[str]:
    """The files whose sums are kept, by their paths in the folder, in order."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if path.name not in (SUMS, *CHANGING))


def has_sums(folder: Path) -> bool:
    """Whether `write_sums` was called."""
    return (folder / SUMS).is_file()


def write_sums(folder: Path, files: Sequence[str]) -> None:
    """Writes the sums of `files` into the folder."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        sums = threads.map(lambda name: file_sum(folder / name), files)
        lines = [f"{digest}  {name}\n" for digest, name in zip(sums, files, strict=True)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check_sums(folder: Path, share: Callable[[Sequence[str]], Sequence[str]] = lambda files: files) -> None:
    """Compares files with their sums.

    Args:
        folder: one that has sums.
        share: which of the files are looked at.

    Raises:
        ValueError: a file differs or has no sum (it is named), or the sums are damaged themselves. Hidden files, as
            of a file manager, need none.
        OSError: a file is missing.
    """
    sums = _read(folder)
    if not sums or any(len(digest) != 64 or not name for name, digest in sums.items()):
        raise ValueError(f"{SUMS} is damaged")
    for name in summed_files(folder):
        if name not in sums and not Path(name).name.startswith("."):
            raise ValueError(f"{name} has no checksum in {SUMS}")
    files = share(sorted(sums))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for name, digest in zip(files, threads.map(lambda name: file_sum(folder / name), files), strict=True):
            if digest != sums[name]:
                raise ValueError(f"{name} differs from its checksum")


def differing(folder: Path, found: Mapping[str, str]) -> str:
    """The first of some files, by their sums, that has another one in the folder's; "" for none, or without any."""
    kept = _read(folder) if has_sums(folder) else {}
    return next((name for name, digest in found.items() if kept.get(name, digest) != digest), "")


def file_sum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, str]:
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
