"""Pictures as a vision tower takes them: patches in the slots of their windows, and batches of few shapes (NumPy only).

Shapes: I pictures, G tokens of a picture, each of so many merged patches, S slots of a picture, one a patch; P pixels
on a patch's side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from compeer_jax.models.vision_config import VisionConfig


class Grid(NamedTuple):
    """The tokens that a picture becomes, in rows and columns."""

    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class PictureInput:
    """A picture as a tower sees it; its pixels are read when they are asked for.

    Attributes:
        digest: tells its content from that of others.
        grid: the tokens that it becomes.
        patches: gives the pixels of each token's patches, normalised; tokens, and patches of a token, row by row.
    """

    digest: str
    grid: Grid
    patches: Callable[[], Float[np.ndarray, "G merged 3 P P"]]


class TowerInputs(NamedTuple):
    """What `VisionTower` takes: the patches of I pictures, the row and column of each, and whether it is there."""

    patches: Float[np.ndarray, "I S 3 P P"]
    places: Int[np.ndarray, "I S 2"]
    real: Bool[np.ndarray, "I S"]


def window_count(grid: Grid, side: int) -> int:
    """How many windows of `side` x `side` tokens cover a picture."""
    return -(-grid.rows // side) * -(-grid.columns // side)


def window_slots(grid: Grid, side: int) -> Int[np.ndarray, " G"]:
    """The slot of each token where windows lie one after another, those at the edges filled up."""
    row, column = np.divmod(np.arange(grid.tokens), grid.columns)
    window = row // side * -(-grid.columns // side) + column // side
    return (window * side + row % side) * side + column % side


def tower_inputs(
    pictures: Sequence[tuple[Grid, Float[np.ndarray, "_ merged 3 P P"]]],
    config: VisionConfig,
    *,
    rows: int,
    windows: int,
) -> TowerInputs:
    """Pictures, each with its tokens' patches, in `windows` windows; and as many empty ones behind as make `rows`."""
    side, merged, patch = config.window_side, config.patches_per_token, config.patch_size
    slots = windows * side**2
    patches = np.zeros((rows, slots, merged, 3, patch, patch), np.float32)
    places = np.zeros((rows, slots, merged, 2), np.int32)
    real = np.zeros((rows, slots, merged), bool)
    within = _places(config.spatial_merge_size, config.spatial_merge_size)
    for row, (grid, pixels) in enumerate(pictures):
        at = window_slots(grid, side)
        patches[row, at] = pixels
        places[row, at] = _places(*grid)[:, None] * config.spatial_merge_size + within
        real[row, at] = True
    return TowerInputs(*(x.reshape(rows, slots * merged, *x.shape[3:]) for x in (patches, places, real)))


def _places(rows: int, columns: int) -> Int[np.ndarray, "places 2"]:
    return np.stack(np.divmod(np.arange(rows * columns), columns), axis=-1)
