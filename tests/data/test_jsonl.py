import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.jsonl import parse_json, read_jsonl, read_rows, write_jsonl
from compeer_jax.errors import UserError

text = st.text(st.characters(exclude_categories=["Cs"]))
rows = st.lists(st.dictionaries(text, st.one_of(st.none(), st.booleans(), st.integers(), text)), min_size=1)


@given(rows)
def test_what_is_written_is_read_back_for_any_unicode(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    assert write_jsonl(path, rows) == len(rows)
    assert [row for _, row in read_jsonl(path)] == rows


@given(st.binary())
def test_any_bytes_give_a_value_or_one_sentence(data):
    try:
        value = parse_json(data, "here")
    except UserError:
        with pytest.raises(UserError, match=r"^here: [^\n]*$"):
            parse_json(data, "here")
    else:
        json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "line, said",
    [
        (b'{"a": 1', "line 2: not JSON"),
        (b"[1, 2]", "line 2: expected a JSON object .* found list"),
        (b"", "line 2: empty"),
        (b"   ", "line 2: empty"),
        ("{'é': 1}".encode("latin-1"), "line 2: not UTF-8"),
        (rb'{"a": "\ud83d"}', "line 2: .*half a character"),
        (b"[" * 100_000, "line 2: not readable"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 2: not readable"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"good": "\xe2\x80\xa8 is no line end"}\n' + line + b"\n")
    reader = read_jsonl(path)
    assert next(reader) == (f"{path}, line 1", {"good": "\u2028 is no line end"})
    with pytest.raises(UserError, match=said):
        next(reader)


def test_missing_empty_and_unwritable_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.jsonl can't be read"):
        list(read_jsonl(tmp_path / "absent.jsonl"))
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match=r"empty\.jsonl is empty"):
        list(read_jsonl(tmp_path / "empty.jsonl"))
    with pytest.raises(UserError, match="can't be written"):
        write_jsonl(tmp_path / "empty.jsonl" / "rows.jsonl", [{}])


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert [row for _, row in read_jsonl(path)] == [{"a": 1}, {"a": 2}]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}])

    def broken():
        yield {"a": 2}
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_jsonl(path, broken())
    assert path.read_text() == '{"a": 1}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_and_lines_give_the_same_rows(tmp_path):
    rows = [{"a": 1}, {"a": "二"}]
    array, lines = tmp_path / "array.json", tmp_path / "lines.jsonl"
    array.write_text("\ufeff\n " + json.dumps(rows, indent=1), encoding="utf-8")
    write_jsonl(lines, rows)
    assert [row for _, row in read_rows(array)] == [row for _, row in read_rows(lines)] == rows
    assert read_rows(array)[1][0] == f"{array}, row 1"


@pytest.mark.parametrize(
    "text, said",
    [("[]", "is an empty list"), ('[{"a": 1}, 2]', "row 1: expected a JSON object"), ('[{"a": 1}', "not JSON")],
)
def test_a_bad_array_is_named(tmp_path, text, said):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(UserError, match=said):
        read_rows(tmp_path / "rows.json")
    with pytest.raises(UserError, match="can't be read"):
        read_rows(tmp_path)
