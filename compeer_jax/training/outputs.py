"""The outputs of a step, for whoever judges them: all at once or, as slots give them, prompt by prompt.

Slots are refilled by the host. A thread does that while the loop judges already: outputs of the first prompts are rated
while those of others are decoded. The judge is called as ever, once and with all outputs, so it says the same.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax

from compeer_jax.data.record import Record
from compeer_jax.generation.rollout import Rollout, joined
from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.streaming import Stream, collected

Read = Callable[[Rollout, Sequence[Record]], list[Completion]]
"""See `read_completions`."""


@dataclass
class Outputs:
    """N = B·G outputs.

    Attributes:
        completions: those of one prompt stand together; they may be a stream.
        rollout: on the host; there when the completions are.
        ended: when the last was there, by `time.perf_counter`.
    """

    completions: Sequence[Completion]
    rollout: Rollout | None = None
    ended: float = 0.0


@contextlib.contextmanager
def outputs_of(
    drawn: Rollout | Iterator[tuple[int, Rollout]],
    records: Sequence[Record],
    group_size: int,
    *,
    read: Read,
    mesh: jax.sharding.Mesh,
) -> Iterator[Outputs]:
    """The outputs on B records; when the context is left, all are there, or nothing is drawn any more.

    Args:
        drawn: a rollout on the host, or what `Engine.stream` gives.
        records: whose prompts are answered.
        group_size: outputs a prompt (G).
        read: makes completions of the rollout of some records.
        mesh: where `drawn` computes.
    """
    if isinstance(drawn, Rollout):
        ended = time.perf_counter()
        yield Outputs(read(drawn, records), drawn, ended)
        return
    completions: Stream[Completion] = Stream.of(len(records) * group_size, group_size)
    outputs = Outputs(completions)
    given_up = threading.Event()

    def draw() -> None:
        groups: dict[int, Rollout] = {}
        try:
            with jax.set_mesh(mesh), contextlib.closing(drawn):
                for index, group in drawn:
                    if given_up.is_set():
                        return
                    groups[index] = group
                    if len(groups) == len(records):
                        outputs.rollout, outputs.ended = joined(groups), time.perf_counter()
                    for member, completion in enumerate(read(group, [records[index]])):
                        completions.put(index * group_size + member, completion)
        except BaseException as error:  # it is the reader's, who waits in another thread
            completions.fail(error, range(len(completions)))

    thread = threading.Thread(target=draw, name="rollout")
    thread.start()
    try:
        yield outputs
        collected(completions)  # a judge need not have looked at all
    finally:
        given_up.set()
        thread.join()
