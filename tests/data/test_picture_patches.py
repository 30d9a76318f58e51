"""Patches of pictures are those of the processor that Qwen2.5-VL is published with."""

import numpy as np
import pytest
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from compeer_jax.data.picture_patches import picture_grid, picture_input, picture_patches
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.errors import UserError
from compeer_jax.models.vision_config import VisionConfig

TOWER = VisionConfig(hidden_size=1280, out_hidden_size=3584)
LIMITS = PictureLimits(1, min_tokens=4, max_tokens=48)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (20, 20), (333, 187), (900, 10), (28, 56), (300, 1100)])
def test_pixels_equal_the_published_processors(height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * 784, "longest_edge": 48 * 784})
    wanted = processor(images=[Image.fromarray(pixels)], return_tensors="np")
    grid = picture_grid(height, width, LIMITS, TOWER)
    assert (1, 2 * grid.rows, 2 * grid.columns) == tuple(wanted["image_grid_thw"][0])
    moments = wanted["pixel_values"].reshape(grid.tokens, 4, 3, 2, 14, 14)
    np.testing.assert_array_equal(moments[:, :, :, 0], moments[:, :, :, 1])
    np.testing.assert_allclose(picture_patches(pixels, grid, TOWER), moments[:, :, :, 0], atol=1e-6)


def test_a_file_is_read_when_its_patches_are_asked_for(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path)
    picture = picture_input(path, "talk-1", LIMITS, TOWER)
    np.testing.assert_array_equal(picture.patches(), picture_patches(pixels, picture.grid, TOWER))
    path.unlink()
    with pytest.raises(UserError, match=r"talk-1: the picture \S+face\.png is not there"):
        picture.patches()
