"""What a message holds: a text, or a list of parts, as chats with pictures have it."""

from compeer_jax.data.corpora.draft import stripped
from compeer_jax.errors import UserError

TEXTS = ("text", "input_text", "output_text")
IMAGES = ("image", "image_url", "input_image")


def text_and_images(content: object, where: str) -> tuple[object, list]:
    """The text of a message's content, its parts joined by newlines, and the paths of its pictures.

    Args:
        content: a text, or `[{"type": "text", "text": …}, {"type": "image_url", "image_url": {"url": …}}, …]`;
            anything else is given back as it is.

    Raises:
        UserError: a part of another type, or a picture that is in the file itself.
    """
    if not isinstance(content, list):
        return content, []
    texts, images = [], []
    for number, part in enumerate(content, start=1):
        place = f"{where}, part {number}"
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind in TEXTS:
            texts.append(_text(part, place))
        elif kind in IMAGES:
            images.append(_image(part, place))
        else:
            raise UserError(f"{place}: a part of type {str(kind)[:40]!r} isn't read; leave text and images.")
    return "\n".join(filter(None, map(stripped, texts))), images


def _text(part: object, where: str) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    if not isinstance(text, str):
        raise UserError(f"{where}: field 'text' must be text.")
    return text


def _image(part: dict, where: str) -> str:
    found = next((part[name] for name in (*IMAGES, "url", "path") if part.get(name)), None)
    path = found.get("url", found.get("path")) if isinstance(found, dict) else found
    if not isinstance(path, str):
        raise UserError(f"{where}: the image has no path; write it as {{type: image, image: a.png}}.")
    if path.startswith("data:"):
        raise UserError(f"{where}: the image is in the text itself; save it as a file and name that.")
    return path
