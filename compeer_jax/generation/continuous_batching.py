"""Continuous batching: which row comes to which slot, decided on the host between calls of the programs of `decode.py`.

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

from compeer_jax.generation import decode as programs
from compeer_jax.generation.decode import ready_to_decode
from compeer_jax.generation.padding import bucket, pad_right
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.generation.sight import PromptPictures, pad_sight
from compeer_jax.generation.stop_strings import StopStrings
from compeer_jax.models.config import DecoderConfig
from compeer_jax.parallel.exchange import fetch

STEPS = 32  # tokens between two looks at what has been written
STEPS_TO_STOP = 4  # if a stop string may have come
REFILL_SHARE = 1 / 8  # of the slots are free before rows that wait are admitted
READ_SHARE = 1 / 4  # of the slots are filled by the prompts that are read at once
HALVINGS = 2  # how often the slots become half as many, once so few rows are left; each compiles one program more


class Completion(NamedTuple):
    """Completion of a row.

    Attributes:
        tokens: up to and including what stopped it.
        logps: see `Rollout`.
        finished: whether a stop token or a stop string ended it; else it was cut off.
    """

    tokens: np.ndarray
    logps: np.ndarray
    finished: bool


class ContinuousBatching:
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
        self._longest_completion = sampling.max_new_tokens
        draw = partial(programs.decode, sampling=sampling, stop_ids=tuple(stop_ids))

        @partial(jax.jit, static_argnames=("slots", "longest", "sees"))
        def free(model, *, slots, longest, sees):
            return programs.free_slots(nnx.merge(*model), slots, longest, sampling, sees=sees)

        @jax.jit
        def prefill(model, tokens, lengths, sight):
            return programs.prefill(nnx.merge(*model), tokens, lengths, sight, sampling=sampling)

        @partial(jax.jit, donate_argnums=1, static_argnames="steps")
        def decode(model, state, halted, enough, *, steps):
            state = state._replace(live=state.live & ~halted)
            return draw(nnx.merge(*model), state, enough=enough, steps=steps)

        self._graphdef = graphdef
        self._programs = _Programs(
            free=free,
            prefill=prefill,
            admit=jax.jit(partial(programs.admit), donate_argnums=0),  # `partial` gives it a cache of its own
            decode=decode,
            narrow=jax.jit(partial(programs.narrow)),
        )

    def complete(
        self,
        params: nnx.State,
        prompts: Sequence[Sequence[int]],
        keys: Key[Array, " N"],
        group_size: int,
        limits: np.ndarray,
        *,
        slots: int,
        pictures: PromptPictures | None = None,
    ) -> Iterator[tuple[int, Completion]]:
        """Every row's number and completion, as they end; row b·G + g is the g-th of prompt b.

        Args:
            params: the weights, from `nnx.split(model)`.
            prompts: token ids of each prompt.
            keys: one a row.
            group_size: rows a prompt (G).
            limits: after how many tokens each row is cut off.
            slots: how many rows are decoded together at most.
            pictures: of each prompt.
        """
        model = nnx.merge(self._graphdef, params)
        config = model.config
        model = nnx.split(ready_to_decode(model, self._longest_completion))
        padding = {"config": config, "pad_id": self._pad_id, "multiple": self._multiple}
        queue = _Queue(prompts, keys, group_size, limits, pictures, **padding)
        sees = pictures is not None and any(pictures)
        table = _SlotTable(self._programs, model, min(slots, queue.rows), queue.longest, sees=sees)
        may_stop = bool(self._stop.strings)
        while queue.waits or table.any:
            if queue.waits:
                table.admit(queue)
            elif table.can_narrow:
                table.narrow()
            ended = table.decode(STEPS_TO_STOP if may_stop else STEPS, queue.waits)
            if not (may_stop or ended.any()):
                continue
            tokens, logps = fetch((table.state.tokens, table.state.logps))
            for slot in np.flatnonzero(table.rows >= 0).tolist():
                row, end = int(table.rows[slot]), int(table.written[slot])
                cut = self._stop.cut(tokens[slot, :end].tolist(), int(table.searched[slot]))
                end = cut or end
                table.searched[slot] = end
                if cut or ended[slot]:
                    finished = bool(cut or table.finished[slot])
                    table.release(slot)
                    yield row, Completion(tokens[slot, :end].copy(), logps[slot, :end].copy(), finished)

    @property
    def compilations(self) -> int:
        """Number of programs compiled so far."""
        return sum(program._cache_size() for program in self._programs)


class _Programs(NamedTuple):
    """The programs of `decode.py`, compiled; `model` is a graph and its weights."""

    free: Callable
    prefill: Callable
    admit: Callable
    decode: Callable
    narrow: Callable


class _Queue:
    """Rows that wait, in the order of their prompts, and the prompts that were read last.

    Attributes:
        rows: how many rows there are in all.
        coming: the next of them.
        longest: the padded length of the longest prompt.
    """

    def __init__(
        self,
        prompts,
        keys,
        group_size,
        limits,
        pictures: PromptPictures | None,
        *,
        config: DecoderConfig,
        pad_id: int,
        multiple: int,
    ):
        self.rows, self.coming = len(prompts) * group_size, 0
        self.longest = bucket(max(map(len, prompts)), multiple)
        self._prompts, self._keys, self._group_size, self._limits = prompts, keys, group_size, limits
        self._pictures, self._config, self._pad_id, self._multiple = pictures, config, pad_id, multiple
        self._read, self._read_from, self._read_to = None, 0, 0

    @property
    def waits(self) -> bool:
        return self.coming < self.rows

    def arrivals(
        self, programs_: _Programs, model: tuple, free: np.ndarray, size: int
    ) -> tuple[programs.Prompts, programs.Arrivals, np.ndarray]:
        """The next rows, as many as `free` slots take and read prompts give; reads prompts if need be.

        Args:
            programs_, model: what reads them.
            free: slots of the `size` there are.
        """
        if self.coming == self._read_to:
            at_once = min(len(self._prompts), max(1, round(size * READ_SHARE / self._group_size)))
            first = self.coming // self._group_size
            chosen = [*self._prompts[first : first + at_once]]
            self._read_from, self._read_to = self.coming, self.coming + len(chosen) * self._group_size
            width = bucket(max(map(len, chosen)), self._multiple)
            shown = None if self._pictures is None else self._pictures[first : first + at_once]
            chosen += [[self._pad_id]] * (at_once - len(chosen))  # one program for the last part too
            sight = pad_sight(chosen, shown, self._config, width, left=False)
            self._read = programs_.prefill(model, *pad_right(chosen, self._pad_id, width), sight)
        new = np.arange(self.coming, min(self.coming + len(free), self._read_to))
        self.coming += len(new)

        def fill(values: np.ndarray, filling: int) -> np.ndarray:
            return np.pad(values, (0, size - len(values)), constant_values=filling).astype(np.int32)

        arrivals = programs.Arrivals(
            sources=fill((new - self._read_from) // self._group_size, 0),
            slots=fill(free[: len(new)], size),
            keys=self._keys[fill(new, 0)],
            limits=fill(self._limits[new], 0),
            count=np.int32(len(new)),
        )
        return self._read, arrivals, new


class _SlotTable:
    """The slots, and what the host knows of them.

    Args:
        programs_, model: what works on them.
        slots: how many.
        longest: the padded length of the longest prompt.
        sees: whether some prompt has pictures.

    Attributes:
        state: on the device.
        rows: which row each holds; -1: it is free.
        searched: how much of it was searched for stop strings.
        written, finished: as of `state` when it was last seen.
    """

    def __init__(self, programs_: _Programs, model: tuple, slots: int, longest: int, *, sees: bool):
        self._programs, self._model = programs_, model
        self.state: programs.DecodeState = programs_.free(model, slots=slots, longest=longest, sees=sees)
        self.rows, self.searched = np.full(slots, -1), np.zeros(slots, int)
        self._halted = np.zeros(slots, bool)  # rows that met a stop string, which the device doesn't know yet
        self._halvings = HALVINGS
        self.written = self.finished = np.zeros(slots, int)

    @property
    def any(self) -> bool:
        return bool((self.rows >= 0).any())

    @property
    def can_narrow(self) -> bool:
        """Whether the rows that are left need half the slots at most."""
        return self._halvings > 0 and np.count_nonzero(self.rows >= 0) <= self._half < len(self.rows)

    @property
    def _half(self) -> int:
        return -(-len(self.rows) // 2)

    def admit(self, queue: _Queue) -> None:
        """Gives free slots to rows that wait."""
        while queue.waits and (free := np.flatnonzero(self.rows < 0)).size:
            read, arrivals, new = queue.arrivals(self._programs, self._model, free, len(self.rows))
            self.state = self._programs.admit(self.state, read, arrivals)
            taken = free[: len(new)]
            self.rows[taken], self.searched[taken], self._halted[taken] = new, 0, False

    def narrow(self) -> None:
        """Goes on in half the slots."""
        kept = np.argsort(self.rows < 0, kind="stable")[: self._half]
        self.state = self._programs.narrow(self.state, kept)
        self.rows, self.searched, self._halted = self.rows[kept], self.searched[kept], self._halted[kept]
        self._halvings -= 1

    def decode(self, steps: int, waiting: bool) -> np.ndarray:
        """Up to `steps` tokens for every row, fewer if slots get free that others wait for; says which rows ended."""
        size = len(self.rows)
        enough = size + 1
        if waiting:
            enough = max(1, round(size * REFILL_SHARE))
        elif self._halvings and self._half < size:
            enough = size - self._half
        self.state = self._programs.decode(self._model, self.state, self._halted, np.int32(enough), steps=steps)
        live, self.written, self.finished = fetch((self.state.live, self.state.written, self.state.finished))
        self._halted[:] = False
        return (self.rows >= 0) & ~live

    def release(self, slot: int) -> None:
        """Frees a slot whose row has ended."""
        self.rows[slot], self._halted[slot] = -1, True
