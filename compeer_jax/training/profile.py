"""Profile of a GRPO run: a trace of a few steps for XProf or TensorBoard, and a table of where their time goes.

The table is of wall time between points where the device has nothing left to do, so its rows add up to the step. A
rollout is one program, or with slots some that take turns; how much of it is prefill is found afterwards, by drawing
one token for the same prompts.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import jax
from jaxtyping import PyTree

from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sight import PromptPictures
from compeer_jax.training.rollout_metrics import Clock
from compeer_jax.training.run import Run

SKIPPED = 2
"""Steps of a start that are not profiled: they compile."""
STEPS = 3
COMPILING = ("/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration")
"""What JAX calls the times that are counted as compiling."""
LABELS = {
    "prefill": "prefill",
    "decode": "decode",
    "rollout": "rollout (waiting for it)",
    "reward": "judge and reweight",
    "logprobs": "old and reference log-probs",
    "update": "update",
    "host": "host: files, metrics, checkpoints",
    "compiling": "compiling, or reading programs kept",
}


class Profile(contextlib.AbstractContextManager):
    """Profiles three steps of a run, from its third one on. Use it as a context around the loop.

    Args:
        run: what is profiled, once it has started.
        first_step: of this start of the run.
        on: whether to do anything at all.
    """

    def __init__(self, run: Run, first_step: int, *, on: bool):
        self.run, self.last = run, run.config.steps
        self.steps = range(first_step + SKIPPED, first_step + SKIPPED + STEPS)
        self.on = on and self.steps[-1] <= self.last
        if on and not self.on:
            run.say(
                f"Nothing is profiled: that takes steps {self.steps[0]}-{self.steps[-1]}, and the last is {self.last}."
            )
        self._seconds: Counter[str] = Counter({"compiling": 0.0})
        self._compiled: list[tuple[float, float]] = []  # when, and how long it had taken
        self._tracing = contextlib.ExitStack()

    def __exit__(self, *_) -> None:
        self._tracing.close()

    def _count_compiling(self, event: str, seconds: float, **_) -> None:
        """A listener to JAX's monitoring."""
        if event in COMPILING:
            self._compiled.append((time.perf_counter(), seconds))

    def step_done(
        self,
        step: int,
        clock: Clock,
        params: PyTree,
        prompts: Sequence[Sequence[int]],
        pictures: PromptPictures | None = None,
    ) -> None:
        """Callback for the end of each step, with its clock, the weights that learn, its prompts and pictures."""
        if not self.on:
            return
        if step in self.steps:
            clock.lap("host")
            self._seconds.update(clock.times)
            for at, seconds in self._compiled:  # first batches of a shape: runs of any length have few
                stage = next(stage for stage, end in clock.ends.items() if at <= end)
                self._seconds.update({"compiling": seconds, stage: -seconds})
            self._compiled.clear()
        if step + 1 == self.steps[0]:
            self._tracing.callback(jax.profiler.stop_trace)
            self._tracing.callback(jax.monitoring.unregister_event_duration_listener, self._count_compiling)
            jax.monitoring.register_event_duration_secs_listener(self._count_compiling)
            jax.profiler.start_trace(self.run.folder.profile)
        if step == self.steps[-1]:
            self._tracing.close()
            self.on = False
            if not self.run.config.overlap:  # with it, what a step waits for is not all of its rollout
                self._seconds["prefill"] = STEPS * self._time_of_prefill(params, prompts, pictures)
                self._seconds["decode"] = self._seconds.pop("rollout") - self._seconds["prefill"]
            self._report()

    def _time_of_prefill(
        self, params: PyTree, prompts: Sequence[Sequence[int]], pictures: PromptPictures | None
    ) -> float:
        """Of drawing one token for the same prompts: the second of two calls, since the first may compile."""
        run = self.run
        sampling = replace(run.config.sampling, max_new_tokens=1)
        engine = Engine(run.graphdef, sampling=sampling, stop_ids=run.stop_ids, pad_id=run.pad_id)
        for _ in range(2):
            start = time.perf_counter()
            group = run.config.group_size
            drawn = engine.generate(run.whole(params), prompts, jax.random.key(0), group, pictures=pictures)
            jax.block_until_ready(drawn)
        return time.perf_counter() - start

    def _report(self) -> None:
        whole = sum(self._seconds.values())
        width = max(map(len, LABELS.values()))
        self.run.say(f"Steps {self.steps[0]}-{self.steps[-1]} took {whole / STEPS:.3g} s each. Where that went:")
        for name, label in LABELS.items():
            if name in self._seconds:
                seconds = self._seconds[name]
                self.run.say(f"  {label:<{width}}  {seconds / STEPS:8.3f} s  {seconds / whole:6.1%}")
        self.run.say(f"The trace is in {self.run.folder.profile}, for XProf or TensorBoard's profile plugin.")
