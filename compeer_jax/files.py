"""Files that appear whole or not at all, and folders that one process writes at a time."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from compeer_jax.errors import UserError

LOCK = ".lock"

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
