"""Several processes, one a host or one a GPU, as one run: how they meet, and how they part.

JAX's runtime holds them together: once they have met, `jax.devices()` lists the devices of all, and every process runs
the same programs on them. Nothing here knows of training.
"""

import atexit
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from compeer_jax.errors import UserError, require_at_least

AUTO = "auto"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessesConfig:
    """How the processes of a run meet. Without a coordinator the run is one process.

    Args:
        coordinator: HOST:PORT of process 0, which every other can reach; "auto" lets JAX find all three from what the
            launcher set: TPU VMs and GKE's TPU jobs, SLURM, Open MPI, Kubernetes jobs. Empty: one process.
        count: how many processes there are (0: found with "auto").
        index: which of them this one is, from 0 (-1: found with "auto").
        timeout: seconds that a process waits for the others at the start.
        heartbeat: seconds of silence after which a process counts as gone, and the others end.
    """

    coordinator: str = ""
    count: int = 0
    index: int = -1
    timeout: int = 300
    heartbeat: int = 40

    def __post_init__(self):
        require_at_least(1, self, "processes.", "timeout")
        require_at_least(10, self, "processes.", "heartbeat")
        if self.coordinator in ("", AUTO):
            if (self.count, self.index) != (0, -1):
                raise UserError(
                    f"processes.count is {self.count} and processes.index is {self.index}, which need the HOST:PORT of "
                    "process 0 as processes.coordinator."
                )
            return
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise UserError(
                f"processes.coordinator is {self.coordinator!r}; give HOST:PORT of process 0, or 'auto' under a "
                "launcher that JAX knows."
            )
        if not 0 <= self.index < self.count:
            raise UserError(
                f"processes.index is {self.index} and processes.count is {self.count}; with a HOST:PORT each process "
                "needs the count, and its own index from 0 to count - 1."
            )


_joined: ProcessesConfig | None = None
_last_words: subprocess.Popen | None = None


def join(config: ProcessesConfig) -> None:
    """Meets the other processes; has to come before anything else asks JAX for its devices. A second call does nothing.

    Afterwards only warnings of process 0 are shown: the others would say the same.

    Raises:
        UserError: they could not meet; no launcher is known for "auto"; JAX is in use already, or joined otherwise.
    """
    global _joined
    if not config.coordinator:
        return
    import jax

    if _joined is not None or jax.distributed.is_initialized():
        if _joined not in (None, config):
            raise UserError("This process has joined a run already, by other processes.* settings; start another one.")
        return
    explicit = {"coordinator_address": config.coordinator, "num_processes": config.count, "process_id": config.index}
    try:
        jax.distributed.initialize(
            **({} if config.coordinator == AUTO else explicit | {"cluster_detection_method": "deactivate"}),
            initialization_timeout=config.timeout,
            heartbeat_timeout_seconds=config.heartbeat,
            shutdown_timeout_seconds=config.heartbeat,
        )
    except ValueError as error:
        raise UserError(
            "processes.coordinator is 'auto', but nothing here tells how many processes there are (no TPU pod, SLURM, "
            "Open MPI or Kubernetes job is seen); give HOST:PORT of process 0, count and index instead."
        ) from error
    except RuntimeError as error:  # what the runtime raises has no kinds
        reason = " ".join(str(error).split())
        if "must be called before" in reason:
            raise UserError("JAX has been used before the processes of the run met; join them first.") from error
        raise UserError(
            f"The processes of the run did not meet within processes.timeout = {config.timeout} s at "
            f"{config.coordinator} ({reason[:160]}); start all of them, with the same count, and check that this "
            "address is of process 0 and can be reached."
        ) from error
    _joined = config
    _start_last_words(jax.process_index(), jax.process_count())
    if jax.process_index() > 0:
        logging.getLogger("compeer_jax").setLevel(logging.ERROR)


def leave(status: int) -> int:
    """Ends this process's part in a run of several, given its exit status, which is returned.

    After a success, the processes wait for each other. After a mistake they don't: others may hang in a computation
    that this one will never come to, so it goes at once, and they notice.
    """
    if _last_words is not None:
        _end_last_words()
        if status:
            import jax

            sys.stdout.flush()
            sys.stderr.flush()
            if jax.process_index() == 0:
                time.sleep(2)  # the runtime of the others ends with this process: they may have a sentence to say
            os._exit(status)
    return status


# When a process is gone the runtime ends the others from within, with pages of its own. A small helper, which outlives
# its process by a moment, puts a line that people understand below them.
_HELPER = """
import sys
line, said = sys.argv[1], sys.stdin.buffer.read()
if not said:
    print(line, file=sys.stderr, flush=True)
"""


def _start_last_words(index: int, count: int) -> None:
    global _last_words
    line = (
        f"compeer: process {index} of {count} has ended in the middle of the run: it was killed, or another process "
        "was gone, which the lines above tell; start all processes again, and the run goes on from its last checkpoint."
    )
    command = [sys.executable, "-I", "-S", "-c", _HELPER, line]
    # In a session of its own, it isn't stopped by what stops the process that it speaks for.
    _last_words = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(_end_last_words)


def _end_last_words() -> None:
    if _last_words is not None and _last_words.stdin and not _last_words.stdin.closed:
        _last_words.stdin.write(b"ended well")
        _last_words.stdin.close()
        _last_words.wait()
