"""JSON values as instances of dataclasses: nothing is converted, and each mistake names its place and field."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import pytest

from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, at_least, structured, unstructured


class Level(enum.IntEnum):
    NONE = 0
    SOME = 1


@dataclass(frozen=True)
class Turn:
    role: Literal["seeker", "supporter"]
    content: Text
    images: tuple[str, ...] = ()

    def __post_init__(self):
        if self.content == "…" and not self.images:
            raise ValueError("a turn without words needs an image")


@dataclass(frozen=True)
class Talk:
    id: Text
    turns: tuple[Turn, ...]
    level: Level
    pair: tuple[str, str]
    begins: int | None
    count: Annotated[int, Check(at_least(1))] = 1
    labels: Mapping[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    provenance: tuple[Mapping[str, Any], ...] = ()
    share: float = 0.5


PLAIN = {
    "id": "a",
    "turns": [{"role": "seeker", "content": "Hello."}, {"role": "supporter", "content": "…", "images": ["a.png"]}],
    "level": 1,
    "pair": ["x", "y"],
    "begins": None,
}
FULL = PLAIN | {
    "begins": 1,
    "count": 3,
    "labels": {"emotion": True},
    "notes": ["one"],
    "provenance": [{"stage": "filter", "n": 1}],
    "share": 1,
}


def test_a_json_object_becomes_an_instance_of_the_types_that_its_fields_name():
    talk = structured(Talk, FULL, "here")
    assert talk.turns[1] == Turn("supporter", "…", ("a.png",))
    assert talk.level is Level.SOME
    assert talk.pair == ("x", "y")
    assert (talk.notes, talk.labels, talk.share, talk.begins) == (["one"], {"emotion": True}, 1, 1)


@pytest.mark.parametrize("value", [PLAIN, FULL])
def test_what_is_written_is_json_that_reads_back_the_same(value):
    talk = structured(Talk, value, "here")
    written = json.loads(json.dumps(unstructured(talk)))
    assert structured(Talk, {"begins": None} | written, "here") == talk
    assert written == {name: value for name, value in value.items() if value is not None}
    assert list(written) == [field.name for field in fields(Talk) if field.name in written]


def test_null_stands_for_a_default_that_is_no_null():
    assert structured(Talk, PLAIN | {"count": None, "notes": None}, "here") == structured(Talk, PLAIN, "here")


def test_unknown_fields_are_left_out_where_that_is_wanted_and_nothing_else_is_let_through():
    assert structured(Talk, PLAIN | {"other": 1}, "here", unknown_fields="ignore") == structured(Talk, PLAIN, "here")
    with pytest.raises(UserError, match=r"^here: field 'id' must be a string, found a number\.$"):
        structured(Talk, PLAIN | {"id": 1}, "here", unknown_fields="ignore")


def _turn(**changes: object) -> dict:
    return {"turns": [PLAIN["turns"][0], {"role": "seeker", "content": "Yes."} | changes]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": 3}, "here: field 'id' must be a string, found a number."),
        ({"id": None}, "here: field 'id' must be a string, found null."),
        ({"id": " "}, "here: field 'id' must be a string that is not empty."),
        ({"turns": "abc"}, "here: field 'turns' must be a list, found a string."),
        ({"turns": [3]}, "here, turn 1: must be an object, found a number."),
        (_turn(content=""), "here, turn 2: field 'content' must be a string that is not empty."),
        (
            _turn(role="helper"),
            "here, turn 2: unknown role 'helper'; did you mean 'seeker'? it can be one of: seeker, ",
        ),
        (_turn(role=["seeker"]), "here, turn 2: unknown role ['seeker']; "),
        (_turn(content="…"), "here, turn 2: a turn without words needs an image."),
        (_turn(images=[1]), "here, turn 2, image 1: must be a string, found a number."),
        (_turn(imagse=[]), "here, turn 2: unknown field 'imagse'; did you mean 'images'? it can be one of: role, "),
        ({"level": 2}, "here: unknown level 2; it can be one of: 0, 1."),
        ({"level": True}, "here: unknown level True; it can be one of: 0, 1."),
        ({"pair": ["x"]}, "here: field 'pair' must be a list of 2, found 1."),
        ({"begins": "1"}, "here: field 'begins' must be a whole number, found a string."),
        ({"begins": 1.0}, "here: field 'begins' must be a whole number, found a number."),
        ({"count": 0}, "here: field 'count' must be a whole number from 1, found 0."),
        ({"count": True}, "here: field 'count' must be a whole number, found a boolean."),
        ({"labels": {"emotion": 1}}, "here: field 'labels.emotion' must be true or false, found a number."),
        ({"labels": []}, "here: field 'labels' must be an object, found a list."),
        ({"provenance": [1]}, "here, provenance 1: must be an object, found a number."),
        ({"share": "1"}, "here: field 'share' must be a number, found a string."),
        ({"idd": "a", "id": 3}, "here: unknown field 'idd'; did you mean 'id'? "),
    ],
)
def test_a_mistake_is_one_sentence_that_names_place_and_field(changes, said):
    with pytest.raises(UserError) as error:
        structured(Talk, PLAIN | changes, "here")
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("name", PLAIN)
def test_a_field_that_is_missing_is_named(name):
    with pytest.raises(UserError, match=f"^here: field '{name}' is missing.$"):
        structured(Talk, {key: value for key, value in PLAIN.items() if key != name}, "here")


def test_something_else_than_an_object_is_refused():
    with pytest.raises(UserError, match=r"^here: must be an object, found a list\.$"):
        structured(Talk, [PLAIN], "here")
