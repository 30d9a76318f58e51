"""Pictures as patches of normalised pixels, as Qwen2.5-VL's processor makes them (Pillow and NumPy)."""

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from compeer_jax.data.pictures import PictureLimits, Pixels, inspect_picture, read_pixels, smart_resize
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.models.vision_inputs import Grid, PictureInput

# CLIP's, of each colour; those of every published preprocessor_config.json.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def picture_input(path: str | Path, where: str, limits: PictureLimits, config: VisionConfig) -> PictureInput:
    """The picture in a file as a vision tower sees it; errors as `inspect_picture`.

    Args:
        path: of the file.
        where: the record that it belongs to, for the sentence.
        limits: how large it is seen.
        config: the tower's shape.
    """
    picture = inspect_picture(path, where)
    grid = picture_grid(picture.height, picture.width, limits, config)

    def patches() -> Float[np.ndarray, "G merged 3 P P"]:
        return picture_patches(read_pixels(path, where), grid, config)

    return PictureInput(picture.digest, grid, patches)


def picture_grid(height: int, width: int, limits: PictureLimits, config: VisionConfig) -> Grid:
    """The tokens that a picture of this size, in pixels, becomes."""
    unit = config.token_side
    fit = partial(smart_resize, least=limits.min_tokens * unit**2, most=limits.max_tokens * unit**2, unit=unit)
    return Grid(*(side // unit for side in fit(height, width)))


def picture_patches(pixels: Pixels, grid: Grid, config: VisionConfig) -> Float[np.ndarray, "G merged 3 P P"]:
    """The pixels of each token's patches, resized to the grid and normalised."""
    from PIL import Image

    unit, merge, patch = config.token_side, config.spatial_merge_size, config.patch_size
    size = (grid.columns * unit, grid.rows * unit)
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    cut = resized.reshape(grid.rows, merge, patch, grid.columns, merge, patch, 3)
    cut = cut.transpose(0, 3, 1, 4, 6, 2, 5).reshape(grid.tokens, merge**2, 3, patch, patch)
    per_colour = (3, 1, 1)
    return (cut.astype(np.float32) / 255 - MEAN.reshape(per_colour)) / DEVIATION.reshape(per_colour)
