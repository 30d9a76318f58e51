"""Our TensorFlow Datasets give the rows of the JSON lines they were built from, offline, without TensorFlow."""

import json
import shutil
import subprocess
import sys

import grain
import pytest
import tensorflow_datasets as tfds
from judged_records import judged_records

from compeer_jax.curation.tfds.cer import Cer, judge_row, record_row
from compeer_jax.curation.tfds.esconv import Esconv, dialogue_row
from compeer_jax.curation.tfds.prepare import prepare
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.danger.withheld import forbidden, why_withheld
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

PROVENANCE = [{"stage": "corpora", "file": "ESConv.json", "record": 3}, {"stage": "privacy", "masked": {"email": 1}}]
TALK = {"language": "zh", "source": "test", "licence": "CC0 1.0"}
HISTORY = [
    {"role": "seeker", "content": "你好。\n看！", "images": ["a/1.png", "b.png"]},
    {"role": "supporter", "content": "嗯？", "strategy": "Restatement or Paraphrasing"},
    {"role": "seeker", "content": " ", "images": ["c.png"], "caption": "The speaker looks tired."},
]
SFT = [
    {
        **TALK,
        "id": "talk#2/m",
        "situation": "Exams.",
        "problem_type": "job crisis",
        "history": HISTORY,
        "reference": {
            "steps": {"history": "他累了。", "emotion": "Tired.", "strategy": "Ask."},
            "labels": {"stage": "exploration", "emotion": "sadness", "strategy": "Question"},
            "response": "怎么了？",
        },
        "provenance": PROVENANCE,
    },
    {
        **TALK,
        "id": "bare",
        "history": HISTORY[:1],
        "reference": {"steps": {"context": "c"}, "labels": {}, "response": "r"},
    },
]
RL = [
    {
        **TALK,
        "id": f"talk#{number}",
        "history": HISTORY,
        "reference": {"steps": {}, "labels": {"strategy": "Question"} if number else {}, "response": "怎么了？"},
    }
    for number in (0, 2)
]


def judged() -> list[dict]:
    """Records with everything, and with what may be missing left out."""
    rows = judged_records(4)
    rows[0] |= {
        "history": HISTORY,
        "situation": "Exams.",
        "critiques": {"history": "对。", "first": "asks", "response": "Both."},
        "provenance": PROVENANCE,
    }
    rows[1] |= {"steps": rows[1]["steps"] | {"strategy": ""}, "labels": {"emotion": False}}
    del rows[1]["preference"]
    rows[2] |= {"labels": {}}
    return rows


@pytest.fixture
def cer(tmp_path):
    """A folder as the cer stage writes it: views of their own, a held-out split that is empty, variants of train."""
    folder = tmp_path / "cer"
    for view in ("unifi", "prm", "orm"):
        write_jsonl(folder / view / "train.jsonl", judged())
        write_jsonl(folder / view / "valid.jsonl", judged()[:1])
        (folder / view / "test.jsonl").touch()
    write_jsonl(folder / "unifi/train_p.jsonl", [*judged(), judged()[0] | {"id": "talk#0~p"}])
    write_jsonl(folder / "sft/train.jsonl", SFT)
    write_jsonl(folder / "rl/train.jsonl", RL)
    write_jsonl(folder / "rl/train_p.jsonl", [RL[0] | {"id": "talk#0~p"}, *RL])
    return folder


def read(folder, split="train"):
    return tfds.builder_from_directory(folder).as_data_source(split=split)


@pytest.mark.long
def test_esconv_is_what_reading_its_file_gives(shared_data, tmp_path):
    path = shared_data / "esconv/ESConv.json"
    rows = [dialogue.to_json() for dialogue in read_corpus(path)[0]]
    for turn in (turn for row in rows for turn in row["turns"] if turn["role"] == "supporter"):
        if forbidden(turn["content"]):  # five say that they are persons, or therapists
            turn["content"] = f"[{why_withheld(turn['content'])}]"
    source = read(prepare("esconv", path, tmp_path))
    assert len(source) == 1300
    assert [dialogue_row(source[row]) for row in (1299, 0, 700, 0)] == [rows[row] for row in (1299, 0, 700, 0)]
    assert [Dialogue.from_json(dialogue_row(example), "here").to_json() for example in source] == rows


