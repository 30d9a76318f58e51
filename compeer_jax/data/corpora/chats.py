"""Forms of chats: lists of `{"role", "content"}`, as SMILE, SoulChat, OpenAI-style files and many others write them.

Seen as real files: SMILE (Qiu et al., 2023; `{"id", "dialog": [{"role": "seeker"|"supporter", "content"}]}`). Its
repository also keeps a file a dialogue, a bare array of turns with the roles "client" and "counselor". SoulChat
(Chen et al., 2023; `{"id", "topic", "messages"}`) is read after its published description.
"""

from compeer_jax.data.corpora.draft import (
    Draft,
    make_turn,
    own_id,
    read_turns,
    require_list,
    require_object,
    stripped,
    text_or_none,
)
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

LISTS = ("messages", "dialog", "dialogue", "conversations", "conversation", "turns", "utterances", "chat")
NAMES = ("role", "from", "speaker")
CONTENTS = ("content", "value", "text", "utterance")
TEXTS = ("text", "input_text", "output_text")
IMAGES = ("image", "image_url", "input_image")


def is_message(value: object) -> bool:
    """Whether a value is one turn with the name of its role."""
    return isinstance(value, dict) and any(name in value for name in NAMES) and any(name in value for name in CONTENTS)


def is_chat(row: object) -> bool:
    """Whether a row is a list of messages, or has one."""
    if isinstance(row, dict):
        return any(isinstance(row.get(name), list) and any(map(is_message, row[name])) for name in LISTS)
    return isinstance(row, list) and any(map(is_message, row))


def read_chat(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One chat. Turns of the system or of tools are left out, since nobody in the talk says them."""
    if isinstance(row, list):
        return Draft(chat_turns(row, where, roles))
    row = require_object(row, where)
    name = next((name for name in LISTS if name in row), None)
    if name is None:
        raise UserError(f"{where}: field 'messages' is missing.")
    fields = {
        "id": own_id(row, "conversation_id", "dialogue_id"),
        "situation": text_or_none(row.get("situation")),
        "emotion_type": text_or_none(row.get("emotion_type")),
        "problem_type": text_or_none(row.get("problem_type", row.get("topic"))),
    }
    return Draft(chat_turns(require_list(row[name], name, where), where, roles), fields)


def chat_turns(messages: list, where: str, roles: Roles) -> tuple[Turn, ...]:
    """The turns of a list of messages; UserError naming the first that can't be read."""

    def turn(message: dict, place: str) -> Turn | None:
        role = roles.side(_first(message, NAMES), place)
        if role is None:
            return None
        text, images = text_and_images(_first(message, CONTENTS), place)
        strategy = message.get("strategy") if role == "supporter" else None
        return make_turn(place, role, text, strategy, images or message.get("images"))

    return read_turns(messages, f"{where}, turn", turn)


def _first(message: dict, names: tuple[str, ...]) -> object:
    return next((message[name] for name in names if name in message), None)


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
