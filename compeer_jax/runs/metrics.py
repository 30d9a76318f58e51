"""Metric files of a run: a JSON line a step, and TensorBoard events. A resumed run leaves no gap and no double step."""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.files import replacing
from compeer_jax.runs.folder import RunFolder


class MetricWriter:
    """Writes the metrics of each step to `metrics.jsonl` and to TensorBoard.

    A line that a killed run left half-written is dropped when the writer opens. A run that goes on from a checkpoint
    calls `rewind` first, since steps after the checkpoint come again.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        self._events = None
        self._file = None
        self._last = None
        self._keep(read_metrics(folder.metrics) if folder.metrics.exists() else [])

    def rewind(self, step: int) -> None:
        """Forget every line after `step`; the step of a checkpoint, or 0 for a run that starts over."""
        self.close()
        self._keep([row for row in read_metrics(self.folder.metrics) if row["step"] <= step])

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Note the metrics of a step: numbers or scalar arrays by name. Steps must rise.

        Raises:
            ValueError: the step was written already, or a later one.
            UserError: the line can't be written, for instance because the disk is full.
        """
        if self._last is not None and step <= self._last:
            raise ValueError(f"metrics of step {step} after those of step {self._last}")
        row = {name: _number(value) for name, value in metrics.items()}
        try:
            if self._file is None:
                self._file = self.folder.metrics.open("a", encoding="utf-8")
            self._file.write(json.dumps({"step": step, **_without_nan(row)}) + "\n")
            self._file.flush()
            self._write_events(step, row)
        except OSError as error:
            raise UserError(
                f"{self.folder.metrics} can't be written: {error.strerror}; make room and resume."
            ) from error
        self._last = step

    def close(self) -> None:
        """Close the files; a later `write` opens them again."""
        for stream in (self._file, self._events):
            if stream is not None:
                stream.close()
        self._file = self._events = None

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        with replacing(self.folder.metrics) as temporary:
            lines = (json.dumps(_without_nan(row)) + "\n" for row in rows)
            temporary.write_text("".join(lines), encoding="utf-8")
        self._last = rows[-1]["step"] if rows else None

    def _write_events(self, step: int, row: Mapping[str, float]) -> None:
        # Without tensorboardX's SummaryWriter, whose thread dies when the clock is set back by weeks.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyrefly: ignore[missing-module-attribute]
        from tensorboardX.proto.summary_pb2 import Summary  # pyrefly: ignore[missing-module-attribute]

        if self._events is None:
            # TensorBoard hides what earlier event files hold from this step on. The suffix keeps a run that goes on
            # within the second from writing over the file of the one before.
            suffix = f".{step:09d}.{os.getpid()}"
            self._events = EventsWriter(str(self.folder.tensorboard / "events"), suffix)
            start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(wall_time=time.time(), step=step, session_log=start))
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        self._events.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._events.flush()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`, in order; NaN where a number was not finite. A half-written last line is left out.

    Raises:
        UserError: the file is missing, or a line before the last is malformed (it is named).
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; it is written by a training run.") from error
    rows = []
    for number, line in enumerate(lines[:-1], start=1):  # a whole line ends in a newline
        try:
            row = json.loads(line)
            step = row["step"]
        except (ValueError, TypeError, KeyError):
            step = None
        if not isinstance(step, int):
            raise UserError(f"{path}, line {number}: not a line of metrics; remove it to go on.")
        rows.append({name: math.nan if value is None else value for name, value in row.items()})
    return rows


def _number(value: Any) -> int | float:
    return value if isinstance(value, int) and not isinstance(value, bool) else float(value)


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: null stands for what is not finite."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}
