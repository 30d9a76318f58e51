"""What a step learns from, drawn when its turn comes or, to overlap, one step ahead.

Drawn ahead, the outputs of step t + 1 come from the weights before update t. The device decodes them while the outputs
of step t are judged on the host, on other devices or by a server, which would leave it idle. The price is that outputs
are one step old when they are learnt from; `policy_loss.importance_weights` makes up for it. Weights are not kept
twice: the update that takes their memory is queued behind the rollout that reads them.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from compeer_jax.data.record import Record
from compeer_jax.generation.rollout import Rollout
from compeer_jax.parallel.exchange import fetch

Drawn = Rollout | Iterator[tuple[int, Rollout]]
"""A rollout, or what `Engine.stream` gives, which is drawn as it is taken and so never ahead."""

RollOut = Callable[[list[Record], int], Drawn]
"""Starts to draw outputs for the prompts of a step, with the weights of the moment."""


class _Waiting(NamedTuple):
    position: Any  # of the batches before these records
    chosen: list[Record]
    rollout: Drawn


class Rollouts:
    """The records and rollout of every step, in their order.

    Its state is that of the batches, and the rollout that waits where there is one: weights that are gone drew it, so a
    run that goes on could not draw it again.

    Args:
        batches: an iterator of records with `get_state` and `set_state`.
        ahead: draw the next step's while this one's are in use.
    """

    def __init__(self, batches, *, ahead: bool):
        self.batches, self.ahead = batches, ahead
        self._waiting: _Waiting | None = None

    def take(self, roll_out: RollOut, step: int, *, last: int) -> tuple[list[Record], Drawn]:
        """The records of a step and their rollout, on the host; steps are taken one after the other.

        Args:
            roll_out: called for this step, if nothing waits, and ahead of the next.
            step: its number.
            last: of the last step, which has no next one.
        """
        drawn = self._waiting or self._draw(roll_out, step)
        rollout = fetch(drawn.rollout) if isinstance(drawn.rollout, Rollout) else drawn.rollout
        self._waiting = self._draw(roll_out, step + 1) if self.ahead and step < last else None
        return drawn.chosen, rollout

    def get_state(self) -> dict[str, Any]:
        """Where the next step starts from, as JSON can hold it; waits for a rollout that is being drawn."""
        if self._waiting is None:
            return self.batches.get_state()
        self._waiting = self._waiting._replace(rollout=fetch(self._waiting.rollout))
        return {"before": self._waiting.position, "rollout": _as_lists(self._waiting.rollout)}

    def set_state(self, state: dict[str, Any]) -> None:
        if "rollout" not in state:
            self.batches.set_state(state)
            self._waiting = None
            return
        self.batches.set_state(state["before"])
        self._waiting = _Waiting(state["before"], next(self.batches), _from_lists(**state["rollout"]))

    def _draw(self, roll_out: RollOut, step: int) -> _Waiting:
        position = self.batches.get_state()
        chosen = next(self.batches)
        return _Waiting(position, chosen, roll_out(chosen, step))


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
