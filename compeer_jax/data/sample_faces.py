"""Drawn faces: pictures of the bundled dialogues' seekers, and of any small trial that needs some. Nobody's likeness.

    draw_face("anger", person=3) -> [84 84 3]

An emotion decides mouth, brows, eyes and tears; the person decides colours and proportions. The same arguments give the
same pixels. `sample/faces/` holds those of the bundled dialogues, as `write_faces` makes them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compeer_jax.data.pictures import Pixels
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import unknown

SIZE = 84  # pixels: 3 x 3 tokens
PERSONS = 4
FOLDER = "faces"


@dataclass(frozen=True)
class Expression:
    """What a face does, in parts of what it can do.

    Attributes:
        smile: how far the corners of the mouth are up (1) or down (-1).
        mouth: how far it is open.
        frown: how far the inner ends of the brows are down (1) or up (-1).
        raised: how high the brows are.
        eyes: how wide they are open.
        look: where the eyes go: down (1) or up (-1).
        tears: whether there are any.
    """

    smile: float = 0.0
    mouth: float = 0.0
    frown: float = 0.0
    raised: float = 0.0
    eyes: float = 0.6
    look: float = 0.0
    tears: bool = False


EXPRESSIONS: Mapping[str, Expression] = {
    "anger": Expression(smile=-0.5, mouth=0.3, frown=1.0, raised=-0.6, eyes=0.9),
    "anxiety": Expression(smile=-0.4, mouth=0.2, frown=-0.8, raised=0.6, eyes=0.9, look=0.4),
    "depression": Expression(smile=-0.6, frown=-0.5, raised=-0.4, eyes=0.2, look=1.0),
    "disgust": Expression(smile=-1.0, mouth=0.1, frown=0.7, raised=-0.3, eyes=0.3),
    "fear": Expression(smile=-0.2, mouth=1.0, frown=-1.0, raised=1.0, eyes=1.0),
    "guilt": Expression(smile=-0.3, frown=-0.6, eyes=0.4, look=1.0),
    "jealousy": Expression(smile=-0.4, frown=0.5, eyes=0.4, look=-0.6),
    "joy": Expression(smile=1.0, mouth=0.4, raised=0.4, eyes=0.6),
    "nervousness": Expression(smile=0.1, mouth=0.3, frown=-0.5, raised=0.8, eyes=0.8, look=-0.4),
    "pain": Expression(smile=-0.8, mouth=0.6, frown=0.3, raised=-0.2, eyes=0.05, tears=True),
    "sadness": Expression(smile=-0.9, frown=-0.9, raised=0.2, eyes=0.4, look=0.5, tears=True),
    "shame": Expression(smile=-0.2, frown=-0.3, raised=-0.2, eyes=0.1, look=1.0),
}
"""By the taxonomy's name of the emotion: those of the bundled dialogues, and joy."""


def draw_face(emotion: str, *, person: int = 0, size: int = SIZE) -> Pixels:
    """A face, as pixels.

    Args:
        emotion: one of `EXPRESSIONS`.
        person: whose it is: another number is somebody else.
        size: of the square picture, in pixels.

    Raises:
        UserError: there is no face for that emotion.
    """
    if emotion not in EXPRESSIONS:
        raise unknown("emotion of a face", emotion, EXPRESSIONS)
    shown, generator = EXPRESSIONS[emotion], np.random.default_rng(person)
    skin, hair, back = (generator.integers(low, high, 3) for low, high in ((150, 235), (20, 110), (170, 250)))
    wide, high, apart = generator.uniform(0.9, 1.05), generator.uniform(0.95, 1.1), generator.uniform(0.9, 1.1)
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2.4 - 1.2  # the face is about the unit disc
    picture = np.zeros((size, size, 3)) + back

    def paint(inside: np.ndarray, colour: Iterable[float]) -> None:
        """`inside`: above 0 within what is painted, in the picture's units; edges are a pixel soft."""
        cover = np.clip(inside * size / 2.4 + 0.5, 0, 1)[..., None]
        picture[:] = picture * (1 - cover) + np.array(list(colour)) * cover

    def disc(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        ry = max(ry, 0.02)
        return (1 - np.hypot((x - cx) / rx, (y - cy) / ry)) * min(rx, ry)

    def stroke(x0: float, y0: float, x1: float, y1: float, bend: float, width: float) -> np.ndarray:
        """A line whose middle is lower by `bend`."""
        along = np.clip((x - x0) / (x1 - x0), 0, 1)
        middle = y0 + (y1 - y0) * along + bend * 4 * along * (1 - along)
        return width - np.hypot(y - middle, x - (x0 + (x1 - x0) * along))

    paint(disc(0, -0.12, 0.98 * wide, 1.0 * high), hair)
    paint(disc(0, 0.08, 0.84 * wide, 0.92 * high), skin)
    for side in (-1, 1):
        eye = side * 0.34 * apart
        paint(disc(eye, -0.1, 0.17, 0.04 + 0.12 * shown.eyes), (250, 250, 250))
        pupil = np.minimum(
            disc(eye, -0.1 + 0.06 * shown.look, 0.08, 0.08), disc(eye, -0.1, 0.17, 0.04 + 0.12 * shown.eyes)
        )
        paint(pupil, (30, 30, 40))
        brow = -0.36 - 0.1 * shown.raised
        inner, outer = brow + 0.11 * shown.frown, brow - 0.08 * shown.frown
        ends = (eye - 0.2, outer, eye + 0.2, inner) if side < 0 else (eye - 0.2, inner, eye + 0.2, outer)
        paint(stroke(*ends, -0.03, 0.045), hair)
        if shown.tears:
            paint(disc(eye, 0.16, 0.05, 0.14), (120, 170, 230))
    paint(stroke(-0.02, -0.02, 0.02, 0.2, 0.0, 0.035), skin * 0.8)
    bend = 0.2 * shown.smile
    if shown.mouth:
        paint(disc(0, 0.52 + bend / 2, 0.26, 0.03 + 0.15 * shown.mouth), (110, 30, 40))
    paint(stroke(-0.34, 0.52 - bend / 2, 0.34, 0.52 - bend / 2, bend, 0.045), (150, 50, 60))
    return np.round(picture).astype(np.uint8)


def face_name(emotion: str, person: int) -> str:
    """The path of a face in the folder of the bundled dialogues."""
    return f"{FOLDER}/{emotion}-{person}.png"


def with_faces(dialogues: Iterable[Dialogue]) -> list[Dialogue]:
    """Dialogues whose seeker shows, with their first words, the face of the dialogue's emotion, where there is one."""
    return [_with_face(dialogue, number % PERSONS) for number, dialogue in enumerate(dialogues)]


def _with_face(dialogue: Dialogue, person: int) -> Dialogue:
    if dialogue.emotion_type not in EXPRESSIONS:
        return dialogue
    first = next(number for number, turn in enumerate(dialogue.turns) if turn.role == "seeker")
    turns: list[Turn] = list(dialogue.turns)
    turns[first] = replace(turns[first], images=(face_name(dialogue.emotion_type, person),))
    return replace(dialogue, turns=tuple(turns))


def write_faces(folder: Path) -> None:
    """Writes the faces of all emotions and persons below a folder, under their names."""
    from PIL import Image

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for emotion in EXPRESSIONS:
        for person in range(PERSONS):
            face = Image.fromarray(draw_face(emotion, person=person))
            face.save(folder / face_name(emotion, person), optimize=True)
