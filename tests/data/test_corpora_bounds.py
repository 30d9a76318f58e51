"""Files of corpora that would grow or have no end: refused in a sentence, within seconds and little memory."""

import gzip
import json
import os
import resource
import time
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.data.corpora import Rejected, iter_corpus, read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.reading import MOST_WRONG
from compeer_jax.data.jsonl import DEEPEST, LONGEST_ARRAY, LONGEST_LINE, parse_json, read_jsonl, read_rows
from compeer_jax.data.unpacked import FREE_GROWTH, MOST_GROWTH, open_unpacked
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

try:
    from compression import zstd
except ImportError:
    from backports import zstd

MORE_KILOBYTES = 700_000
PACK = {".gz": gzip.compress, ".zst": zstd.compress}
CHAT = {"messages": [{"role": "user", "content": "I am low."}, {"role": "assistant", "content": "Why is that?"}]}
LINES = "".join(json.dumps(CHAT | {"id": str(number)}) + "\n" for number in range(4)).encode()


@pytest.fixture(autouse=True)
def _modest():
    """No test here takes more than some seconds and 700 MB."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MORE_KILOBYTES


def read(path, **settings):
    return list(iter_corpus(CorpusConfig(path=str(path), **settings)))


def write(path, content):
    path.write_bytes(content)
    return path


def refused(path, kind, says):
    """The corpus's items, the last of which is of this kind and says this; the strict readers say it too."""
    *before, last = read(path)
    assert isinstance(last, Rejected)
    assert last.reason.startswith(f"{kind}: ")
    assert says in last.reason
    assert "\n" not in last.reason
    with pytest.raises(UserError):
        read_corpus(path)
    return before


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_read_as_what_is_in_them(tmp_path, suffix):
    plain = write(tmp_path / "chats.jsonl", LINES)
    packed = write(tmp_path / f"chats.jsonl{suffix}", PACK[suffix](LINES))
    array = write(tmp_path / f"chats.json{suffix}", PACK[suffix](json.dumps([CHAT, CHAT]).encode()))
    said = [(one.id, one.turns) for one in read(plain)]
    assert [(one.id, one.turns) for one in read(packed)] == said
    assert len(said) == 4
    assert [one.id for one in read(array)] == ["chats-0000", "chats-0001"]
    assert [one.turns for one in read_corpus(packed)[0]] == [one.turns for one in read_corpus(plain)[0]]
    assert [row for _, row in read_jsonl(packed)] == [row for _, row in read_jsonl(plain)]
    assert len(read_rows(array)) == 2
    (tmp_path / "chats.jsonl").unlink()
    assert len(read(tmp_path, name="both")) == 6


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("inner", [".jsonl", ".json", ".txt"])
@pytest.mark.parametrize("pattern", [b" ", b"\n", b"1\n", b"[", b"[1,", b"x", b'{"a": 1}\n', b"\0", b'"'])
def test_a_small_file_that_grows_is_refused(tmp_path, suffix, inner, pattern):
    bomb = PACK[suffix](pattern * (3 * FREE_GROWTH // len(pattern)))
    path = write(tmp_path / f"a{inner}{suffix}", bomb)
    assert MOST_GROWTH * len(bomb) < FREE_GROWTH
    items = read(path)
    assert all(isinstance(item, Rejected) for item in items)
    assert len(items) <= MOST_WRONG + 1
    for strict in (read_corpus, read_rows, lambda path: list(read_jsonl(path))):
        with pytest.raises(UserError):
            strict(path)
    with open_unpacked(path, "a") as file, pytest.raises(UserError, match="a: grows to more than 100 times its size"):
        list(file)


def test_ordinary_files_are_far_from_the_bound(shared_data):
    data = (shared_data / "esconv" / "ESConv.json").read_bytes()
    assert len(data) < MOST_GROWTH / 5 * len(gzip.compress(data)) + FREE_GROWTH


@pytest.mark.parametrize("suffix", PACK)
def test_a_packed_file_that_is_cut_off_keeps_what_came_before(tmp_path, suffix):
    noise = [CHAT | {"id": str(number), "note": os.urandom(2000).hex()} for number in range(200)]
    whole = PACK[suffix]("".join(json.dumps(row) + "\n" for row in noise).encode())
    path = write(tmp_path / f"a.jsonl{suffix}", whole[: len(whole) * 3 // 4])
    before = refused(path, "damaged file", "cut off")
    assert 100 < len(before) < 200
    assert all(isinstance(item, Dialogue | Rejected) for item in before)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    assert read(write(tmp_path / f"b.jsonl{suffix}", bytes(flipped)))


@pytest.mark.parametrize(
    "begin, says",
    [
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"BZh91AY", "packed by bzip2"),
        (b"\xfd7zXZ\x00rest", "packed by xz"),
        (b"PAR1rest", "let its name end with .parquet"),
        (b"SQLite format 3\x00", "a database"),
    ],
)
def test_files_that_are_no_text_are_named(tmp_path, begin, says):
    refused(write(tmp_path / "a.jsonl", begin), "not text", says)


@pytest.mark.parametrize("bom", [b"\xff\xfe", b"\xfe\xff"])
def test_utf16_is_named(tmp_path, bom):
    refused(write(tmp_path / "a.jsonl", bom + "a".encode("utf-16-le")), "wrong encoding", "UTF-16")
    with pytest.raises(UserError, match=r"a\.jsonl, line 1: not UTF-8 but UTF-16; save the file in UTF-8\."):
        list(read_jsonl(tmp_path / "a.jsonl"))


def test_pipes_and_devices_are_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path in (tmp_path / "pipe.jsonl", "/dev/zero"):
        for reader in (read, read_corpus, read_rows, lambda path: list(read_jsonl(path))):
            with pytest.raises(UserError, match=r"is a pipe or a device, which may have no end; save what it gives"):
                reader(path)


def test_a_line_that_is_too_long_costs_only_itself(tmp_path):
    good = json.dumps(CHAT).encode()
    path = write(tmp_path / "a.jsonl", b"\n".join([good, b"x" * (LONGEST_LINE * 3), good, b"[" * (LONGEST_LINE + 1)]))
    first, long, second, last = read(path)
    assert isinstance(first, Dialogue)
    assert isinstance(second, Dialogue)
    for item, line in ((long, 2), (last, 4)):
        assert item.where == f"a.jsonl, line {line}"
        assert item.reason == "too long: longer than 16 MiB, so not one row; write one JSON object a line."
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: longer than 16 MiB"):
        list(read_jsonl(path))


@pytest.mark.parametrize(
    "begin, more",
    [
        (b"[", b'"User: a",'),  # a dialogue of turns without end
        (b'[{"a": "', b"x"),
        (b'{"data": [{"messages": [', b'{"role": "user", "content": "a"},'),
        (b'{"messages": [\n', b'{"role": "user", "content": "a"},\n'),
        (b"[", b" "),
    ],
)
def test_a_row_without_end_is_refused(tmp_path, begin, more):
    path = write(tmp_path / "a.json", begin + more * (LONGEST_LINE * 9 // 8 // len(more)))
    (item,) = read(path)
    assert item.reason.startswith("too long: ")
    assert "longer than 16 MiB" in item.reason


def test_an_array_that_is_read_at_once_is_bounded(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.write(b"[")
        file.truncate(LONGEST_ARRAY + 2)
    with pytest.raises(UserError, match=r"a\.json is an array of more than 64 MiB; write one JSON object a line\."):
        read_rows(path)


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_nesting_is_bounded_in_lines_and_columns_too(tmp_path, opening, closing):
    levels = len(closing)
    for depth in (DEEPEST // levels, DEEPEST // levels + 1, 400):
        text = opening * depth + "1" + closing * depth
        row = {"id": "x", "messages": CHAT["messages"], "deep": text}
        if depth * levels <= DEEPEST:
            assert parse_json(text.encode(), "here")
        else:
            with pytest.raises(UserError, match="here: not readable as JSON"):
                parse_json(text.encode(), "here")
        path = write(tmp_path / "a.jsonl", (json.dumps(row) + "\n" + text + "\n").encode())
        good, bad = read(path)
        assert good.id == "a-x"
        assert isinstance(bad, Rejected)


def table(path, rows, **settings):
    pa.parquet.write_table(pa.Table.from_pylist(rows), path, **settings)
    return path


def test_columns_of_a_table_may_hold_a_dialogue_as_text(tmp_path):
    rows = [
        {"id": "a", "messages": json.dumps(CHAT["messages"])},
        {"id": "b", "conversation": json.dumps(CHAT)},
        {"id": "c", "conversation": "User: I am low.\nTherapist: Why is that?"},
    ]
    for number, row in enumerate(rows):
        (dialogue,) = read(table(tmp_path / f"{number}.parquet", [row]))
        assert [turn.content for turn in dialogue.turns] == ["I am low.", "Why is that?"]
    assert read_corpus(tmp_path / "0.parquet")[0][0].id == "0-a"


def test_a_table_that_grows_is_refused_before_it_is_unpacked(tmp_path):
    # One long text in a dictionary, named by each of many rows.
    same = pa.array(["x" * (1 << 20)]).dictionary_encode()
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), same.dictionary)
    pa.parquet.write_table(pa.table({"text": many}), tmp_path / "many.parquet", compression="zstd")
    zeros = pa.table({"text": ["\0" * (1 << 20)] * 200})
    pa.parquet.write_table(zeros, tmp_path / "zeros.parquet", compression="zstd", use_dictionary=False)
    long = table(tmp_path / "long.parquet", [{"text": os.urandom(LONGEST_LINE).hex()}])
    for path, kind, says in (
        (tmp_path / "many.parquet", "grows too large", "grows to more than 100 times its size"),
        (tmp_path / "zeros.parquet", "grows too large", "grows to more than 100 times its size"),
        (long, "too long", "longer than 16 MiB"),
    ):
        assert path.stat().st_size < 40 << 20
        refused(path, kind, says)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_table_is_rows_or_one_sentence(tmp_path_factory, data):
    path = table(tmp_path_factory.mktemp("table") / "a.parquet", [CHAT] * 3)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    for item in read(path):
        assert isinstance(item, Dialogue) or "\n" not in item.reason


TURN = b'{"role": "user", "content": "a"}'
PIECES = st.sampled_from(
    [
        *rb'[ ] { } , : " \ \ud800 \u0000 NaN -Infinity 1e999 true null "messages": "data": "text": "turns":'.split(),
        *(TURN, TURN.replace(b"user", b"assistant"), TURN.replace(b'"a"', b"null"), b'{"role": "user", "role": "a"}'),
        *(b"9" * 5000, b"\xef\xbb\xbf", b"\xff", "难".encode(), b"User: a\n", b"\r", b"\n", b'"a": {"messages": ['),
        *(b'{"prompt": "a", "response": "b"}', b'"content": [{"type": "text", "text": "a"}]', b'"content": [{"url":'),
    ]
)
NAMES = st.sampled_from(["a.json", "a.jsonl", "a.txt", "a.json.gz", "a.jsonl.zst", "a.gz", "a"])


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=12), NAMES, st.integers(0, 400))
def test_any_pieces_in_any_file_are_dialogues_or_one_sentence_each(tmp_path_factory, pieces, name, cut):
    content = b"".join(pieces)
    packed = gzip.compress(content) if name.endswith("gz") else content
    packed = zstd.compress(content) if name.endswith("zst") else packed
    path = write(tmp_path_factory.mktemp("pieces") / name, packed[: len(packed) - cut] if cut < 20 else packed)
    for item in read(path, roles={"a": "seeker"}):
        if isinstance(item, Rejected):
            assert "\n" not in item.reason
            assert item.where.startswith(name)
            json.dumps([item.row, item.reason], ensure_ascii=False).encode()
        else:
            assert Dialogue.from_json(json.loads(json.dumps(item.to_json())), "here") == item
    for strict in (read_corpus, read_rows, lambda path: list(read_jsonl(path))):
        with suppress(UserError):
            assert strict(path)
