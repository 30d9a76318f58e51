"""Prompts of any length as Python lists: padded to a bucket, compiled once a bucket, generated."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Int, Key

from compeer_jax.errors import UserError
from compeer_jax.generation.rollout import Rollout, rollout
from compeer_jax.generation.sampling import SamplingConfig


class Engine:
    """Generates with one model graph and whatever weights each call brings, e.g. those of the learner's last step.

    Args:
        graphdef: from `nnx.split(model)` or `compeer_jax.models.qwen2.abstract`.
        sampling: how tokens are drawn, and how many at most.
        stop_ids: tokens that end a completion.
        pad_id: what fills prompts on the left and completions on the right.
        prompt_multiple: prompts are padded to a `bucket` of at least this width. Each bucket compiles once for a number
            of prompts and a group size; a smaller one computes less padding and compiles more often.
    """

    def __init__(
        self,
        graphdef: nnx.GraphDef,
        *,
        sampling: SamplingConfig,
        stop_ids: Sequence[int],
        pad_id: int,
        prompt_multiple: int = 32,
    ):
        self.sampling = sampling
        self.pad_id = pad_id
        self.prompt_multiple = prompt_multiple
        self.graphdef = graphdef
        draw = partial(rollout, sampling=sampling, stop_ids=tuple(stop_ids), pad_id=pad_id)

        @partial(jax.jit, static_argnames="group_size")
        def generate(params, *inputs, group_size):
            return draw(nnx.merge(graphdef, params), *inputs, group_size=group_size)

        self._generate = generate

    def generate(
        self,
        params: nnx.State,
        prompts: Sequence[Sequence[int]],
        key: Key[Array, ""] | Key[Array, " N"],
        group_size: int = 1,
    ) -> Rollout:
        """Completions of every prompt, row b·G + g being the g-th of prompt b. See `rollout`.

        Args:
            params: the weights, from `nnx.split(model)`.
            prompts: token ids of each prompt.
            key: a fresh one for every call: the same key draws the same completions. Or one a row, which makes what
                is drawn for a prompt independent of the prompts beside it.
            group_size: completions a prompt (G).

        Raises:
            UserError: no prompt, an empty one, or one that leaves no room for `max_new_tokens` in the model's context.
        """
        self.check(params, prompts)
        tokens, mask = pad_left(prompts, self.pad_id, bucket(max(map(len, prompts)), self.prompt_multiple))
        return self._generate(params, tokens, mask, key, group_size=group_size)

    def check(self, params: nnx.State, prompts: Sequence[Sequence[int]]) -> None:
        """Makes sure that `generate` can take these prompts; a long run asks for all its prompts before it starts.

        Raises:
            UserError: no prompt, an empty one, or one that leaves no room for `max_new_tokens` in the model's context.
        """
        context = nnx.merge(self.graphdef, params).config.max_position_embeddings
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

    @property
    def compilations(self) -> int:
        """How many programs have been compiled so far."""
        return self._generate._cache_size()


def bucket(length: int, width: int = 32) -> int:
    """The padded length for `length`: the next multiple of `width`, or of an eighth of the next power of two if more.

    So padding is at most a quarter of what is padded (or `width`), and all lengths up to 2,048 make 20 programs.
    """
    width = max(width, 1 << max((length - 1).bit_length() - 3, 0))
    return -(-length // width) * width


def pad_left(
    prompts: Sequence[Sequence[int]], pad_id: int, length: int | None = None
) -> tuple[Int[np.ndarray, "B P"], Bool[np.ndarray, "B P"]]:
    """Prompts as one array, padded on the left to `length` (or the longest); and True where their tokens are."""
    length = length or max(map(len, prompts))
    tokens = np.full((len(prompts), length), pad_id, np.int32)
    mask = np.zeros(tokens.shape, bool)
    for row, prompt in enumerate(prompts):
        tokens[row, length - len(prompt) :] = prompt
        mask[row, length - len(prompt) :] = True
    return tokens, mask
