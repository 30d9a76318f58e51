"""Small files that would grow are refused in a sentence, within seconds and little memory."""

import json
import resource
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.cli.configure import parse_config
from compeer_jax.data.corpora.rows import Fault, file_rows
from compeer_jax.data.jsonl import read_jsonl, read_rows
from compeer_jax.errors import UserError
from compeer_jax.strict_yaml import load_yaml

MORE_KILOBYTES = 300_000


@pytest.fixture(autouse=True)
def _modest():
    """No test here takes more than some seconds and 300 MB."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MORE_KILOBYTES


OPENINGS = ("[", '{"a":', '[{"a":', "[[[1],", '{"a":[', "[ ")


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("opening", OPENINGS)
def test_deep_nesting_is_a_fault_of_the_file(tmp_path, name, opening):
    path = tmp_path / name
    path.write_text(opening * (400_000 // len(opening)))
    rows = list(file_rows(path, name))
    assert rows
    assert all(isinstance(row, Fault) for row in rows)
    for read in (read_rows, lambda path: list(read_jsonl(path))):
        with pytest.raises(UserError, match=name):
            read(path)


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_rows_of_an_array_are_what_json_says(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("rows") / "a.json"
    path.write_text(json.dumps([{"a": value}, {"b": 1.5}], indent=1))
    assert [row.value for row in file_rows(path, "a.json")] == [{"a": value}, {"b": 1.5}]


def laughs(levels: int, each: int) -> str:
    lines = ["a0: &a0 x"] + [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * each)}]" for level in range(1, levels)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text, says",
    [
        (laughs(30, 9), "more than 100,000 values when aliases"),
        ("a: &a [*a]", "more than 100,000 values when aliases"),
        ("[" * 5000, "nested too deeply"),
        ("{a: " * 5000, "nested too deeply"),
        ("- " * 5000 + "a", "nested too deeply"),
        ("a: b\n" * 300_000, "more than 1,048,576"),
    ],
)
def test_yaml_that_grows_is_refused(text, says, tmp_path):
    with pytest.raises(UserError, match=says):
        load_yaml(text, "the settings of a.yaml")
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        parse_config(Outer, ["--config", str(path)], command="x", description="")


def test_aliases_that_settings_need_are_read():
    assert load_yaml("a: &a {b: [1, 2]}\nc: *a\nd: [*a, *a]", "x") == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": [{"b": [1, 2]}] * 2,
    }


# "~"


@dataclass(frozen=True)
class Inner:
    """Inner.

    Args:
        path: a path.
    """

    path: str = ""


@dataclass(frozen=True)
class Outer:
    """Outer.

    Args:
        path: a path.
        inner: more.
        many: paths by name.
        more: more paths.
    """

    path: str = ""
    inner: Inner = field(default_factory=Inner)
    many: dict[str, str] = field(default_factory=dict)
    more: list[Inner] = field(default_factory=list)


def test_a_tilde_is_the_home_wherever_a_path_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    path = tmp_path / "a.yaml"
    path.write_text("inner: {path: ~/b}\nmany: {x: ~/c, y: d~/e}\nmore: [{path: ~/f}]\n")
    config = parse_config(Outer, ["--config", str(path), "--path=~/a"], command="x", description="")
    assert (config.path, config.inner.path) == ("/home/me/a", "/home/me/b")
    assert config.many == {"x": "/home/me/c", "y": "d~/e"}
    assert [item.path for item in config.more] == ["/home/me/f"]
