"""Pictures in requests to chat servers: sent as PNG in data URLs, and kept answers filed by what they show.

A message holds a picture by its path (`dialogue.picture_parts`). What goes over the wire is its pixels alone, scaled
down to what the settings allow; nothing else of the file leaves the machine. What an answer is filed under holds the
picture's digest instead, so that the same picture is the same request wherever it lies and however it is packed.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compeer_jax.data.pictures import UNIT, Picture, PictureLimits, inspect_picture, read_pixels
from compeer_jax.dialogue.picture_parts import is_picture, with_last_pictures

Message = Mapping[str, Any]
WHERE = "a request to the chat server"


def shown_messages(messages: Sequence[Message], limits: PictureLimits) -> list[Message]:
    """The messages with the pictures that the model is shown, and words for the others. A picture's part says what is
    known of it, as "picture", and its "size": [height, width].

    Raises:
        UserError: a picture can't be used, see `inspect_picture`.
    """

    def known(part: Mapping[str, Any]) -> Mapping[str, Any]:
        picture = inspect_picture(part["image"], WHERE)
        return {"type": "image", "picture": picture, "size": list(_sent_size(picture, limits))}

    return _each_picture(with_last_pictures(messages, limits.most), known)


def filed(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request as its answer is filed: with digests for pictures."""

    def digest(part: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"type": "image", "sha256": part["picture"].digest, "size": part["size"]}

    return {**body, "messages": _each_picture(body["messages"], digest)}


def wired(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request as it is sent: with data URLs for pictures."""

    def data_url(part: Mapping[str, Any]) -> Mapping[str, Any]:
        data = base64.b64encode(_png(part["picture"], *part["size"])).decode()
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    return {**body, "messages": _each_picture(body["messages"], data_url)}


def _each_picture(
    messages: Sequence[Message], change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> list[Message]:
    return [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [change(part) if is_picture(part) else part for part in message["content"]]}
        for message in messages
    ]


def _sent_size(picture: Picture, limits: PictureLimits) -> tuple[int, int]:
    """Height and width: the picture's own, or within the limit those that it is scaled down to."""
    if picture.height * picture.width <= limits.max_tokens * UNIT**2:
        return picture.height, picture.width
    return limits.fitted(picture.height, picture.width)


def _png(picture: Picture, height: int, width: int) -> bytes:
    from PIL import Image

    image, file = Image.fromarray(read_pixels(picture.path, WHERE)), io.BytesIO()
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    image.save(file, "PNG")
    return file.getvalue()
