"""Pictures of dialogues: files made safe to open, known by what they show, and the size that a model sees them in.

A file is decoded by its content, whatever it is called, and only in the formats below. It is turned upright and loses
all else that it says (where and when it was taken, by which device); what it shows is RGB pixels, and the digest of
those is its name wherever a picture is kept. Nothing is fetched, and a corpus can name no file outside its own folder.
"""

import hashlib
import io
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError, require_at_least

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # those that become RGB without a colour profile
VIDEOS = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv")
FRAMES = (".png", ".jpg", ".jpeg", ".webp")  # endings under which a video's frame lies beside it

SHORTEST_SIDE = 8
LARGEST = 2**26  # pixels, and bytes of a file
UNIT = 28  # pixels on a token's side: 2 x 2 patches of 14, as in every Qwen2.5-VL
MOST_STRETCHED = 200  # times as long as wide

Pixels = UInt8[np.ndarray, "H W 3"]


class Picture(NamedTuple):
    """What is known of a picture without its pixels.

    Attributes:
        path: of the file.
        digest: SHA-256 of its upright RGB pixels and their shape, in hexadecimal.
        height, width: in pixels.
    """

    path: str
    digest: str
    height: int
    width: int


@dataclass(frozen=True)
class PictureLimits:
    """How many pictures a prompt shows, and how large a model sees them.

    Args:
        most: pictures that a prompt shows; of a longer talk the oldest turns are dropped, with their pictures (0: none,
            the talk is its words alone).
        max_tokens: the most tokens that a picture has: one for 28 x 28 pixels. A larger picture is scaled down.
        min_tokens: the fewest; a smaller picture is scaled up.
    """

    most: int = 0
    max_tokens: int = 256
    min_tokens: int = 4

    def __post_init__(self):
        require_at_least(0, self, "pictures.", "most")
        require_at_least(1, self, "pictures.", "min_tokens")
        if self.max_tokens < self.min_tokens:
            raise UserError(
                f"pictures.max_tokens is {self.max_tokens}, below pictures.min_tokens = {self.min_tokens}; raise it."
            )

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """Height and width, in pixels, that a picture is resized to; see `smart_resize`."""
        return smart_resize(height, width, least=self.min_tokens * UNIT**2, most=self.max_tokens * UNIT**2)

    def tokens(self, picture: Picture) -> int:
        """The tokens that stand for a picture."""
        height, width = self.fitted(picture.height, picture.width)
        return height * width // UNIT**2


def smart_resize(height: int, width: int, *, least: int, most: int, unit: int = UNIT) -> tuple[int, int]:
    """The size that Qwen2.5-VL sees a picture in: sides in whole units, the area within bounds, the shape about kept.

    Args:
        height, width: of the picture, in pixels.
        least, most: pixels of the result (`min_pixels` and `max_pixels` of a published preprocessor).
        unit: pixels on a token's side.

    Raises:
        ValueError: one side is more than 200 times as long as the other.
    """
    if max(height, width) > MOST_STRETCHED * min(height, width):
        raise ValueError(f"one side is more than {MOST_STRETCHED} times as long as the other")
    rows, columns = round(height / unit), round(width / unit)
    if rows * columns * unit**2 > most:
        shrink = math.sqrt(height * width / most)
        rows, columns = (max(1, math.floor(side / shrink / unit)) for side in (height, width))
    elif rows * columns * unit**2 < least:
        grow = math.sqrt(least / (height * width))
        rows, columns = (math.ceil(side * grow / unit) for side in (height, width))
    return rows * unit, columns * unit


def inspect_picture(path: str | Path, where: str) -> Picture:
    """What is known of a picture, once it is found to be one.

    Args:
        path: of the file.
        where: the record that it belongs to, for the sentence.

    Raises:
        UserError: no such file; a video, an animation, a file cut off or of no format that is read; CMYK or other
            colours without a plain meaning in RGB; too small, too large, too stretched.
    """
    try:
        status = Path(path).stat()
        return _inspected(str(path), status.st_mtime_ns, status.st_size)
    except _Unusable as fault:
        raise UserError(f"{where}: {fault}") from fault
    except (OSError, ValueError) as error:  # ValueError: a path with a zero in it
        if Path(str(path)).suffix.lower() in VIDEOS:
            raise UserError(f"{where}: {_video(path)}") from error
        raise UserError(
            f"{where}: the picture {path} is not there; put it beside the dialogues, or leave it out of the turn."
        ) from error


