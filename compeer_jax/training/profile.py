"""Where a GRPO step's time goes: a trace of a few steps for XProf or TensorBoard, and a table for the terminal.

The table is of wall time between points where the device has nothing left to do, so its rows add up to the step. A
rollout is one program; how much of it is prefill is found afterwards, by drawing one token for the same prompts.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jax

from compeer_jax.training.rollout_metrics import Clock

SKIPPED = 2
"""Steps of a start that are not profiled: they compile."""
STEPS = 3
LABELS = {
    "prefill": "prefill",
    "decode": "decode",
    "rollout": "rollout (waiting for it)",
    "reward": "judge and reweight",
    "logprobs": "old and reference log-probs",
    "update": "update",
    "host": "host: files, metrics, checkpoints",
}


class Profile(contextlib.AbstractContextManager):
    """Profiles three steps of a run, from its third one on. Use it as a context around the loop.

    Args:
        folder: the trace goes there.
        first_step, last_step: of this start of the run.
        say: prints a line.
        prefill: draws one token for the prompts of a step's records; None when rollouts are drawn ahead, so that
            what a step waits for is not all of its rollout.
        on: whether to do anything at all.
    """

    def __init__(
        self,
        folder: Path,
        first_step: int,
        last_step: int,
        *,
        say: Callable[[str], None],
        prefill: Callable[[list], object] | None,
        on: bool,
    ):
        self.folder, self.say = folder, say
        self.steps = range(first_step + SKIPPED, first_step + SKIPPED + STEPS)
        self.on = on and self.steps[-1] <= last_step
        if on and not self.on:
            say(f"Nothing is profiled: that takes steps {self.steps[0]}-{self.steps[-1]}, and the last is {last_step}.")
        self._prefill = prefill
        self._seconds: Counter[str] = Counter()
        self._tracing = contextlib.ExitStack()

    def __exit__(self, *_) -> None:
        self._tracing.close()

    def step_done(self, step: int, clock: Clock, chosen: list) -> None:
        """To be told at the end of each step, with its clock and records."""
        if not self.on:
            return
        if step in self.steps:
            clock.lap("host")
            self._seconds.update(clock.times)
        if step + 1 == self.steps[0]:
            self._tracing.callback(jax.profiler.stop_trace)
            jax.profiler.start_trace(self.folder)
        if step == self.steps[-1]:
            self._tracing.close()
            self.on = False
            if self._prefill is not None:
                self._seconds["prefill"] = STEPS * self._time_of_prefill(chosen)
                self._seconds["decode"] = self._seconds.pop("rollout") - self._seconds["prefill"]
            self._report()

    def _time_of_prefill(self, chosen: list) -> float:
        """The second of two calls, since the first may compile."""
        for _ in range(2):
            start = time.perf_counter()
            jax.block_until_ready(self._prefill(chosen))
        return time.perf_counter() - start

    def _report(self) -> None:
        whole = sum(self._seconds.values())
        width = max(map(len, LABELS.values()))
        self.say(f"Steps {self.steps[0]}-{self.steps[-1]} took {whole / STEPS:.3g} s each. Where that went:")
        for name, label in LABELS.items():
            if name in self._seconds:
                seconds = self._seconds[name]
                self.say(f"  {label:<{width}}  {seconds / STEPS:8.3f} s  {seconds / whole:6.1%}")
        self.say(f"The trace is in {self.folder}, for XProf or TensorBoard's profile plugin.")
