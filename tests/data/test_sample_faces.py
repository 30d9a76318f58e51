"""Drawn faces: the files of the bundled dialogues are what is drawn, and a face tells its emotion."""

from pathlib import Path

import numpy as np
import pytest

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.pictures import PictureLimits, inspect_picture, pictures_of, read_pixels
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.sample_faces import EXPRESSIONS, PERSONS, draw_face, face_name
from compeer_jax.errors import UserError


def test_the_files_are_what_is_drawn():
    folder = Path(read_pixels.__code__.co_filename).parent / "sample"
    names = {face_name(emotion, person) for emotion in EXPRESSIONS for person in range(PERSONS)}
    assert {file.relative_to(folder).as_posix() for file in (folder / "faces").iterdir()} == names
    for emotion in EXPRESSIONS:
        for person in range(PERSONS):
            drawn = draw_face(emotion, person=person)
            there = read_pixels(folder / face_name(emotion, person), "the sample")
            # Machines may round a colour at an edge another way.
            assert np.abs(there.astype(int) - drawn.astype(int)).max() <= 1


def test_an_emotion_looks_more_like_itself_in_somebody_else_than_like_another():
    """Of persons that nobody has drawn before: the nearest emotion, once each person's own look is taken off."""

    def looks(person: int) -> np.ndarray:
        faces = np.stack([draw_face(emotion, person=person) for emotion in EXPRESSIONS]).astype(float)
        return (faces - faces.mean(axis=0)).mean(axis=-1).reshape(len(EXPRESSIONS), -1)

    known = sum(looks(person) for person in range(20)) / 20
    for person in (100, 101, 102):
        distance = np.linalg.norm(looks(person)[:, None] - known[None], axis=-1)
        np.testing.assert_array_equal(distance.argmin(axis=1), np.arange(len(EXPRESSIONS)))


def test_an_emotion_without_a_face_is_named():
    with pytest.raises(UserError, match="unknown emotion of a face 'anxeity'; did you mean 'anxiety'"):
        draw_face("anxeity")


def test_the_bundled_dialogues_with_faces_say_the_same_and_show_their_emotion():
    plain, _ = read_corpus("sample")
    shown, report = read_corpus("sample_faces")
    assert str(report).startswith("sample_faces: 76 dialogues")
    for one, other in zip(plain, shown, strict=True):
        assert [turn.content for turn in one.turns] == [turn.content for turn in other.turns]
        (name,) = pictures_of(other.turns)
        assert name.startswith(f"faces/{one.emotion_type}-")


def test_records_show_them_if_that_is_asked_for_and_else_say_that_they_are_there():
    asked = load_records(DataConfig("sample_faces", prompt="compeer_brief", pictures=PictureLimits(1)))
    paths = [path for record in asked.train for path in pictures_of(record.history)]
    assert paths
    assert {inspect_picture(path, "here").height for path in paths} == {84}
    words = load_records(DataConfig("sample_faces", prompt="compeer_brief"))
    assert [record.id for record in words.train] == [record.id for record in asked.train]
    assert "are not shown (data.pictures.most: 0)." in words.summary
    assert "not shown" not in load_records(DataConfig(prompt="compeer_brief")).summary