def read_pixels(path: str | Path, where: str) -> Pixels:
    """The upright RGB pixels of a picture; errors as `inspect_picture`."""
    inspect_picture(path, where)
    return _decoded(str(path))


def png_bytes(path: str | Path, where: str) -> bytes:
    """The picture as a PNG file with pixels and nothing else in it; errors as `inspect_picture`."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(read_pixels(path, where)).save(file, "PNG")
    return file.getvalue()


def beside(turns: Iterable[Turn], folder: Path, where: str) -> tuple[Turn, ...]:
    """The turns with their pictures' paths, which are told from `folder`, as paths that can be opened.

    A video stands for the frame beside it: `a.mp4` for `a.png` or `a.jpg`. Doing it again changes nothing.

    Raises:
        UserError: a path that leads out of the folder, or a web address; nothing is fetched.
    """
    return tuple(
        replace(turn, images=tuple(picture_file(name, folder, where) for name in turn.images)) if turn.images else turn
        for turn in turns
    )


def picture_file(name: str, folder: Path, where: str) -> str:
    """The file that a picture's path names, told from `folder`; errors as `beside`."""
    if "://" in name or name.startswith("data:"):
        raise UserError(f"{where}: the picture {name[:80]} is no file; save it beside the dialogues and name that.")
    plain = PurePosixPath(name.replace("\\", "/"))
    path = (folder / plain).absolute()
    if path.suffix.lower() in VIDEOS:
        path = next((frame for frame in map(path.with_suffix, FRAMES) if frame.is_file()), path)
    drive = plain.parts[:1] and plain.parts[0].endswith(":")
    if drive or ".." in plain.parts or not _within(path, folder):
        raise UserError(
            f"{where}: the picture {name} lies outside the folder of its dialogues, {folder}; put it there and name it "
            "from there."
        )
    return str(path)


def _within(path: Path, folder: Path) -> bool:
    """Whether a path, whatever links are in it, leads to a place in the folder."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def pictures_of(turns: Iterable[Turn]) -> list[str]:
    """The paths of all pictures in a talk, in their order."""
    return [path for turn in turns for path in turn.images]


def shown_pictures(turns: Sequence[Turn]) -> list[str]:
    """The pictures that a model is shown of a talk: the seeker's, in their order."""
    return [path for turn in turns if turn.role == "seeker" for path in turn.images]


class _Unusable(Exception):
    """A file that is no picture that can be used. Its text says why, without the place."""


@lru_cache(maxsize=1 << 16)
def _inspected(path: str, changed: int, size: int) -> Picture:
    """`changed` and `size` are the file's: with others it is another file."""
    pixels = _decoded(path)
    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"{height}x{width}\n".encode() + pixels.tobytes()).hexdigest()
    return Picture(path, digest, height, width)


def _decoded(path: str) -> Pixels:
    from PIL import Image, ImageOps, UnidentifiedImageError

    if Path(path).suffix.lower() in VIDEOS:
        raise _Unusable(_video(path))
    if Path(path).stat().st_size > LARGEST:
        raise _Unusable(_huge(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes: the check below has its own sentence
            image = Image.open(path, formats=FORMATS)
        with image:
            _check(path, image)
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise _Unusable(_huge(path)) from error
    except UnidentifiedImageError as error:
        raise _Unusable(
            f"the picture {path} is in no format that is read ({', '.join(FORMATS)}); save it as PNG or JPEG."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises for damaged files
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise _Unusable(f"the picture {path} is damaged or cut off; copy it again.") from error


def _check(path: str, image) -> None:
    width, height = image.size
    if getattr(image, "n_frames", 1) > 1:
        raise _Unusable(f"the picture {path} is an animation; save one frame of it as PNG.")
    if image.mode not in MODES:
        raise _Unusable(f"the picture {path} has colours in {image.mode}; save it as RGB, in PNG or JPEG.")
    if width * height > LARGEST:
        raise _Unusable(_huge(path))
    if min(width, height) < SHORTEST_SIDE:
        raise _Unusable(
            f"the picture {path} is {width} x {height} pixels, too small to show anything; take a larger one."
        )
    if max(width, height) > MOST_STRETCHED * min(width, height):
        raise _Unusable(f"the picture {path} is {width} x {height} pixels, a mere line; cut out what it should show.")


def _huge(path: str) -> str:
    return f"the picture {path} is huge, above {LARGEST >> 20} million pixels or bytes; save it smaller."


def _video(path: str | Path) -> str:
    frame = Path(path).with_suffix(".png").name
    return f"{path} is a video, and pictures are read: put a frame of it beside it, as {frame}."
