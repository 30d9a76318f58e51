"""Pictures in requests to a chat server: what is sent, what is not, and what an answer is filed under."""

import base64
import io

import numpy as np
import pytest
from chat_server_fixture import ChatHTTPServer
from PIL import Image

from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.server import ChatServer
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError


def picture(path, seed: int = 0, size: tuple[int, int] = (40, 30)) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def asked(server: ChatHTTPServer, folder, *talks, **settings) -> list:
    """The contents of the messages that the server was sent for these talks, the system's left out."""
    chat = ChatServer(ServerConfig(url=server.url, model="judge", **settings), say=print, folder=folder)
    before = len(server.asked)
    messages = [chat_messages(talk, prompt="plain", language="en", pictures=True) for talk in talks]
    chat.gather(chat.answer(one) for one in messages)
    chat.close()
    return [[message["content"] for message in body["messages"][1:]] for body in server.asked[before:]]


def sent_pixels(part) -> np.ndarray:
    kind, data = part["image_url"]["url"].split(",")
    assert kind == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format == "PNG"
    return np.asarray(image)


def test_a_model_that_sees_is_sent_the_last_pictures_as_pixels_and_words_for_the_others(tmp_path):
    a, b, c = (picture(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc"))
    talk = (
        Turn("seeker", "This was May.", images=(a,)),
        Turn("supporter", "I see.", images=(b,)),
        Turn("seeker", "And now?", images=(b, c)),
    )
    with ChatHTTPServer(lambda body: "Fine.") as server:
        ((first, reply, last),) = asked(server, None, talk, pictures=PictureLimits(2))
        ((_, _, words),) = asked(server, None, talk)
    assert first == "[image] This was May."
    assert reply == "I see."
    assert last[2] == {"type": "text", "text": "And now?"}
    for part, path in zip(last[:2], (b, c), strict=True):
        np.testing.assert_array_equal(sent_pixels(part), np.asarray(Image.open(path)))
    assert words == "[image] [image] And now?"


def test_a_picture_above_the_limit_is_scaled_down(tmp_path):
    talk = (Turn("seeker", "Look.", images=(picture(tmp_path / "a.png", size=(560, 280)),)),)
    with ChatHTTPServer(lambda body: "Fine.") as server:
        ((content,),) = asked(server, None, talk, pictures=PictureLimits(1, max_tokens=50))
    assert sent_pixels(content[0]).shape == (5 * 28, 10 * 28, 3)


def test_an_answer_is_filed_under_what_a_picture_shows(tmp_path):
    (tmp_path / "moved").mkdir()
    first = picture(tmp_path / "a.png")
    moved = picture(tmp_path / "moved" / "b.bmp")
    other = picture(tmp_path / "c.png", seed=1)
    talks = [(Turn("seeker", "Look.", images=(path,)),) for path in (first, moved, other)]
    with ChatHTTPServer(lambda body: "Fine.") as server:
        for talk, requests in zip(talks, (1, 0, 1), strict=True):
            assert len(asked(server, tmp_path, talk, pictures=PictureLimits(1))) == requests


def test_a_picture_that_is_none_is_one_sentence_and_nothing_is_sent(tmp_path):
    talk = (Turn("seeker", "Look.", images=(str(tmp_path / "none.png"),)),)
    with ChatHTTPServer(lambda body: "Fine.") as server:
        with pytest.raises(UserError, match=r"none.png is not there; put it beside the dialogues"):
            asked(server, None, talk, pictures=PictureLimits(1))
        assert not server.asked