def test_a_folder_with_esconv_in_it_gives_the_same(shared_data, tmp_path):
    folder = prepare("esconv", shared_data / "esconv", tmp_path)
    assert folder == tmp_path / "esconv/1.0.0"
    assert len(read(folder, "train[10%:20%]")) == 130


def test_labels_are_numbers_with_names(tmp_path):
    builder = esconv_of_two(tmp_path)
    first, second = builder.as_data_source(split="train")
    turns = builder.info.features["turns"].feature
    assert [turns["strategy"].int2str(int(label)) for label in second["turns"]["strategy"]] == ["none", "Question"]
    assert [turns["role"].int2str(int(label)) for label in second["turns"]["role"]] == ["seeker", "supporter"]
    emotions = builder.info.features["emotion_type"]
    assert [emotions.int2str(int(example["emotion_type"])) for example in (first, second)] == ["sadness", "none"]
    assert (first["initial_intensity"], first["final_intensity"]) == (4, 0)


def test_dialogues_of_the_pipeline_keep_where_they_come_from(tmp_path):
    rows = [dialogue_row(example) for example in esconv_of_two(tmp_path).as_data_source(split="train")]
    assert [row.get("provenance") for row in rows] == [PROVENANCE, None]


def test_the_builder_says_the_licence_and_whom_to_cite(tmp_path):
    info = esconv_of_two(tmp_path).info
    assert info.redistribution_info.license == Esconv.LICENCE == "CC BY-NC 4.0"
    assert "Towards Emotional Support Dialog Systems" in info.citation
    assert info.file_format == tfds.core.FileFormat.ARRAY_RECORD
    assert "not the data of the authors" in " ".join(Cer(data_dir=tmp_path).info.description.split())


def esconv_of_two(folder):
    talk = (Turn("seeker", "Hello"), Turn("supporter", "Yes?", "Question"))
    dialogues = [
        Dialogue(
            "a", "en", "esconv", "CC BY-NC 4.0", talk, "Alone.", "sadness", "job crisis", 4, provenance=PROVENANCE
        ),
        Dialogue("b", "en", "esconv", "CC BY-NC 4.0", talk),
    ]
    write_jsonl(folder / "two.jsonl", (dialogue.to_json() for dialogue in dialogues))
    prepare("esconv", folder / "two.jsonl", folder)
    return Esconv(data_dir=folder)


def test_each_view_of_cer_is_its_json_lines(cer, tmp_path):
    assert prepare("cer", cer, tmp_path / "out") == tmp_path / "out/cer"
    for view in ("unifi", "prm", "orm"):
        for split in ("train", "valid"):
            source = read(tmp_path / f"out/cer/{view}/1.0.0", split)
            assert [judge_row(example) for example in source] == rows_of(cer / view / f"{split}.jsonl")
    variant = read(tmp_path / "out/cer/unifi/1.0.0", "train_p")
    assert [judge_row(example) for example in variant] == rows_of(cer / "unifi/train_p.jsonl")
    assert [record_row(example) for example in read(tmp_path / "out/cer/sft/1.0.0")] == SFT
    assert [record_row(example) for example in read(tmp_path / "out/cer/rl/1.0.0")] == RL
    assert len(read(tmp_path / "out/cer/rl/1.0.0", "train_p")) == 3


def test_a_split_without_records_is_not_there(cer, tmp_path):
    prepare("cer", cer, tmp_path)
    splits = tfds.builder_from_directory(tmp_path / "cer/prm/1.0.0").info.splits
    assert {name: split.num_examples for name, split in splits.items()} == {"train": 4, "valid": 1}


def test_tfds_finds_it_by_name(cer, tmp_path):
    prepare("cer", cer, tmp_path)
    assert judge_row(tfds.data_source("cer/unifi", split="train", data_dir=tmp_path)[2]) == judged()[2]


def test_grain_reads_it(cer, tmp_path):
    prepare("cer", cer, tmp_path)
    rows = judged()
    source = read(tmp_path / "cer/unifi/1.0.0")
    shuffled = grain.MapDataset.source(source).shuffle(seed=1).map(judge_row)
    assert sorted(row["id"] for row in shuffled) == [row["id"] for row in rows]
    assert all(row == rows[int(row["id"].removeprefix("talk#"))] for row in shuffled)
    pairs = grain.MapDataset.source(source).map(lambda example: len(example["steps"]["tag"])).repeat(2).batch(2)
    assert [batch.tolist() for batch in pairs] == [[3, 3]] * 4


