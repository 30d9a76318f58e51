"""Pictures for annotators: small JPEG files, named by what they show, or the same within a task for Label Studio."""

import base64
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from compeer_jax.data.pictures import inspect_picture, pictures_of, read_pixels
from compeer_jax.dialogue.schema import Turn

FIELD = "pictures"  # of a task
LONGEST_SIDE = 512  # pixels
QUALITY = 85
DIGITS = 24  # of a digest, hexadecimal: as the pipeline names its pictures


def view_name(path: str, where: str) -> str:
    """The name of a picture's file for annotators; nothing can be read from it. Errors as `inspect_picture`."""
    return f"{inspect_picture(path, where).digest[:DIGITS]}.jpg"


@lru_cache(maxsize=256)
def picture_view(path: str, where: str) -> bytes:
    """A picture as a JPEG file that people look at; errors as `inspect_picture`."""
    from PIL import Image

    image, file = Image.fromarray(read_pixels(path, where)), io.BytesIO()
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def task_pictures(turns: Sequence[Turn], where: str) -> str:
    """The pictures of a talk, whose paths can be opened, in HTML, each with its name; "" for none."""
    return "".join(_figure(path, where) for path in pictures_of(turns))


def _figure(path: str, where: str) -> str:
    data, name = base64.b64encode(picture_view(path, where)).decode(), escape(view_name(path, where))
    picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" style="max-width: 100%">'
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"


def write_views(folder: Path, talks: Iterable[tuple[Sequence[Turn], str]]) -> None:
    """Writes the pictures of talks, each with its place for messages, into a folder; nothing where there is none."""
    for turns, where in talks:
        for path in pictures_of(turns):
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / view_name(path, where)
            if not file.exists():
                file.write_bytes(picture_view(path, where))


def add_pictures(view: ElementTree.Element) -> None:
    """Adds what shows a task's pictures to a labelling config (labelstud.io/tags/hypertext)."""
    ElementTree.SubElement(view, "HyperText", name="shown", value=f"${FIELD}", valueType="text", inline="true")


def any_pictures(talks: Iterable[Sequence[Turn]]) -> bool:
    """Whether any of the talks has a picture."""
    return any(pictures_of(turns) for turns in talks)
