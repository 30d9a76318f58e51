"""Where tokens stand in rows with pictures: M-RoPE's positions, and which token stands for which state (NumPy only).

Shapes: T tokens, N rows, F states of a row's pictures, E numbers of a state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from compeer_jax.errors import UserError
from compeer_jax.models.vision_inputs import Grid

Tokens = Sequence[int] | Int[np.ndarray, " _"]
"""Token ids of a text."""


class SeenPicture(NamedTuple):
    """A picture and what the tower gave for it, token by token, row by row."""

    grid: Grid
    states: Shaped[np.ndarray, "tokens E"]


class Placed(NamedTuple):
    """Where the tokens of a text with pictures stand.

    Attributes:
        positions: the time, the row and the column of each, for M-RoPE.
        index: the place of its state among those of all the text's pictures; -1 for words.
        next_position: where the text goes on, in all three.
    """

    positions: Int[np.ndarray, "T 3"]
    index: Int[np.ndarray, " T"]
    next_position: int


@dataclass(frozen=True)
class SeenPrompt:
    """A prompt with what it shows.

    Attributes:
        placed: where its tokens stand.
        states: of all its pictures, one after another.
    """

    placed: Placed
    states: Shaped[np.ndarray, "F E"]


def seen_prompts(
    prompts: Sequence[Tokens], pictures: Sequence[Sequence[SeenPicture]], image_token_id: int
) -> list[SeenPrompt]:
    """Prompts with the pictures of each; errors as `place_pictures`."""
    nothing = np.zeros((0, 1), np.float32)
    return [
        SeenPrompt(
            place_pictures(tokens, [one.grid for one in shown], image_token_id),
            np.concatenate([one.states for one in shown]) if shown else nothing,
        )
        for tokens, shown in zip(prompts, pictures, strict=True)
    ]


def place_pictures(tokens: Tokens, grids: Sequence[Grid], image_token_id: int) -> Placed:
    """Positions of a text's tokens, as `get_rope_index` of transformers has them, and where its pictures are.

    Words count up. A picture begins at the position of the word that would stand there, its tokens counting rows and
    columns from it on; what follows it stands beyond both.

    Args:
        tokens: ids; each picture is as many image tokens as its grid has.
        grids: of the pictures, in order.
        image_token_id: the image token.

    Raises:
        UserError: there are more or fewer image tokens than the pictures have.
    """
    ids = np.asarray(tokens, np.int64)
    places = np.flatnonzero(ids == image_token_id)
    wanted = sum(grid.tokens for grid in grids)
    if len(places) != wanted:
        raise UserError(
            f"a text has {len(places)} image tokens for {len(grids)} pictures of {wanted} tokens in all: render it "
            "with as many as its pictures have."
        )
    positions, index = np.zeros((len(ids), 3), np.int32), np.full(len(ids), -1, np.int32)
    index[places] = np.arange(wanted)
    at = now = seen = 0
    for grid in grids:
        start = int(places[seen])
        if not (np.diff(places[seen : seen + grid.tokens]) == 1).all():
            raise UserError("the image tokens of a picture are not beside each other: render the text anew.")
        positions[at:start] = now + np.arange(start - at)[:, None]
        now += start - at
        at, seen = start + grid.tokens, seen + grid.tokens
        row, column = np.divmod(np.arange(grid.tokens), grid.columns)
        positions[start:at] = now + np.stack([np.zeros_like(row), row, column], axis=-1)
        now += max(grid)
    positions[at:] = now + np.arange(len(ids) - at)[:, None]
    return Placed(positions, index, now + len(ids) - at)


def stack_states(rows: Sequence[Sequence[SeenPicture]], state_size: int, length: int) -> Shaped[np.ndarray, "N F E"]:
    """The states of each row's pictures, one after another, padded to `length` (F)."""
    dtype = next((one.states.dtype for row in rows for one in row), np.float32)
    stacked = np.zeros((len(rows), length, state_size), dtype)
    for row, pictures in zip(stacked, rows, strict=True):
        at = 0
        for grid, states in pictures:
            row[at : at + grid.tokens] = states
            at += grid.tokens
    return stacked
