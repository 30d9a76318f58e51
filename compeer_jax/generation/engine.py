"""Prompts of any length as Python lists: padded to a bucket, compiled once a bucket, generated."""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Int, Key

from compeer_jax.errors import UserError
from compeer_jax.generation.continuous_batching import Completion, ContinuousBatching
from compeer_jax.generation.padding import bucket, pad_left
from compeer_jax.generation.rollout import Rollout, joined, rollout
from compeer_jax.generation.sampling import SamplingConfig, row_keys
from compeer_jax.generation.sight import PromptPictures, check_pictures, pad_sight
from compeer_jax.generation.stop_strings import Decode, StopStrings
from compeer_jax.models.config import DecoderConfig

Limits = Sequence[int] | Int[np.ndarray, " N"]
"""After how many tokens each row is cut off."""


class Engine:
    """Generates with one model graph and whatever weights each call brings, e.g. those of the learner's last step.

    All rows at once decode in one compiled loop, which waits for the longest. With fewer `slots` than rows, a row that
    has ended makes room for one that waits; what is drawn for a row is the same.

    Args:
        graphdef: from `nnx.split(model)` or `compeer_jax.models.decoder.abstract`.
        sampling: how tokens are drawn, and how many at most.
        stop_ids: tokens that end a completion.
        pad_id: what fills prompts on the left and completions on the right.
        prompt_multiple: prompts are padded to a `bucket` of at least this width. Each bucket compiles once for a number
            of prompts and a group size; a smaller one computes less padding and compiles more often.
        slots: how many rows are decoded together at most; 0: all of a call.
        stop: strings that end a completion, with the token that completes the first of them; it counts as finished.
        decode: token ids to text, for `stop`.

    Raises:
        UserError: less than 0 slots, an empty stop string, or stop strings without `decode`.
    """

    def __init__(
        self,
        graphdef: nnx.GraphDef,
        *,
        sampling: SamplingConfig,
        stop_ids: Sequence[int],
        pad_id: int,
        prompt_multiple: int = 32,
        slots: int = 0,
        stop: Sequence[str] = (),
        decode: Decode | None = None,
    ):
        if slots < 0:
            raise UserError(f"slots is {slots}; it must be 0 (all rows at once) or above.")
        self.sampling = sampling
        self.pad_id = pad_id
        self.prompt_multiple = prompt_multiple
        self.graphdef = graphdef
        self.slots = slots
        self._one_loop = not slots and not stop
        draw = partial(rollout, sampling=sampling, stop_ids=tuple(stop_ids), pad_id=pad_id)

        @partial(jax.jit, static_argnames="group_size")
        def generate(params, *inputs, group_size):
            return draw(nnx.merge(graphdef, params), *inputs, group_size=group_size)

        self._generate = generate
        self._batching = ContinuousBatching(
            graphdef,
            sampling=sampling,
            stop_ids=stop_ids,
            pad_id=pad_id,
            prompt_multiple=prompt_multiple,
            stop=StopStrings(stop, decode),
        )

    def generate(
        self,
        params: nnx.State,
        prompts: Sequence[Sequence[int]],
        key: Key[Array, ""] | Key[Array, " N"],
        group_size: int = 1,
        limits: Limits | None = None,
        pictures: PromptPictures | None = None,
    ) -> Rollout:
        """Completions of every prompt, row b·G + g being the g-th of prompt b. See `rollout`.

        Args:
            params: the weights, from `nnx.split(model)`.
            prompts: token ids of each prompt.
            key: a fresh one for every call: the same key draws the same completions. Or one a row, which makes what
                is drawn for a prompt independent of the prompts beside it.
            group_size: completions a prompt (G).
            limits: after how many tokens each row is cut off, where that is before `max_new_tokens`.
            pictures: those of each prompt, in their order, for a model that sees.

        Raises:
            UserError: as `check`; a limit below 1.
        """
        if not self._one_loop:
            return joined(dict(self.stream(params, prompts, key, group_size, limits, pictures)))
        config = self.check(params, prompts, pictures)
        width = bucket(max(map(len, prompts)), self.prompt_multiple)
        tokens, mask = pad_left(prompts, self.pad_id, width)
        sight = pad_sight(prompts, pictures, config, width, left=True)
        if limits is not None:
            limits = self._limits(limits, len(prompts) * group_size)
        return self._generate(params, tokens, mask, key, limits, sight, group_size=group_size)

    def stream(
        self,
        params: nnx.State,
        prompts: Sequence[Sequence[int]],
        key: Key[Array, ""] | Key[Array, " N"],
        group_size: int = 1,
        limits: Limits | None = None,
        pictures: PromptPictures | None = None,
    ) -> Iterator[tuple[int, Rollout]]:
        """The number of each prompt and its G completions, as soon as all of them have ended, while others decode.

        Args:
            params, prompts, key, group_size, limits, pictures: as of `generate`, which gives the same completions.

        Raises:
            UserError: as `generate`.
        """
        self.check(params, prompts, pictures)
        rows = len(prompts) * group_size
        complete = self._batching.complete(
            params,
            prompts,
            key if key.ndim else row_keys(key, rows),
            group_size,
            self._limits(self.sampling.max_new_tokens if limits is None else limits, rows),
            slots=self.slots or rows,
            pictures=pictures,
        )
        groups: dict[int, dict[int, Completion]] = {}
        for row, completion in complete:
            index, member = divmod(row, group_size)
            group = groups.setdefault(index, {})
            group[member] = completion
            if len(group) == group_size:
                del groups[index]
                yield index, self._together([group[member] for member in range(group_size)])

    def check(
        self, params: nnx.State, prompts: Sequence[Sequence[int]], pictures: PromptPictures | None = None
    ) -> DecoderConfig:
        """Makes sure that `generate` can take these prompts; a long run asks for all its prompts before it starts.

        Returns:
            The model's shape.

        Raises:
            UserError: no prompt, an empty one, or one that leaves no room for `max_new_tokens` in the model's context;
                pictures that the model can't see, or that their prompts have no places for.
        """
        config = nnx.merge(self.graphdef, params).config
        context = config.max_position_embeddings
        if len(prompts) == 0:
            raise UserError("There is no prompt to generate from; give at least one.")
        for index, prompt in enumerate(prompts):
            if len(prompt) == 0:
                raise UserError(f"Prompt {index} is empty; give it at least one token.")
            if len(prompt) + self.sampling.max_new_tokens > context:
                raise UserError(
                    f"Prompt {index} has {len(prompt)} tokens, which with max_new_tokens = "
                    f"{self.sampling.max_new_tokens} exceed the model's context of {context} "
                    "(max_position_embeddings); shorten the prompt or lower max_new_tokens."
                )
        check_pictures(prompts, pictures, config)
        return config

    @property
    def compilations(self) -> int:
        """Number of programs compiled so far."""
        return self._generate._cache_size() + self._batching.compilations

    def _limits(self, limits: Limits | int, rows: int) -> Int[np.ndarray, " N"]:
        limits = np.broadcast_to(np.asarray(limits, np.int32), rows)
        if limits.min() < 1:
            raise UserError(f"A row's limit is {limits.min()} tokens; it must be at least 1.")
        return np.minimum(limits, self.sampling.max_new_tokens)

    def _together(self, completions: Sequence[Completion]) -> Rollout:
        """Completions as rows, padded on the right."""
        shape = (len(completions), self.sampling.max_new_tokens)
        tokens, logps = np.full(shape, self.pad_id, np.int32), np.zeros(shape, np.float32)
        for row, one in enumerate(completions):
            tokens[row, : len(one.tokens)], logps[row, : len(one.tokens)] = one.tokens, one.logps
        lengths = np.array([len(one.tokens) for one in completions])
        mask = np.arange(shape[1]) < lengths[:, None]
        return Rollout(tokens, mask, logps, np.array([one.finished for one in completions]))
