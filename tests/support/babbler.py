"""A local chat model of random weights, and chats to have with it."""

from compeer_jax.chat.config import ChatModelConfig, LocalChatConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.chat.types import ChatRequest

TALK = "my exam is tomorrow and I can not sleep at all because of it 我睡不着 明天考试 é"
LONGEST, CONTEXT = 12, 256


def requests(count=10, draw=0):
    """Chats of uneven lengths."""
    talks = [f"{TALK[: 3 + 37 * index % len(TALK)]} {index}" for index in range(count)]
    system = {"role": "system", "content": "You are kind."}
    return [ChatRequest([system, {"role": "user", "content": talk}], draw) for talk in talks]


def local(directory, folder=None, say=print, prices=(0.0, 0.0), **options):
    options = {"dtype": "float32", "temperature": 0.0, "max_tokens": LONGEST, "batch_size": 4} | options
    config = ChatModelConfig(
        str(directory), LocalChatConfig(**options), prompt_price=prices[0], completion_price=prices[1]
    )
    return open_chat_model("babbler", config, folder=folder, say=say)


def texts(answers):
    return [answer and answer.text for answer in answers]
