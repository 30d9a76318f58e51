"""Stop signals of a machine or a person, handled at moments where a run can save."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import jax
import numpy as np

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)
"""SIGTERM: what clouds, Kubernetes and SLURM send first. SIGUSR1: what `sbatch --signal=USR1@60` sends. SIGHUP: the
terminal is gone (`nohup` ignores it, and so do we then). SIGINT: Ctrl-C."""

SAME_PRESS = 2.0
"""Seconds in which further SIGINTs are the same Ctrl-C, which launchers pass on to what the terminal told already."""

NOTED = b"\nCtrl-C: the run saves after this step, then ends. Ctrl-C again ends it now, at its last checkpoint.\n"


class StopSignals:
    """Context in which these signals end nothing, but are noted for the run to look at.

    A second one is noted too, since launchers often send it to the group and to the process. Two exceptions: a Ctrl-C
    interrupts at once in an `interruptible` block, and anywhere but in a `shielded` one when another came before it.
    """

    def __init__(self):
        self._noted = 0
        self._before = {}
        self._pressed: float | None = None  # when Ctrl-C first came
        self._interruptible = self._shielded = False

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, *_) -> None:
        before, self._before = self._before, {}
        for number, handler in before.items():
            pressed = number == signal.SIGINT and self._pressed is not None and callable(handler)
            signal.signal(number, _unless_same_press(handler, self._pressed) if pressed else handler)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that can be given up anywhere: Ctrl-C raises KeyboardInterrupt in it, if this process is alone."""
        if self._noted == signal.SIGINT and jax.process_count() == 1:
            raise KeyboardInterrupt
        self._interruptible = jax.process_count() == 1
        try:
            yield
        finally:
            self._interruptible = False

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """A block in which something is saved: no signal ends it."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    def received(self) -> str:
        """The name of the signal that came to any process of the run, or "".

        Each process of a run must call it at the same points: they all get the same answer, so that all save together.
        """
        noted = self._noted
        if jax.process_count() > 1:
            from jax.experimental.multihost_utils import process_allgather

            noted = int(process_allgather(np.int32(noted)).max())
        return signal.Signals(noted).name if noted else ""

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT:
            self._noted = number
            return
        self._noted = self._noted or number  # what a machine sent stays the reason
        now = time.monotonic()
        first, self._pressed = self._pressed is None, self._pressed or now
        again = now - self._pressed > SAME_PRESS
        if self._shielded:
            return
        if self._interruptible or again:
            self._interruptible = False
            raise KeyboardInterrupt
        if first:
            with contextlib.suppress(OSError):
                os.write(2, NOTED)  # a handler must not wait for the lock of a stream


def _unless_same_press(handler: Callable[[int, FrameType | None], Any], pressed: float) -> Callable[..., None]:
    """A handler as before, but for signals that are still the Ctrl-C that came at `pressed`."""

    def late(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - pressed > SAME_PRESS:
            handler(number, frame)

    return late
