"""Progress of a run: a bar with rate, time left and a few numbers at a terminal, and single lines anywhere else."""

import time
from collections.abc import Mapping
from typing import Any

from compeer_jax.report.terminal_text import printable, safe_console


class Progress:
    """Progress over the steps of a run; a context manager.

    At a terminal it is one bar that redraws itself. Elsewhere (a log file, a batch job) it prints a line for the first
    step, the last one, and at most one every `interval` seconds in between.

    Args:
        total: steps of the whole run.
        title: what is running.
        done: steps already done when it starts; they do not count for the rate.
        quiet: show nothing but what is said.
        console: the rich Console to write to; standard error when None.
        interval: least seconds between two lines where there is no terminal.
        unit: what a step is called.
    """

    def __init__(
        self,
        total: int,
        title: str,
        *,
        done: int = 0,
        quiet: bool = False,
        console: Any = None,
        interval: float = 10.0,
        unit: str = "step",
    ):
        self.total, self.title, self.first, self.done = total, printable(title), done, done
        self.quiet, self.interval, self.unit = quiet, interval, unit
        self.console = safe_console(stderr=True) if console is None else console
        self._bar = None
        self._started = time.monotonic()
        self._printed: float | None = None
        self._warm: tuple[int, float] | None = None

    def __enter__(self) -> "Progress":
        self._started = time.monotonic()
        if not self.quiet and self.console.is_terminal:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}", style="bold", markup=False),
                progress.BarColumn(bar_width=24),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[pace]}", style="cyan", markup=False),
                progress.TextColumn("{task.fields[numbers]}", markup=False),
                console=self.console,
            )
            self._task = self._bar.add_task(self.title, total=self.total, completed=self.done, pace="", numbers="")
            self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Step number `step` (counted from 1) is done, with these numbers to show."""
        self.done = step
        now = time.monotonic()
        pace, numbers = self._pace(now), "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, pace=pace, numbers=numbers)
        elif not self.quiet:
            due = self._printed is None or step == self.total or now - self._printed >= self.interval
            if due:
                self._printed = now
                self.say(f"{self.title} {step}/{self.total}  {pace}  {numbers}".rstrip())

    def say(self, line: str) -> None:
        """One line of text, above the bar where there is one."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _pace(self, now: float) -> str:
        """Rate and time left. The first step is left out once there are others, since it compiles."""
        step, since = self._warm or (self.first, self._started)
        self._warm = self._warm or (self.done, now)
        each = (now - since) / max(1, self.done - step)
        rate = f"{each:.2f} s/{self.unit}" if each >= 1 else f"{1 / max(each, 1e-9):.1f} {self.unit}s/s"
        if self.done >= self.total:
            return f"{rate}, {duration(now - self._started)} in all"
        return f"{rate}, {duration(each * (self.total - self.done))} left"


def duration(seconds: float) -> str:
    """Seconds in words that a person takes in at a glance: "42 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
