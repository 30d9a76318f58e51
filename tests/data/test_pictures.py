"""Pictures: what of a file is read, what is refused in one sentence, and the size that a model sees."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as published_smart_resize

from compeer_jax.data.pictures import (
    PictureLimits,
    beside,
    inspect_picture,
    png_bytes,
    read_pixels,
    shown_pictures,
    smart_resize,
)
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def drawn(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 20), st.integers(20, 2000))
def test_sizes_are_those_of_the_published_processor(height, width, least, most):
    least, most = least * 784, most * 784
    try:
        theirs = published_smart_resize(height, width, 28, least, most)
    except ValueError:
        theirs = None
    try:
        ours = smart_resize(height, width, least=least, most=most)
    except ValueError:
        ours = None
    assert ours == theirs


def test_a_picture_has_a_token_for_each_28_by_28_pixels_within_its_limits(tmp_path):
    drawn(280, 560).save(tmp_path / "a.png")
    picture = inspect_picture(tmp_path / "a.png", "talk-1")
    assert (picture.height, picture.width) == (280, 560)
    assert PictureLimits(1).tokens(picture) == 10 * 20
    assert PictureLimits(1, max_tokens=50).tokens(picture) == 5 * 10
    drawn(28, 28).save(tmp_path / "b.png")
    assert PictureLimits(1).tokens(inspect_picture(tmp_path / "b.png", "talk-1")) == 4


def test_a_picture_is_known_by_what_it_shows_whatever_file_holds_it(tmp_path):
    image = drawn(30, 40)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    drawn(30, 40, seed=1).save(tmp_path / "c.png")
    a, b, c = (inspect_picture(tmp_path / name, "talk-1").digest for name in ("a.png", "b.bmp", "c.png"))
    assert a == b != c
    (tmp_path / "d.png").write_bytes(png_bytes(tmp_path / "b.bmp", "talk-1"))
    assert inspect_picture(tmp_path / "d.png", "talk-1").digest == a
    image.rotate(180).save(tmp_path / "a.png")  # another picture under the same name
    os.utime(tmp_path / "a.png", (1, 1))
    assert inspect_picture(tmp_path / "a.png", "talk-1").digest not in (a, c)


def test_pixels_are_upright_and_nothing_else_of_the_file_is_handed_on(tmp_path):
    image = drawn(24, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    exif[0x010F] = "Secret Camera"
    image.save(tmp_path / "a.png", exif=exif)
    pixels = read_pixels(tmp_path / "a.png", "talk-1")
    np.testing.assert_array_equal(pixels, np.rot90(np.asarray(image), k=-1))
    assert b"Secret Camera" in (tmp_path / "a.png").read_bytes()
    assert b"Secret Camera" not in png_bytes(tmp_path / "a.png", "talk-1")


def test_each_file_that_is_no_picture_is_refused_in_a_sentence_with_record_and_path(tmp_path):
    drawn(30, 30).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1500])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0 ftypisom")
    (tmp_path / "folder.png").mkdir()
    drawn(30, 30).save(tmp_path / "moves.gif", save_all=True, append_images=[drawn(30, 30, seed=1)])
    drawn(30, 30).convert("CMYK").save(tmp_path / "print.jpg")
    drawn(1, 1).save(tmp_path / "dot.png")
    drawn(8, 2000).save(tmp_path / "line.png")
    Image.new("1", (1 << 14, (1 << 12) + 1)).save(tmp_path / "huge.png")
    reasons = {
        "none.png": "is not there; put it beside the dialogues",
        "none.mp4": "is a video, and pictures are read: put a frame of it beside it, as none.png",
        "clip.mp4": "is a video",
        "cut.png": "is damaged or cut off",
        "text.png": "is in no format that is read",
        "empty.png": "is in no format that is read",
        "folder.png": "is not there",
        "moves.gif": "is an animation",
        "print.jpg": "has colours in CMYK",
        "dot.png": "is 1 x 1 pixels, too small",
        "line.png": "is 2000 x 8 pixels, a mere line",
        "huge.png": "is huge",
    }
    for name, reason in reasons.items():
        with pytest.raises(UserError, match=reason) as refused:
            inspect_picture(tmp_path / name, "talk-7, turn 3")
        sentence = str(refused.value)
        assert sentence.startswith("talk-7, turn 3: "), name
        assert str(tmp_path / name) in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")


def test_paths_are_told_from_the_folder_of_the_dialogues_and_none_leads_out_of_it(tmp_path):
    folder = tmp_path / "corpus"
    (folder / "faces").mkdir(parents=True)
    drawn(30, 30).save(folder / "faces" / "a.png")
    drawn(30, 30).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    drawn(30, 30).save(folder / "talk.jpg")
    turns = (Turn("seeker", "Look.", images=("faces/a.png", "faces\\a.png", "talk.mp4")), Turn("supporter", "Yes."))
    a = str(folder / "faces" / "a.png")
    (first, second) = beside(turns, folder, "talk-1")
    assert first.images == (a, a, str(folder / "talk.jpg"))
    assert second is turns[1]
    for name in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "C:\\secret.png", "faces/../../secret.png"):
        with pytest.raises(UserError, match=r"talk-1: the picture .* lies outside the folder of its dialogues"):
            beside([Turn("seeker", "Look.", images=(name,))], folder, "talk-1")
    for name in ("https://example.org/a.png", "file:///etc/a.png", "data:image/png;base64,AAAA"):
        with pytest.raises(UserError, match=r"talk-1: the picture .* is no file; save it beside the dialogues"):
            beside([Turn("seeker", "Look.", images=(name,))], folder, "talk-1")


def test_a_model_is_shown_the_seekers_pictures():
    turns = [
        Turn("seeker", "a", images=("1", "2")),
        Turn("supporter", "b", images=("3",)),
        Turn("seeker", "", None, ("4",)),
    ]
    assert shown_pictures(turns) == ["1", "2", "4"]


def test_limits_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match=r"pictures.max_tokens is 3, below pictures.min_tokens = 4; raise it."):
        PictureLimits(1, max_tokens=3)
    with pytest.raises(UserError, match=r"pictures.most is -1; it must be at least 0"):
        PictureLimits(-1)
