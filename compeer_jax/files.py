"""Files that appear whole or not at all, small JSON files read safely, folders that one process writes at a time."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.structure import plain

LOCK = ".lock"
LARGEST_JSON = 64 * 2**20  # bytes

log = logging.getLogger(__name__)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, at once, when the block ends well; else nothing changes.

    Where `path` is a symbolic link, what it points to is replaced. Modes are the umask's.
    """
    path = Path(os.path.realpath(Path(path).expanduser()))
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path, setting: str = "output") -> None:
    """Makes a folder that a setting names, and those above it; UserError if it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} can't be made ({error.strerror}); choose another {setting}.") from error


def write_text(path: Path, text: str, *, mend: str = "choose another folder") -> None:
    """Writes a text file, whole or not at all, and makes its folder. `mend` says what to do where that can't be.

    Raises:
        UserError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{path} can't be written ({error.strerror or error}); {mend}.") from error


def write_json(path: Path, value: Any, *, allow_nan: bool = True) -> None:
    """Writes a JSON file for people to read too; `value` and errors as of `plain` and `write_text`.

    Raises:
        ValueError: a number is not finite, where `allow_nan` is false; nothing is written then.
    """
    write_text(path, json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=allow_nan) + "\n")


def read_json(path: Path, what: str, kind: type, *, mend: str = "copy or download it again") -> Any:
    """The value in a small JSON file: of a model's directory, or of our own.

    Args:
        path: the file.
        what: the file holds, for the sentence when it is missing.
        kind: dict or list, which the value must be.
        mend: what to do about a file that is damaged.

    Raises:
        UserError: the file is missing, too large, not JSON, or of another kind.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UserError(f"{path} is larger than {LARGEST_JSON >> 20} MiB, so it is no such file: {mend}.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {what} {path} ({error.strerror}): give a directory that holds one.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}): {mend}.") from error
    if not isinstance(values, kind):
        names = {dict: "object", list: "array"}
        raise UserError(f"{path} must hold a JSON {names[kind]}, not {type(values).__name__}: {mend}.")
    return values


class FolderLock:
    """The right to write in a folder, which one process has at a time. It may take it several times.

    It is the system's lock on a file, so it ends with the process, however that ends. Where folders are shared over a
    network, the system must pass locks on (NFS 4 does; Lustre does when mounted with `flock`); where it has none, a
    line says so and nothing is guarded.

    Args:
        folder: an existing folder.

    Raises:
        UserError: another process is at work there.
    """

    def __init__(self, folder: Path):
        from filelock import FileLock, Timeout

        # The same path is the same lock within this process, by whichever thread it is asked for.
        self._lock = FileLock(folder.resolve() / LOCK, is_singleton=True, thread_local=False)
        self._held = True
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"another process is at work in {folder}; wait for it, or choose another output."
            ) from error
        except NotImplementedError:
            self._held = False
            log.warning("%s is on a file system without locks; see to it that one process writes there.", folder)

    def release(self) -> None:
        """Lets another process write; a second call does nothing."""
        if self._held:
            self._held = False
            self._lock.release()