def test_a_changed_source_is_built_anew_and_an_unchanged_one_is_not(cer, tmp_path):
    prepare("cer", cer, tmp_path)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cer").rglob("*.json")}
    prepare("cer", cer, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cer").rglob("*.json")} == written
    write_jsonl(cer / "sft/train.jsonl", SFT[:1])
    prepare("cer", cer, tmp_path)
    assert [record_row(example) for example in read(tmp_path / "cer/sft/1.0.0")] == SFT[:1]


def test_a_wrong_source_leaves_what_was_built(cer, tmp_path):
    prepare("cer", cer, tmp_path)
    (cer / "sft/train.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(UserError, match=r"sft/train.jsonl, line 1: field 'language' is missing"):
        prepare("cer", cer, tmp_path)
    assert [record_row(example) for example in read(tmp_path / "cer/sft/1.0.0")] == SFT


def test_wrong_sources_are_one_sentence(cer, shared_data, tmp_path):
    with pytest.raises(UserError, match=r"^unknown dataset 'esconf'; did you mean 'esconv'\? it can be one of"):
        prepare("esconf", cer, tmp_path)
    with pytest.raises(UserError, match=r"nowhere is not there; name ESConv.json, or the folder that it is in.$"):
        prepare("esconv", tmp_path / "nowhere", tmp_path)
    with pytest.raises(
        UserError, match=r"cer/ESConv.json is not there; name ESConv.json, or the folder that it is in.$"
    ):
        prepare("esconv", cer, tmp_path)
    with pytest.raises(UserError, match=r"unifi/train.jsonl is not there; name the cer folder that `compeer data"):
        prepare("cer", shared_data, tmp_path)
    with pytest.raises(UserError, match=r"^sample: 'sample-en-001' is a dialogue of 'compeer-sample'; name a file"):
        list(Esconv(source="sample", data_dir=tmp_path).rows("sample"))
    write_jsonl(cer / "orm/train.jsonl", [judged()[0]] * 2)
    with pytest.raises(UserError, match=r"line 2: id 'talk#0' is that of .*orm/train.jsonl, line 1; ids must differ.$"):
        prepare("cer", cer, tmp_path)
    shutil.move(cer / "rl", cer / "other")
    with pytest.raises(UserError, match=r"cer/rl is not there; run `compeer data cer` with the dataset's config"):
        prepare("cer", cer, tmp_path)
    shutil.move(cer / "other", cer / "rl")
    for view in ("unifi", "prm", "orm", "sft", "rl"):
        (cer / view / "train.jsonl").write_text("")
    with pytest.raises(UserError, match=r"has no record to train on in any view; annotate more, then build it again.$"):
        prepare("cer", cer, tmp_path)


def test_a_builder_without_a_source_says_what_it_lacks(tmp_path):
    with pytest.raises(UserError, match=r"^the esconv dataset isn't in [^ ]+ yet, and no source is given"):
        Esconv(data_dir=tmp_path).download_and_prepare()


def test_a_folder_that_is_a_file_can_not_be_written(cer, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match=r"taken/cer/unifi/1.0.0 can't be written \(.*\); choose another folder.$"):
        prepare("cer", cer, tmp_path / "taken")


OFFLINE = """
import json, socket, sys

def refuse(*arguments, **named):
    raise AssertionError(f"tried the network: {arguments}")

socket.socket.connect = socket.getaddrinfo = refuse
from compeer_jax.curation.tfds.prepare import prepare

loaded = [name for name in ("tensorflow_datasets", "array_record") if name in sys.modules]
folder = prepare("cer", sys.argv[1], sys.argv[2])
import tensorflow_datasets as tfds

source = tfds.builder_from_directory(folder / "sft/1.0.0").as_data_source(split="train")
print(json.dumps([loaded, len(source), source[1]["id"].decode(), "tensorflow" in sys.modules]))
"""


def test_building_and_reading_need_no_tensorflow_and_no_network(cer, tmp_path):
    command = [sys.executable, "-c", OFFLINE, str(cer), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # Importing what prepares them is light; all that it prints is ours.
    assert json.loads(done.stdout) == [[], 2, "bare", False]


def rows_of(path):
    return [row for _, row in read_jsonl(path)]
