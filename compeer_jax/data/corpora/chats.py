"""Chats: lists of `{"role", "content"}`, as SMILE, SoulChat, OpenAI-style files and many others write them.

Seen as real files: SMILE (Qiu et al., 2023; `{"id", "dialog": [{"role": "seeker"|"supporter", "content"}]}`). Its
repository also keeps a file a dialogue, a bare array of turns with the roles "client" and "counselor". SoulChat
(Chen et al., 2023; `{"id", "topic", "messages"}`) is read after its published description.
"""

from compeer_jax.data.corpora.contents import text_and_images
from compeer_jax.data.corpora.draft import Draft, make_turn, own_id, require_list, require_object, text_or_none
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

LISTS = ("messages", "dialog", "dialogue", "conversations", "conversation", "turns", "utterances", "chat")
NAMES = ("role", "from", "speaker")
CONTENTS = ("content", "value", "text", "utterance")


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
    turns = (_turn(message, f"{where}, turn {number}", roles) for number, message in enumerate(messages, start=1))
    return tuple(turn for turn in turns if turn is not None)


def _turn(message: object, where: str, roles: Roles) -> Turn | None:
    message = require_object(message, where)
    name = next((message[name] for name in NAMES if name in message), None)
    role = roles.side(name, where)
    if role is None:
        return None
    content = next((message[name] for name in CONTENTS if name in message), None)
    text, images = text_and_images(content, where)
    strategy = message.get("strategy") if role == "supporter" else None
    return make_turn(where, role, text, strategy, images or message.get("images"))
