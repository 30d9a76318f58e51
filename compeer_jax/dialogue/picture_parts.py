"""Pictures in chat messages: content parts, and the words that stand for them where there is text alone.

A message's content is a text, or parts in their order: `{"type": "text", "text": …}` and `{"type": "image", "image":
path, "word": "[image]"}`. Whoever carries messages to a model decides what it is shown: `with_last_pictures` leaves the
last ones, and puts the word in place of each earlier one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compeer_jax.dialogue.taxonomy import Language

PICTURE_WORDS = {"en": "[image]", "zh": "[图片]"}

Part = Mapping[str, Any]
Content = str | list[Part]


def picture_part(path: str, language: Language) -> Part:
    """The part that shows the picture in a file."""
    return {"type": "image", "image": path, "word": PICTURE_WORDS[language]}


def is_picture(part: Part) -> bool:
    """Whether a part is a picture, and no text."""
    return part["type"] == "image"


def content_of(pieces: Iterable[str | Part]) -> Content:
    """The content of texts and pictures in a row: neighbouring texts joined; a plain text without pictures."""
    parts: list[Part] = []
    for piece in pieces:
        text = piece if isinstance(piece, str) else None if is_picture(piece) else piece["text"]
        if text is None:
            parts.append(piece)
        elif parts and not is_picture(parts[-1]):
            parts[-1] = {"type": "text", "text": parts[-1]["text"] + text}
        elif text:
            parts.append({"type": "text", "text": text})
    return parts if any(map(is_picture, parts)) else "".join(part["text"] for part in parts)


def parts_of(content: Content) -> list[Part]:
    """The content's parts; a text is one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def pictures_in(content: Content) -> list[str]:
    """The paths of a content's pictures, in their order."""
    return [part["image"] for part in parts_of(content) if is_picture(part)]


def with_last_pictures(messages: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The messages with a word in place of each picture but the last `most`."""
    older = max(0, sum(len(pictures_in(message["content"])) for message in messages) - most)
    shown = []
    for message in messages:
        pictures = len(pictures_in(message["content"]))
        if older and pictures:
            message = {**message, "content": _with_words(message["content"], older)}
        older = max(0, older - pictures)
        shown.append(message)
    return shown


def _with_words(content: Content, count: int) -> Content:
    """The content with words in place of its first `count` pictures."""
    pieces: list[str | Part] = []
    spoken = False  # whether what came last is such a word
    for part in parts_of(content):
        if is_picture(part) and count:
            before = pieces[-1] if pieces and isinstance(pieces[-1], str) else ""
            pieces.append(" " * bool(before and not before[-1].isspace()) + part["word"])
            count, spoken = count - 1, True
        elif is_picture(part):
            pieces.append(part)
            spoken = False
        else:
            text = part["text"]
            pieces.append(" " * bool(spoken and text and not text[0].isspace()) + text)
            spoken = False
    return content_of(pieces)
