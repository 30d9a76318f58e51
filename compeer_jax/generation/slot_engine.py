"""Who comes to which slot, and who leaves: the host's side of `slots.py`.

Rows wait in the order of their prompts. As soon as enough slots are free, the next rows get them, while the others keep
what they have; a prompt is read once, when the first row of its group comes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Key

from compeer_jax.generation import slots as programs
from compeer_jax.generation.prompt_batch import bucket, pad_right
from compeer_jax.generation.rollout import cast_once
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.generation.stop_strings import StopStrings

STEPS = 32  # tokens between two looks at what has been written, if nobody waits for them
STEPS_HEARD = 4  # if somebody reads along, or a stop string may have come
REFILL_SHARE = 1 / 8  # of the slots are free before rows that wait are admitted
READ_SHARE = 1 / 4  # of the slots are filled by the prompts that are read at once

OnTokens = Callable[[int, Sequence[int]], None]
"""Told a row's number and what it has written since it was told last."""


class Completion(NamedTuple):
    """What a row has written.

    Attributes:
        tokens: up to and including what stopped it.
        logps: see `Rollout`.
        finished: whether a stop token or a stop string ended it; else it was cut off.
    """

    tokens: np.ndarray
    logps: np.ndarray
    finished: bool


class SlotEngine:
    """Completes rows in a fixed number of slots, with one model graph and whatever weights each call brings.

    Args:
        graphdef: from `nnx.split(model)`.
        sampling: how tokens are drawn, and how many at most.
        stop_ids: tokens that end a completion.
        pad_id: what fills prompts on the right.
        prompt_multiple: see `Engine`.
        stop: strings that end a completion.
    """

    def __init__(
        self,
        graphdef: nnx.GraphDef,
        *,
        sampling: SamplingConfig,
        stop_ids: Sequence[int],
        pad_id: int,
        prompt_multiple: int,
        stop: StopStrings,
    ):
        self._stop, self._pad_id, self._multiple = stop, pad_id, prompt_multiple
        draw = partial(programs.decode, sampling=sampling, stop_ids=tuple(stop_ids))

        @partial(jax.jit, static_argnames=("rows", "longest"))
        def empty(params, *, rows, longest):
            return programs.empty_slots(nnx.merge(graphdef, params), rows, longest, sampling)

        @jax.jit
        def read(params, tokens, lengths):
            return programs.read_prompts(nnx.merge(graphdef, params), tokens, lengths, sampling)

        @partial(jax.jit, donate_argnums=1)
        def decode(params, slots, *inputs):
            return draw(nnx.merge(graphdef, params), slots, *inputs)

        self._graphdef = graphdef
        self._empty, self._read, self._decode = empty, read, decode
        self._admit = jax.jit(partial(programs.admit), donate_argnums=0)  # with a cache of its own

    def complete(
        self,
        params: nnx.State,
        prompts: Sequence[Sequence[int]],
        keys: Key[Array, " N"],
        group_size: int,
        limits: np.ndarray,
        *,
        slots: int,
        on_tokens: OnTokens | None = None,
    ) -> Iterator[tuple[int, Completion]]:
        """Every row's number and completion, as they end; row b·G + g is the g-th of prompt b.

        Args:
            params: the weights, from `nnx.split(model)`.
            prompts: token ids of each prompt.
            keys: one a row.
            group_size: rows a prompt (G).
            limits: after how many tokens each row is cut off.
            slots: how many rows are decoded together at most.
            on_tokens: called with what rows write, as they write it.
        """
        params = nnx.split(cast_once(nnx.merge(self._graphdef, params)))[1]
        count = len(prompts) * group_size
        size = min(slots, count)
        at_once = min(len(prompts), max(1, round(size * READ_SHARE / group_size)))
        steps = STEPS if on_tokens is None and not self._stop.strings else STEPS_HEARD
        longest = self._width(prompts)

        state = self._empty(params, rows=size, longest=longest)
        rows = np.full(size, -1)  # which row each slot holds
        heard = [0] * size  # how much of it was told, and looked through for stop strings
        halted = np.zeros(size, bool)  # slots whose row met a stop string
        coming, read, read_from, read_to = 0, None, 0, 0
        while coming < count or (rows >= 0).any():
            free = np.flatnonzero(rows < 0)
            while len(free) and coming < count:
                if coming == read_to:
                    first = coming // group_size
                    read = self._read(params, *self._pad(prompts[first : first + at_once], at_once))
                    read_from, read_to = coming, min(count, coming + at_once * group_size)
                new = np.arange(coming, min(coming + len(free), read_to))
                taken, free = free[: len(new)], free[len(new) :]
                state = self._admit(state, read, _arrivals(new, taken, read_from, group_size, keys, limits, size))
                rows[taken], halted[taken] = new, False
                for slot in taken:
                    heard[slot] = 0
                coming += len(new)

            enough = max(1, round(size * REFILL_SHARE)) if coming < count else size + 1
            state = self._decode(params, state, halted, np.int32(steps), np.int32(enough))
            live, written, finished = fetch((state.live, state.written, state.finished))
            halted[:] = False
            held = rows >= 0
            if steps != STEPS_HEARD and not (held & ~live).any():
                continue
            tokens, logps = fetch((state.tokens, state.logps))
            for slot in np.flatnonzero(held):
                row, end = int(rows[slot]), int(written[slot])
                cut = self._stop.cut(tokens[slot, :end].tolist(), heard[slot])
                end = cut or end
                if on_tokens is not None and end > heard[slot]:
                    on_tokens(row, tokens[slot, heard[slot] : end].tolist())
                heard[slot] = end
                if cut or not live[slot]:
                    ended = bool(cut or finished[slot])
                    rows[slot], halted[slot] = -1, True
                    yield row, Completion(tokens[slot, :end].copy(), logps[slot, :end].copy(), ended)

    @property
    def compilations(self) -> int:
        """How many programs have been compiled so far."""
        return sum(program._cache_size() for program in (self._empty, self._read, self._admit, self._decode))

    def _width(self, prompts: Sequence[Sequence[int]]) -> int:
        return bucket(max(map(len, prompts)), self._multiple)

    def _pad(self, prompts: Sequence[Sequence[int]], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Prompts and their lengths as arrays, filled up to `count` with prompts of one token."""
        filled = [*prompts, *[[self._pad_id]] * (count - len(prompts))]
        return pad_right(filled, self._pad_id, self._width(prompts))


def _arrivals(
    new: np.ndarray,
    taken: np.ndarray,
    read_from: int,
    group_size: int,
    keys: Key[Array, " N"],
    limits: np.ndarray,
    size: int,
) -> programs.Arrivals:
    """Rows `new` come to the slots `taken`; `read_from` is the first row whose prompt was read with theirs."""

    def fill(values: np.ndarray, filling: int) -> np.ndarray:
        return np.pad(values, (0, size - len(values)), constant_values=filling).astype(np.int32)

    return programs.Arrivals(
        sources=fill((new - read_from) // group_size, 0),
        rows=fill(taken, size),
        keys=keys[fill(new, 0)],
        limits=fill(limits[new], 0),
        count=np.int32(len(new)),
    )
