"""Pictures in a terminal chat: shown with the first words or the next ones, kept beside the transcript."""

import base64
import io
import stat
import sys

import numpy as np
import pytest
from chat_server_fixture import ChatHTTPServer, completion
from PIL import Image

from compeer_jax.cli.main import main
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.pictures import beside, inspect_picture
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.errors import UserError
from compeer_jax.talk.session import Session, ShowPicture, on_input

STEPS = {
    "history": "They show a face. Stage: exploration",
    "emotion": "It is sad. Sentiment: negative ; Emotion: sadness ; Intensity: 3",
    "strategy": "I ask. Strategy: Question",
}
REPLY = "".join(f"<{tag}>{text}</{tag}>\n" for tag, text in STEPS.items()) + "<response>What happened?</response>"


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "mine" / "face.png"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(path, exif=exif)
    return path


def talk(monkeypatch, capsys, lines: str, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode()), encoding="utf-8"))
    status = main(["chat", *arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_a_model_that_sees_is_shown_pictures_and_the_transcript_keeps_them(monkeypatch, capsys, tmp_path, face):
    assert isinstance(COMPEER.parse(REPLY), ReasonedTurn)
    assert COMPEER.parse(REPLY).whole
    with ChatHTTPServer(lambda body: completion(REPLY)) as server:
        where = ("--server.url", server.url, "--server.model", "judge", "--server.pictures.most", "1")
        status, shown, _ = talk(
            monkeypatch,
            capsys,
            f"This is me.\n/image {tmp_path}/none.png\n/image {face}\nAnd this.\n/quit\n",
            *where,
            *("--image", f"[{face}]", "--output", str(tmp_path / "chats")),
        )
        first, second = (body["messages"] for body in server.asked[-2:])
    assert status == 0
    assert "your picture: the picture" in shown
    assert "none.png is not there" in shown.replace("\n", " ")
    picture, words = first[1]["content"]
    assert words["text"] == "This is me."
    data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(Image.open(face)))
    assert second[1]["content"] == "[image] This is me."  # the last picture is the one that is shown
    assert second[3]["content"][1]["text"] == "And this."

    (path,) = (tmp_path / "chats").glob("*.jsonl")
    (dialogue,), _ = read_corpus(path)
    names = {name for turn in dialogue.turns for name in turn.images}
    assert len(names) == 1
    (kept,) = beside(dialogue.turns[:1], path.parent, "here")[0].images
    assert inspect_picture(kept, "here").digest == inspect_picture(face, "here").digest
    file = next((path.parent / "pictures").iterdir())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Secret Camera" not in file.read_bytes()


def test_a_model_that_is_shown_none_says_so_before_the_talk(monkeypatch, capsys, tmp_path, face):
    with ChatHTTPServer(lambda body: completion(REPLY)) as server:
        where = ("--server.url", server.url, "--server.model", "judge", "--output", str(tmp_path / "chats"))
        status, _, said = talk(monkeypatch, capsys, "This is me.\n", *where, "--image", f"[{face}]")
        assert status != 0
        assert "the model is shown no pictures; start with one that sees" in " ".join(said.split())
        status, shown, _ = talk(monkeypatch, capsys, f"/image {face}\n/quit\n", *where)
        assert status == 0
        assert "the model is shown no pictures" in shown


def test_the_command_needs_a_file_and_a_picture_goes_with_the_next_words_alone():
    with pytest.raises(UserError, match="/image needs the picture's file behind it"):
        on_input(Session(), "/image")
    session, effects = on_input(Session(), "/image my face.png")
    assert effects == (ShowPicture("my face.png"),)
    session, _ = on_input(Session(pictures=("face.png",)), "This is me.")
    assert session.turns[0].images == ("face.png",)
    session, _ = on_input(session, "And more.")
    assert session.turns[1].images == ()
