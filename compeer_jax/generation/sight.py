"""Prompts with pictures as arrays: what each token stands for and where, padded as the tokens are (NumPy)."""

from collections.abc import Sequence

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.generation.padding import bucket
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.picture_positions import SeenPicture, Tokens, place_pictures, stack_states
from compeer_jax.models.vision import Sight

PromptPictures = Sequence[Sequence[SeenPicture]]
"""The pictures of each prompt, in their order."""


def pad_sight(
    prompts: Sequence[Tokens], pictures: PromptPictures | None, config: DecoderConfig, width: int, *, left: bool
) -> Sight | None:
    """What prompts with pictures are read with, besides their tokens; None where there is no picture.

    Args:
        prompts: token ids of each.
        pictures: of each prompt, at most; those after them have none.
        config: the model's shape.
        width: what prompts are padded to.
        left: whether they are padded on the left.
    """
    if pictures is None or not any(pictures):
        return None
    shown = [*pictures, *([] for _ in range(len(prompts) - len(pictures)))]
    index, positions = np.full((len(prompts), width), -1, np.int32), np.zeros((len(prompts), width, 3), np.int32)
    next_position = np.zeros(len(prompts), np.int32)
    for row, (prompt, seen) in enumerate(zip(prompts, shown, strict=True)):
        placed = place_pictures(prompt, [one.grid for one in seen], config.vision.image_token_id)
        at = slice(width - len(prompt), width) if left else slice(len(prompt))
        positions[row, at], index[row, at], next_position[row] = placed
    longest = bucket(max(sum(one.grid.tokens for one in seen) for seen in shown))
    return Sight(stack_states(shown, config.vision.state_size, longest), index, positions, next_position)


def check_pictures(
    prompts: Sequence[Tokens], pictures: PromptPictures | None, config: DecoderConfig, *, whole: bool = True
) -> None:
    """Makes sure that a model can see the pictures of its prompts, and that these have places for them.

    Args:
        prompts, pictures, config: as of `pad_sight`.
        whole: whether the prompts end where the model goes on, for which they need a word.

    Raises:
        UserError: it can't; the sentence names the prompt.
    """
    if config.vision is None:
        if pictures is not None and any(pictures):
            raise UserError(
                f"The prompts have pictures, but a model of type {config.model_type!r} reads text alone; give one that "
                "sees, such as Qwen2.5-VL."
            )
        return
    image = config.vision.image_token_id
    shown = [[] for _ in prompts] if pictures is None else pictures
    for number, (prompt, seen) in enumerate(zip(prompts, shown, strict=True)):
        try:
            place_pictures(prompt, [one.grid for one in seen], image)
        except UserError as error:
            raise UserError(f"Prompt {number}: {error}") from error
        if whole and len(prompt) and prompt[-1] == image:
            raise UserError(f"Prompt {number} ends in a picture; a model answers words: put some after it.")
