"""The sampler: the outputs that each step learns from, drawn all at once, prompt by prompt, or a step ahead.

**Prompt by prompt**: with slots, which the host refills, outputs of the first prompts are judged while those of others
are decoded. The judge is called as ever, once and with all outputs, so it says the same.

**A step ahead**: to overlap, the outputs of step t + 1 come from the weights before update t (off-policy by one step).
The device decodes them while the outputs of step t are judged on the host, on other devices or by a server, which would
leave it idle; `policy_loss.importance_weights` makes up for the older weights. Weights are not kept twice: the update
that takes their memory is queued behind the rollout that reads them.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from compeer_jax.data.record import Record
from compeer_jax.generation.rollout import Rollout, joined
from compeer_jax.parallel.exchange import fetch
from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.streaming import Stream, collected

Drawn = Rollout | Iterator[tuple[int, Rollout]]
"""A rollout, or what `Engine.stream` gives, which is drawn as it is taken and so never ahead."""

RollOut = Callable[[Any, list[Record], int], Drawn]
"""Starts to draw outputs for the records of a step, from a training state: `roll_out(state, records, step)`."""

Read = Callable[[Rollout, Sequence[Record]], list[Completion]]
"""See `read_completions`."""


class Sampled(contextlib.AbstractContextManager):
    """The N = B·G outputs of a step. Judge them within the context: when it is left, all are there, or none is drawn.

    Attributes:
        records: the B records whose prompts are answered.
        completions: those of one prompt stand together; within the context, they may be a stream.
        rollout: on the host; there when the completions are.
        ended: when the last was there, by `time.perf_counter`.

    Args:
        records: see above.
        drawn: a rollout on the host, or what `Engine.stream` gives.
        group_size: outputs a prompt (G).
        read: makes completions of the rollout of some records.
        mesh: where `drawn` computes.
    """

    def __init__(
        self, records: Sequence[Record], drawn: Drawn, group_size: int, *, read: Read, mesh: jax.sharding.Mesh
    ):
        self.records, self.rollout, self.ended = records, None, 0.0
        self.completions: Sequence[Completion] = ()
        self._drawn, self._group_size, self._read, self._mesh = drawn, group_size, read, mesh
        self._given_up = threading.Event()
        self._thread: threading.Thread | None = None
        if isinstance(drawn, Rollout):
            self.rollout, self.ended = drawn, time.perf_counter()

    def __enter__(self) -> "Sampled":
        if self.rollout is not None:
            self.completions = self._read(self.rollout, self.records)
            return self
        self.completions = Stream.of(len(self.records) * self._group_size, self._group_size)
        self._thread = threading.Thread(target=self._draw, args=(self.completions,), name="rollout")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        if self._thread is None:
            return
        try:
            if kind is None:
                self.completions = collected(self.completions)  # a judge need not have looked at all
        finally:
            self._given_up.set()
            self._thread.join()

    def _draw(self, completions: Stream[Completion]) -> None:
        groups: dict[int, Rollout] = {}
        try:
            with jax.set_mesh(self._mesh), contextlib.closing(self._drawn):
                for index, group in self._drawn:
                    if self._given_up.is_set():
                        return
                    groups[index] = group
                    if len(groups) == len(self.records):
                        self.rollout, self.ended = joined(groups), time.perf_counter()
                    for member, completion in enumerate(self._read(group, [self.records[index]])):
                        completions.put(index * self._group_size + member, completion)
        except BaseException as error:  # it is the reader's, who waits in another thread
            completions.fail(error, range(len(completions)))


class _Waiting(NamedTuple):
    position: Any  # of the batches before these records
    records: list[Record]
    drawn: Drawn


class Sampler:
    """The outputs of every step, in their order.

    Its state is that of the batches and, where there is one, the rollout that waits: weights that are gone drew it, so
    a run that goes on could not draw it again.

    Args:
        batches: an iterator of records with `get_state` and `set_state`.
        roll_out: starts to draw.
        read: makes completions of the rollout of some records.
        group_size: outputs a prompt (G).
        mesh: where they are drawn.
        overlap: draw the next step's while this one's are in use.
        last_step: number of the last step, which has no next one.
    """

    def __init__(
        self,
        batches,
        roll_out: RollOut,
        *,
        read: Read,
        group_size: int,
        mesh: jax.sharding.Mesh,
        overlap: bool,
        last_step: int,
    ):
        self.batches, self.overlap, self.last_step = batches, overlap, last_step
        self._roll_out, self._read, self._group_size, self._mesh = roll_out, read, group_size, mesh
        self._waiting: _Waiting | None = None

    def sample(self, state: Any, step: int) -> Sampled:
        """The outputs of a step, drawn from `state` or, a step ahead, from the one before; steps come one by one."""
        now = self._waiting or self._start(state, step)
        drawn = fetch(now.drawn) if isinstance(now.drawn, Rollout) else now.drawn
        self._waiting = self._start(state, step + 1) if self.overlap and step < self.last_step else None
        return Sampled(now.records, drawn, self._group_size, read=self._read, mesh=self._mesh)

    def get_state(self) -> dict[str, Any]:
        """Where the next step starts from, as JSON can hold it; waits for a rollout that is being drawn."""
        if self._waiting is None:
            return self.batches.get_state()
        self._waiting = self._waiting._replace(drawn=fetch(self._waiting.drawn))
        return {"before": self._waiting.position, "rollout": _as_lists(self._waiting.drawn)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what `get_state` gave."""
        if "rollout" not in state:
            self.batches.set_state(state)
            self._waiting = None
            return
        self.batches.set_state(state["before"])
        self._waiting = _Waiting(state["before"], next(self.batches), _from_lists(**state["rollout"]))

    def _start(self, state: Any, step: int) -> _Waiting:
        position = self.batches.get_state()
        records = next(self.batches)
        return _Waiting(position, records, self._roll_out(state, records, step))


def _as_lists(rollout: Rollout) -> dict[str, Any]:
    """The tokens that exist, and what they came with; float32 numbers are the same when they come back from text."""
    tokens, mask, logps, finished = map(np.asarray, rollout)
    padding = tokens[~mask]
    return {
        "tokens": [row[real].tolist() for row, real in zip(tokens, mask, strict=True)],
        "logps": [row[real].tolist() for row, real in zip(logps, mask, strict=True)],
        "finished": finished.tolist(),
        "length": tokens.shape[1],
        "pad": int(padding[0]) if padding.size else 0,
    }


def _from_lists(tokens: list, logps: list, finished: list[bool], length: int, pad: int) -> Rollout:
    mask = np.arange(length) < np.array([len(row) for row in tokens])[:, None]
    rollout = Rollout(
        np.full(mask.shape, pad, np.int32), mask, np.zeros(mask.shape, np.float32), np.array(finished, bool)
    )
    rollout.tokens[mask] = np.concatenate(tokens)
    rollout.logps[mask] = np.concatenate(logps)
    return rollout
