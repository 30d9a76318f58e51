"""Files of corpora as they come: whole, cut off, in the wrong encoding, empty, a dialogue a file, folders of them."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora import Rejected, iter_corpus, read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.marking import HALF, MarkedFile, mark_in
from compeer_jax.data.corpora.places import corpus_files, dialogue_id, plain_name
from compeer_jax.data.corpora.rows import Fault, file_rows
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

TALK = [{"role": "user", "content": "我很难过。"}, {"role": "assistant", "content": "我在听。"}]
CHATS = [{"id": f"c{number}", "messages": TALK} for number in range(4)]
PAIRS = [["usr", "a"], ["sys", "b"], ["usr", "c"]]


def read(path, **settings):
    return list(iter_corpus(CorpusConfig(path=str(path), **settings)))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def kinds(items):
    return [item.reason.partition(":")[0] if isinstance(item, Rejected) else item.id for item in items]


LAYOUTS = {
    "lines": "".join(json.dumps(chat) + "\n" for chat in CHATS),
    "a line less": "\n".join(map(json.dumps, CHATS)),
    "an array": json.dumps(CHATS),
    "an array over lines": json.dumps(CHATS, indent=2),
    "an array, an object a line": "[\n" + ",\n".join(map(json.dumps, CHATS)) + "\n]\n",
    "white space first": "\n \n" + json.dumps(CHATS, indent=1),
    "objects over lines": "\n".join(json.dumps(chat, indent=2) for chat in CHATS),
    "windows": "\ufeff" + json.dumps(CHATS, indent=1, ensure_ascii=False).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_a_file_gives_the_same_dialogues(tmp_path, layout):
    dialogues = read(write(tmp_path / "chats.json", LAYOUTS[layout]))
    assert [(one.id, [turn.content for turn in one.turns]) for one in dialogues] == [
        (f"chats-c{number}", ["我很难过。", "我在听。"]) for number in range(4)
    ]


@pytest.mark.parametrize(
    "name, content",
    [
        ("augesc.txt", f"{json.dumps(PAIRS)}\n{json.dumps(PAIRS)}\n"),
        ("augesc.json", f"{json.dumps(PAIRS)}\n{json.dumps(PAIRS)}\n"),
        ("augesc.json", json.dumps([PAIRS, PAIRS], indent=1)),
        ("augesc.json", json.dumps([PAIRS, PAIRS])),
    ],
)
def test_arrays_of_pairs_are_told_from_arrays_of_those(tmp_path, name, content):
    dialogues = read(write(tmp_path / name, content))
    assert ["".join(turn.content for turn in one.turns) for one in dialogues] == ["abc", "abc"]


@pytest.mark.parametrize("content", [PAIRS, ["来访者：a", "咨询师：b"], TALK])
def test_an_array_of_turns_is_one_dialogue_named_after_its_file(tmp_path, content):
    write(tmp_path / "topic one" / "1.json", json.dumps(content, indent=1))
    write(tmp_path / "topic two" / "1.json", json.dumps(content))
    first, second = read(tmp_path, name="cases")
    assert (first.id, second.id) == ("cases-topic-one-1", "cases-topic-two-1")
    assert [step["file"] for step in (*first.provenance, *second.provenance)] == [
        "topic one/1.json",
        "topic two/1.json",
    ]
    assert first.turns == second.turns


def test_an_array_that_is_cut_off_keeps_what_came_before(tmp_path):
    whole = json.dumps(CHATS, ensure_ascii=False).encode()
    path = write(tmp_path / "chats.json", whole[: len(whole) * 5 // 8])
    *good, cut = read(path)
    assert [one.id for one in good] == ["chats-c0", "chats-c1"]
    assert cut.where == "chats.json, row 2"
    assert cut.reason == "cut off: the file ends in the middle of it; fetch the file again."


def test_an_array_with_a_fault_keeps_what_came_before(tmp_path):
    rows = list(map(json.dumps, CHATS))
    *good, bad = read(write(tmp_path / "chats.json", f"[{rows[0]}, {rows[1]} {rows[2]}, {rows[3]}]"))
    assert [one.id for one in good] == ["chats-c0", "chats-c1"]
    assert bad.where == "chats.json, row 2"
    assert bad.reason.startswith("not JSON: not JSON (parse error: after array element, I expect ',' or ']')")


def test_lines_that_are_cut_off_or_empty_cost_only_themselves(tmp_path):
    rows = list(map(json.dumps, CHATS))
    items = read(write(tmp_path / "a.jsonl", f"{rows[0]}\n\n{rows[1][:-9]}\n{rows[2]}\n{rows[3][:20]}"))
    assert kinds(items) == ["a-c0", "empty line", "not JSON", "a-c2", "not JSON"]
    assert items[2].row == rows[1][:-9]
    assert [item.where for item in items if isinstance(item, Rejected)] == [f"a.jsonl, line {n}" for n in (2, 3, 5)]


def test_an_array_of_turns_that_is_cut_off_is_no_dialogue(tmp_path):
    (item,) = read(
        write(tmp_path / "1.json", json.dumps(["来访者：a", "咨询师：b", "来访者：c"], ensure_ascii=False)[:-4])
    )
    assert (item.where, item.row) == ("1.json", ["来访者：a", "咨询师：b"])
    assert item.reason.startswith("cut off: the file ends in the middle of it; fetch the file again.")


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("layout", ["lines", "an array over lines"])
def test_other_encodings_are_refused_in_a_line_a_record(tmp_path, encoding, layout):
    text = LAYOUTS["lines"] if layout == "lines" else json.dumps(CHATS, indent=1)
    text = text.encode().decode("unicode_escape") if layout == "lines" else json.dumps(CHATS, ensure_ascii=False)
    items = read(write(tmp_path / "a.json", text.encode(encoding)))
    assert items
    assert all(isinstance(item, Rejected) and "\n" not in item.reason for item in items)
    if encoding == "gbk":
        assert {item.reason.partition(":")[0] for item in items} == {"wrong encoding"}
        assert len(items) == 4


def test_bytes_that_are_no_utf8_cost_only_their_record(tmp_path):
    rows = [json.dumps(chat, ensure_ascii=False).encode() for chat in CHATS]
    rows[1] = rows[1].replace("难".encode(), "难".encode("gbk"))
    for name, content in {"a.json": b"[" + b", ".join(rows) + b"]", "a.jsonl": b"\n".join(rows)}.items():
        items = read(write(tmp_path / name, content), name="a")
        assert kinds(items) == ["a-c0", "wrong encoding", "a-c2", "a-c3"]
    (text,) = read(write(tmp_path / "case.txt", "来访者：难\n咨询师：好".encode("gbk")))
    assert text.reason.startswith("wrong encoding: not UTF-8 (byte ")


PIECES = [*"a难", "\\\\", '\\"', "\\n", "\\u96be", "\\ud83d\\ude00", "\\uD83D", "\\ude00", "\\\\ud83d"]


@given(st.lists(st.sampled_from(PIECES)))
def test_escapes_come_through_whole_however_they_are_cut_and_half_ones_are_marked(pieces):
    text = "".join(pieces)
    file = MarkedFile(io.BytesIO(f'"{text}"'.encode()))
    read = b"".join(iter(lambda: file.read(5), b"")).decode()
    expected = json.loads(f'"{text}"')
    if any("\ud800" <= character <= "\udfff" for character in expected):
        assert mark_in([{"a": json.loads(read)}]) == HALF
        assert file.found
    else:
        assert json.loads(read) == expected
        assert mark_in({expected: [expected]}) is None
        assert not file.found


def test_half_an_escaped_character_costs_only_its_record(tmp_path):
    rows = [json.dumps(chat) for chat in CHATS]
    rows[1] = rows[1].replace("\\u96be", "\\ud83d")
    for name, content in {"a.json": f"[{', '.join(rows)}]", "a.jsonl": "\n".join(rows)}.items():
        items = read(write(tmp_path / name, content), name="a")
        assert kinds(items) == ["a-c0", "half a character", "a-c2", "a-c3"]


def test_bytes_that_are_no_utf8_are_found_wherever_a_reader_cuts(tmp_path):
    text = "难" * 70_000
    row = json.dumps([{"messages": [{"role": "user", "content": text}, TALK[1]]}], ensure_ascii=False)
    (dialogue,) = read(write(tmp_path / "a.json", row))
    assert dialogue.turns[0].content == text


def test_empty_and_missing_files_and_folders_are_named(tmp_path):
    assert kinds(read(write(tmp_path / "a.jsonl", ""))) == ["empty file"]
    assert kinds(read(write(tmp_path / "b.json", "[]"))) == ["empty file"]
    with pytest.raises(UserError, match=r"absent\.json can't be read \(No such file or directory\); check the path"):
        read(tmp_path / "absent.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty has no file that ends with \.json, \.jsonl"):
        read(tmp_path / "empty")


def test_a_folder_is_read_in_order_without_what_is_hidden_or_no_data(tmp_path):
    for name in ("b.json", "a/2.jsonl", ".cache/x.json", "_old/x.json", "README.md", "picture.png"):
        write(tmp_path / name, json.dumps({"messages": TALK}))
    assert [path.name for path in corpus_files(str(tmp_path))] == ["2.jsonl", "b.json"]
    assert [one.id for one in read(tmp_path, name="t")] == ["t-a-2-0001", "t-b-0001"]


def test_a_faulty_file_of_a_folder_leaves_the_others(tmp_path):
    write(tmp_path / "1.json", json.dumps(TALK))
    write(tmp_path / "2.json", json.dumps(TALK)[:30])
    write(tmp_path / "3.json", json.dumps(TALK))
    assert kinds(read(tmp_path, name="t")) == ["t-1", "cut off", "t-3"]


@pytest.mark.parametrize(
    "source, path, file, record, own, id",
    [
        ("esconv", "data/ESConv.json", "ESConv.json", 17, None, "esconv-0017"),
        ("smile", "smile.jsonl", "smile.jsonl", 18, "17", "smile-17"),
        ("mine", "mine.jsonl", "mine.jsonl", 1, "mine-7", "mine-7"),
        ("cpsycoun", "CPsyCounE", "Love&Marriage/3.json", None, None, "cpsycoun-Love-Marriage-3"),
        ("x", "folder", "part-1.json", 12_345, None, "x-part-1-12345"),
        ("esconv", "thu-coai/esconv", "thu-coai/esconv", 3, None, "esconv-0003"),
        ("esconv", "thu-coai/esconv:default", "thu-coai/esconv:default", 3, None, "esconv-0003"),
    ],
)
def test_ids_begin_with_the_source_and_tell_records_apart(source, path, file, record, own, id):
    assert dialogue_id(source, path, file, record, own) == id


def test_corpora_are_called_after_their_files():
    names = ("a/ESConv.json", "folder/", "owner/name.v2", "owner/name:config", "心理.jsonl", "...")
    assert [plain_name(name) for name in names] == ["ESConv", "folder", "name-v2", "name", "心理", "corpus"]


def test_a_message_of_a_bare_array_may_have_pictures(tmp_path):
    talk = [TALK[0] | {"images": ["a.png"]}, TALK[1]]
    (dialogue,) = read(write(tmp_path / "1.json", json.dumps(talk)))
    assert dialogue.turns[0].images == ("a.png",)


def test_rows_are_read_one_at_a_time(tmp_path):
    path = write(tmp_path / "a.json", "[" + json.dumps(CHATS[0]) + ", " * 3)
    assert next(file_rows(path, "a.json")).value == CHATS[0]
    path = write(tmp_path / "b.json", "[" + ", ".join([json.dumps(CHATS[0])] * 2000) + "} broken")
    assert [one.id for one in read(path, limit=1)] == ["b-c0"]


@given(st.binary(max_size=200), st.sampled_from(["a.json", "a.jsonl", "a.txt"]))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, noise, name):
    good = json.dumps(CHATS, ensure_ascii=False).encode()
    folder = tmp_path_factory.mktemp("bytes")
    for content in (noise, good[: len(noise) * 2] + noise + good[len(noise) * 2 :]):
        path = write(folder / name, content)
        assert all(item.where.startswith(name) for item in file_rows(path, name))
        for item in read(path):
            if isinstance(item, Rejected):
                assert "\n" not in item.reason
                json.dumps([item.where, item.reason, item.row], ensure_ascii=False).encode()
            else:
                assert Dialogue.from_json(item.to_json(), "here") == item


@given(st.binary(max_size=120))
def test_the_strict_reader_raises_where_the_tolerant_one_rejects_first(tmp_path_factory, noise):
    row = {"id": "a", "language": "en", "source": "s", "licence": "l", "turns": [{"role": "seeker", "content": "x"}]}
    path = write(tmp_path_factory.mktemp("strict") / "a.jsonl", json.dumps(row).encode() + b"\n" + noise)
    faults = [item for item in file_rows(path, str(path)) if isinstance(item, Fault)]
    if faults:
        with pytest.raises(UserError, match=r"line \d+"):
            read_corpus(path)
