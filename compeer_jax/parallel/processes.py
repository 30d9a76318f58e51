"""Several processes, one a host or one a GPU, as one run: how they meet, and how they part.

JAX's runtime holds them together: once they have met, `jax.devices()` lists the devices of all, and every process runs
the same programs on them. Nothing here knows of training.
"""

import atexit
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass

from compeer_jax.errors import UserError, require_at_least
from compeer_jax.parallel.last_words import LastWords

AUTO = "auto"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessesConfig:
    """Settings of a run's processes: how they meet. Without a coordinator the run is one process.

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
_last_words: LastWords | None = None


def join(config: ProcessesConfig) -> None:
    """Joins the other processes, before anything else looks for JAX's devices. A second call does nothing.

    Afterwards only warnings of process 0 are shown: the others would say the same.

    Raises:
        UserError: they could not meet; no launcher is known for "auto"; JAX is in use already, or joined otherwise.
    """
    global _joined, _last_words
    if not config.coordinator:
        return
    import jax

    if _joined is not None or jax.distributed.is_initialized():
        if _joined not in (None, config):
            raise UserError("This process has joined a run already, by other processes.* settings; start another one.")
        return
    where = "what its launcher tells" if config.coordinator == AUTO else config.coordinator
    unmet = (
        f"the processes of the run did not meet within processes.timeout = {config.timeout} s (process 0 at {where}); "
        "start all of them, with the same count, and check that this address is of process 0, free, and can be reached"
    )
    last_words = LastWords()
    last_words.would_be(f"compeer: {unmet}.")
    # CPUs would begin a program before the one that was started earlier has ended, each process in an order of its own,
    # and collectives that meet out of order fail. GPUs and TPUs keep the order.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    explicit = {"coordinator_address": config.coordinator, "num_processes": config.count, "process_id": config.index}
    try:
        jax.distributed.initialize(
            **({} if config.coordinator == AUTO else explicit | {"cluster_detection_method": "deactivate"}),
            initialization_timeout=config.timeout,
            heartbeat_timeout_seconds=config.heartbeat,
            shutdown_timeout_seconds=config.heartbeat,
        )
    except (ValueError, RuntimeError) as error:
        last_words.keep_silent()
        reason = " ".join(str(error).split())
        if "must be called before" in reason:
            raise UserError("JAX has been used before the processes of the run met; join them first.") from error
        if "should be defined" in reason or "must be defined" in reason:
            raise UserError(
                "processes.coordinator is 'auto', but nothing here tells how many processes there are (no TPU pod, "
                "SLURM, Open MPI or Kubernetes job is seen); give HOST:PORT of process 0, count and index instead."
            ) from error
        raise UserError(f"{unmet[0].upper()}{unmet[1:]} ({reason[:160]}).") from error
    _joined, _last_words = config, last_words
    index, count = jax.process_index(), jax.process_count()
    last_words.would_be(
        f"compeer: process {index} of {count} has ended in the middle of the run: it was killed, or another process "
        "was gone, which the lines above tell; start all processes again, and the run goes on from its last checkpoint."
    )
    atexit.register(last_words.keep_silent)
    if index > 0:
        logging.getLogger("compeer_jax").setLevel(logging.ERROR)


def leave(status: int) -> int:
    """Ends this process's part in a run of several, given its exit status, which is returned.

    After a success, the processes wait for each other. After a mistake they don't: others may hang in a computation
    that this one will never come to, so it goes at once, and they notice.
    """
    if _last_words is not None:
        _last_words.keep_silent()
        if status:
            import jax

            sys.stdout.flush()
            sys.stderr.flush()
            if jax.process_index() == 0:
                time.sleep(2)  # the runtime of the others ends with this process: they may have a sentence to say
            os._exit(status)
    return status


def give_up() -> None:
    """To be called while an error passes that nobody expects: with other processes, it is shown and this one leaves."""
    if _last_words is not None:
        traceback.print_exc()
        leave(1)
