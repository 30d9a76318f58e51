"""Files that people have: roles by other names, contents in parts, dialogues inside of something."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.cli.configure import parse_config
from compeer_jax.curation.config import BuildConfig
from compeer_jax.data.corpora import Rejected, iter_corpus, read_corpus
from compeer_jax.data.corpora.chats import text_and_images
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.roles import IGNORED, ROLES, SEEKER, SUPPORTER, roles_with
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.errors import UserError

SAID = ("I failed.", "That hurts.")
CHAT = [{"role": "user", "content": SAID[0]}, {"role": "assistant", "content": SAID[1]}]


def read(path, **settings):
    return list(iter_corpus(CorpusConfig(path=str(path), **settings)))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def talk(first, second):
    return [{"role": first, "content": SAID[0]}, {"role": second, "content": SAID[1]}]


FORMS = {
    "messages": lambda first, second: {"messages": talk(first, second)},
    "esconv": lambda first, second: {
        "dialog": [{"speaker": first, "content": SAID[0]}, {"speaker": second, "content": SAID[1]}]
    },
    "mesc": lambda first, second: {
        "dialog": [
            {"speaker": first, "text": SAID[0], "emotion": "sadness"},
            {"speaker": second, "text": SAID[1], "emotion": "neutral"},
        ]
    },
    "transcript": lambda first, second: [f"{first}: {SAID[0]}", f"{second}：{SAID[1]}"],
    "pairs": lambda first, second: [[first, SAID[0]], [second, SAID[1]]],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_role_that_we_do_not_know_is_named_with_the_setting_that_says_whose_it_is(tmp_path, form):
    path = write(tmp_path / "a.jsonl", json.dumps(FORMS[form]("student", "Dr Chen")) + "\n")
    (refused,) = read(path)
    assert isinstance(refused, Rejected)
    assert refused.reason.startswith("unknown role: ")
    assert "'student'" in refused.reason
    assert "the setting roles (corpora[].roles, data.roles) says whose" in refused.reason
    roles = {"Student": "seeker", "dr_chen": "supporter"}
    (dialogue,) = read(path, roles=roles)
    assert [(turn.role, turn.content) for turn in dialogue.turns] == [*zip(("seeker", "supporter"), SAID, strict=True)]
    assert dialogue.provenance[-1]["form"] == form
    (strict,), _ = read_corpus(path, roles=roles)
    assert strict.turns == dialogue.turns


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "first, second", [("helpee", "helper"), ("患者", "医生"), ("Client", "COUNSELOR"), ("usr", "sys")]
)
def test_the_usual_names_need_no_setting(tmp_path, form, first, second):
    (dialogue,) = read(write(tmp_path / "a.jsonl", json.dumps(FORMS[form](first, second)) + "\n"))
    assert [turn.role for turn in dialogue.turns] == ["seeker", "supporter"]


def test_what_a_user_names_goes_before_what_we_know_and_none_is_left_out(tmp_path):
    rows = [*talk("assistant", "user"), {"role": "note", "content": "He cries."}]
    path = write(tmp_path / "a.json", json.dumps(rows))
    (dialogue,) = read(path, roles={"assistant": "seeker", "user": "supporter", "note": "none"})
    assert [(turn.role, turn.content) for turn in dialogue.turns] == [*zip(("seeker", "supporter"), SAID, strict=True)]
    with pytest.raises(UserError, match=r"a\.json: unknown side of role 'note' 'nobody'; .*seeker, supporter"):
        read(path, roles={"note": "nobody"})


@given(st.sampled_from([*SEEKER, *SUPPORTER, *IGNORED]), st.sampled_from(["-", "_", "  ", " "]), st.booleans())
def test_no_spelling_of_a_name_changes_its_side(name, between, upper):
    spelled = f" {name.replace(' ', between)} "
    assert ROLES.side(spelled.upper() if upper else spelled, "here") == ROLES.side(name, "here")
    assert {*SEEKER}.isdisjoint({*SUPPORTER, *IGNORED})
    assert roles_with({spelled: "none"}, "here").side(name, "here") is None


@given(st.none() | st.integers() | st.text(max_size=100) | st.lists(st.text(), max_size=2))
def test_any_name_has_a_side_or_is_one_line(name):
    try:
        assert ROLES.side(name, "here") in ("seeker", "supporter", None)
    except UserError as error:
        assert str(error).startswith("here: unknown role ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


def test_roles_come_from_the_command_line_and_reach_the_data_of_a_run(tmp_path):
    config = parse_config(
        BuildConfig,
        ["--corpora", "[{path: a.jsonl, roles: {coach: supporter, 学员: seeker}}]"],
        command="x",
        description="",
    )
    assert config.corpora[0].roles == {"coach": "supporter", "学员": "seeker"}
    path = write(tmp_path / "a.jsonl", (json.dumps({"messages": talk("学员", "coach")}) + "\n") * 12)
    settings = {"format": "plain", "prompt": "plain"}
    splits = load_records(DataConfig(path=str(path), roles=config.corpora[0].roles, **settings))
    assert splits.train[0].reference.response == SAID[1]
    with pytest.raises(UserError, match="unknown role '学员'"):
        load_records(DataConfig(path=str(path), **settings))


def test_texts_in_parts_are_joined_and_pictures_kept(tmp_path):
    parts = [
        {"type": "text", "text": "I failed."},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        "Look.",
        {"type": "image", "image": "b.png"},
    ]
    (dialogue,) = read(write(tmp_path / "a.json", json.dumps([CHAT[0] | {"content": parts}, CHAT[1]])))
    assert (dialogue.turns[0].content, dialogue.turns[0].images) == ("I failed.\nLook.", ("a.png", "b.png"))


@pytest.mark.parametrize(
    "part, says",
    [
        ({"type": "input_audio", "input_audio": {}}, "part 1: a part of type 'input_audio' isn't read"),
        ({"type": "text"}, "part 1: field 'text' must be text"),
        (3, "part 1: field 'text' must be text"),
        ({"type": "image"}, "part 1: the image has no path"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}, "part 1: the image is in the text"),
    ],
)
def test_a_part_that_is_not_read_is_named(part, says):
    with pytest.raises(UserError, match=f"^here, {says}"):
        text_and_images([part], "here")


WRAPPED = {
    "a list under a name": {"version": 1, "data": [{"messages": CHAT}, {"messages": CHAT}]},
    "splits": {"train": [{"messages": CHAT}], "test": [{"messages": CHAT}]},
    "by their ids": {"a": {"messages": CHAT}, "b": {"messages": CHAT}},
    "bare turns by their ids": {"a": CHAT, "b": CHAT},
    "pairs": {"rows": [{"prompt": SAID[0], "response": SAID[1]}, {"prompt": SAID[0], "response": SAID[1]}]},
    "several": [{"data": [{"messages": CHAT}]}, {"data": [{"messages": CHAT}]}],
    "under a name that dialogues have": {"conversations": [{"messages": CHAT}, {"messages": CHAT}]},
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", WRAPPED)
def test_an_object_of_dialogues_is_read_as_them(tmp_path, name, indent):
    objects = WRAPPED[name] if isinstance(WRAPPED[name], list) else [WRAPPED[name]]
    path = write(tmp_path / "a.json", "\n".join(json.dumps(one, indent=indent) for one in objects))
    dialogues = read(path)
    assert [[turn.content for turn in one.turns] for one in dialogues] == [list(SAID)] * 2
    assert [one.turns for one in read_corpus(path)[0]] == [one.turns for one in dialogues]
    if name == "by their ids":
        assert [one.id for one in dialogues] == ["a-a", "a-b"]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("form", FORMS)
def test_one_dialogue_in_a_file_is_not_taken_for_an_object_of_them(tmp_path, form, indent):
    row = FORMS[form]("user", "assistant")
    (dialogue,) = read(write(tmp_path / "a.json", json.dumps(row, indent=indent)))
    assert [turn.content for turn in dialogue.turns] == list(SAID)
