"""Pictures in batches of examples: each row has the states of its pictures, and where its tokens stand (NumPy)."""

from collections.abc import Sequence

import numpy as np

from compeer_jax.data.batches import TokenBatch
from compeer_jax.data.chat import Example
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.seen_pictures import SeenPictures
from compeer_jax.errors import UserError
from compeer_jax.models.picture_positions import place_pictures
from compeer_jax.models.vision import Pictures
from compeer_jax.models.vision_inputs import Grid


class ExamplePictures:
    """What a run shows of its examples' pictures, each of them seen once.

    Args:
        seen: gives what the model's tower sees.
        limits: how large that is.
    """

    def __init__(self, seen: SeenPictures, limits: PictureLimits):
        self._seen, self._limits = seen, limits

    def tokens(self, example: Example) -> int:
        """How many of an example's tokens stand for pictures.

        Raises:
            UserError: not as many as its pictures have.
        """
        grids = self._grids(example)
        try:
            place_pictures(example.tokens, grids, self._seen.shape.image_token_id)
        except UserError as error:
            raise UserError(f"An example with {len(grids)} pictures can't be shown to this model: {error}") from error
        return sum(grid.tokens for grid in grids)

    def show(self, batch: TokenBatch, rows: Sequence[Sequence[Example]], most: int) -> TokenBatch:
        """A batch with the pictures of its rows.

        Args:
            batch: of these rows, without.
            rows: the examples of each, as `token_batch` has them.
            most: F, at least the states of any row.
        """
        shape = self._seen.shape
        index, positions = np.full(batch.tokens.shape, -1, np.int32), np.zeros((*batch.tokens.shape, 3), np.int32)
        states = np.zeros((len(rows), most, shape.state_size), self._seen.dtype)
        seen = iter(self._seen.of_each([example.pictures for row in rows for example in row], self._limits))
        for row, examples in enumerate(rows):
            start = count = 0
            for example in examples:
                end = start + len(example.tokens)
                placed = place_pictures(example.tokens, self._grids(example), shape.image_token_id)
                positions[row, start:end] = placed.positions
                index[row, start:end] = np.where(placed.index >= 0, placed.index + count, -1)
                for picture in next(seen):
                    states[row, count : count + picture.grid.tokens] = picture.states
                    count += picture.grid.tokens
                start = end
        return batch._replace(positions=positions, pictures=Pictures(states, index))

    def _grids(self, example: Example) -> list[Grid]:
        return [one.grid for one in self._seen.unseen(example.pictures, self._limits)]
