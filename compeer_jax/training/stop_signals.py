"""Signals by which a machine says that it will be taken away, heard at moments where a run can save."""

import signal
import threading
from types import FrameType

import jax
import numpy as np

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""SIGTERM: what clouds, Kubernetes and SLURM send first. SIGUSR1: what `sbatch --signal=USR1@60` sends."""


class StopSignals:
    """While the context is open these signals end nothing: they are noted, until the run asks.

    A second one is noted too, since launchers often send it to the group and to the process; Ctrl-C still interrupts.
    """

    def __init__(self):
        self._noted = 0
        self._before = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def asked(self) -> str:
        """The name of the signal that came to any process of the run, or "".

        Each process of a run must call it at the same points: they all get the same answer, so that all save together.
        """
        noted = self._noted
        if jax.process_count() > 1:
            from jax.experimental.multihost_utils import process_allgather

            noted = int(process_allgather(np.int32(noted)).max())
        return signal.Signals(noted).name if noted else ""

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted = number
