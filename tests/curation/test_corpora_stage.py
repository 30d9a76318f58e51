"""The corpora stage: its files, its counts, which licences it takes in, and what it leaves out."""

import json

import numpy as np
import pytest
from build_folder import read_rows, workspace
from PIL import Image

from compeer_jax.curation.corpora.stage import STAGE
from compeer_jax.curation.stage import read_card, run_stage
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

FILES = ("dialogues.jsonl", "rejected.jsonl", "stage.json")


def made(folder, *corpora, **settings):
    """The stage's card, and its dialogues."""
    work = workspace(folder, corpora=list(corpora), **settings)
    assert run_stage(STAGE, work)
    return read_card(folder / "corpora"), read_rows(work, "corpora", "dialogues.jsonl")


def jsonl(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def own(id, *, licence="MIT", **fields):
    turns = [
        {"role": "seeker", "content": "a"},
        {"role": "seeker", "content": "b"},
        {"role": "supporter", "content": "c", "strategy": "question"},
        {"role": "supporter", "content": "d", "strategy": "others"},
    ]
    return {"id": id, "language": "en", "source": "mine", "licence": licence, "turns": turns} | fields


def test_the_shared_corpora_become_dialogues_with_their_counts(tmp_path, shared_data):
    forms = {"esconv/ESConv.json": "auto", "smile/smile_300.jsonl": "smile", "cpsycoun/CPsyCounE": "auto"}
    card, rows = made(tmp_path, *(CorpusConfig(path=str(shared_data / path), form=forms[path]) for path in forms))
    names = ("read", "kept", "rejected", "licence_filtered", "utterances", "merged")
    counts = card["counts"]["sources"]
    assert {source: [count[name] for name in names] for source, count in counts.items()} == {
        "esconv": [1300, 1300, 0, 0, 38_365, 7_973],
        "smile": [299, 299, 1, 0, 3_483, 5],
        "cpsycoun": [45, 45, 0, 0, 592, 0],
    }
    assert counts["esconv"]["strategies"]["Question"] == 3_801
    assert counts["esconv"]["licences"] == {"CC BY-NC 4.0": 1300}
    assert card["rejected"] == {"only one side speaks": 1}
    assert len(rows) == len({row["id"] for row in rows}) == 1_644
    assert sum(len(row["turns"]) for row in rows) == 38_365 - 7_973 + 3_483 - 5 + 592
    for row in rows:
        dialogue = Dialogue.from_json(row, row["id"])
        assert dialogue.to_json() == row
        assert dialogue.provenance[0].keys() >= {"stage", "file", "sha256", "form"}
    assert str(shared_data) not in (tmp_path / "corpora" / "dialogues.jsonl").read_text(encoding="utf-8")
    assert str(shared_data) not in (tmp_path / "corpora" / "stage.json").read_text(encoding="utf-8")


def test_licences_choose_what_is_taken_in_and_what_is_left_out_is_counted(tmp_path, capsys):
    rows = own("a"), own("b", licence="CC-BY-NC 4.0"), own("c", licence="ours")
    path = jsonl(tmp_path / "mine.jsonl", *rows)
    for licences, ids in {"commercial": ["a"], "research": ["a", "b"], "all": ["a", "b", "c"]}.items():
        card, kept = made(tmp_path / licences, CorpusConfig(path=path), licences=licences)
        counts = card["counts"]["sources"]["mine"]
        assert [row["id"] for row in kept] == [f"mine-{id}" for id in ids]
        assert (counts["read"], counts["kept"], counts["licence_filtered"]) == (3, len(ids), 3 - len(ids))
        assert counts["utterances"] == 4 * len(ids)
        assert counts["merged"] == 2 * len(ids)
        assert card["rejected"] == {}
    assert "mine: 2 dialogues are left out, as licences is 'commercial'" in capsys.readouterr().out
    card, kept = made(tmp_path / "said", CorpusConfig(path=path, licence="research"))
    assert {row["licence"] for row in kept} == {"research"}
    assert len(kept) == 3


def test_bad_rows_of_several_corpora_land_in_one_file_and_the_others_go_on(tmp_path):
    one = jsonl(tmp_path / "x" / "mine.jsonl", own("a"), own("b", turns=[]), own("c"))
    two = jsonl(tmp_path / "y" / "mine.jsonl", own("a"), own("d"))
    three = tmp_path / "z" / "cut.json"
    three.parent.mkdir()
    three.write_text(json.dumps([own("e", source="cut"), own("f", source="cut")])[:-40])
    card, kept = made(tmp_path / "out", *(CorpusConfig(path=str(path)) for path in (one, two, three)))
    assert [row["id"] for row in kept] == ["mine-a", "mine-c", "mine-d", "cut-e"]
    assert card["rejected"] == {"malformed": 1, "duplicate id": 1, "cut off": 1}
    assert {source: count["rejected"] for source, count in card["counts"]["sources"].items()} == {"mine": 2, "cut": 1}
    rejected = [json.loads(line) for line in (tmp_path / "out" / "corpora" / "rejected.jsonl").open()]
    assert [row["where"] for row in rejected] == ["mine.jsonl, line 2", "mine.jsonl, line 1", "cut.json, row 1"]
    assert rejected[0]["row"]["id"] == "b"


def test_turns_are_merged_and_the_last_strategy_leads(tmp_path):
    _, (row,) = made(tmp_path / "out", CorpusConfig(path=jsonl(tmp_path / "a.jsonl", own("a"))))
    assert row["turns"] == [
        {"role": "seeker", "content": "a\nb"},
        {"role": "supporter", "content": "c\nd", "strategy": "Others"},
    ]
    (step,) = row["provenance"]
    assert (step["stage"], step["file"], step["record"], step["form"]) == ("corpora", "a.jsonl", 1, "own")
    assert len(step["sha256"]) == 64


def pictured(id: str, *images: str) -> dict:
    row = own(id)
    row["turns"][0]["images"] = list(images)
    return row


def test_pictures_are_copied_as_pixels_alone_each_once(tmp_path):
    corpus, exif = tmp_path / "corpus", Image.Exif()
    (corpus / "faces").mkdir(parents=True)
    exif[0x010F] = "Secret Camera"
    for name, colour in (("a.jpg", "red"), ("b.png", "red"), ("c.png", "blue")):
        Image.new("RGB", (40, 30), colour).save(corpus / "faces" / name, exif=exif)
    same = Image.open(corpus / "faces" / "a.jpg")
    same.save(corpus / "faces" / "b.png")
    rows = [pictured("a", "faces/a.jpg", "faces/b.png"), pictured("b", "faces/c.png"), own("c")]
    card, kept = made(tmp_path / "out", CorpusConfig(path=jsonl(corpus / "mine.jsonl", *rows)))
    assert card["counts"]["sources"]["mine"]["pictures"] == 3
    a, b = kept[0]["turns"][0]["images"]
    (c,) = kept[1]["turns"][0]["images"]
    assert a == b != c
    folder = tmp_path / "out" / "corpora"
    assert sorted(file.relative_to(folder).as_posix() for file in (folder / "pictures").iterdir()) == sorted({a, c})
    np.testing.assert_array_equal(np.asarray(Image.open(folder / a)), np.asarray(same))
    assert not any(b"Secret Camera" in file.read_bytes() for file in (folder / "pictures").iterdir())


def test_a_dialogue_whose_picture_is_none_is_set_aside_in_a_sentence(tmp_path, capsys):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "text.png").write_text("no picture")
    Image.new("RGB", (40, 30)).save(tmp_path / "secret.png")
    wrong = {"a": "absent.png", "b": "text.png", "c": "../secret.png", "d": "https://example.org/x.png", "e": "x.mp4"}
    rows = [pictured(id, path) for id, path in wrong.items()]
    card, kept = made(tmp_path / "out", CorpusConfig(path=jsonl(corpus / "mine.jsonl", *rows, own("f"))))
    assert [row["id"] for row in kept] == ["mine-f"]
    assert card["rejected"] == {"a picture that can't be used": 5}
    rejected = [json.loads(line) for line in (tmp_path / "out" / "corpora" / "rejected.jsonl").open()]
    assert [row["where"] for row in rejected] == [f"mine-{id}" for id in wrong]
    for row, path, reason in zip(
        rejected, wrong.values(), ("is not there", "in no format", "lies outside", "is no file", "a video"), strict=True
    ):
        assert reason in row["reason"]
        assert path in row["reason"]
    assert "mine: 5 dialogues are set aside, as a picture is missing or can't be used" in capsys.readouterr().out
    words = CorpusConfig(path=str(corpus / "mine.jsonl"), pictures="leave_out")
    _, kept = made(tmp_path / "words", words)
    assert [row["id"] for row in kept] == [f"mine-{id}" for id in [*wrong, "f"]]
    assert not any("images" in turn for row in kept for turn in row["turns"])


def test_a_run_that_ends_in_a_fault_leaves_nothing_and_the_next_gives_the_same_files(tmp_path):
    rows = [own(str(number)) for number in range(20)]
    corpora = [CorpusConfig(path=jsonl(tmp_path / "mine.jsonl", *rows, {"x": 1})), CorpusConfig(path="sample")]
    made(tmp_path / "whole", *corpora)
    with pytest.raises(UserError, match="nobody/absent can't be read"):
        made(tmp_path / "faulty", *corpora, CorpusConfig(path="nobody/absent"))
    assert list((tmp_path / "faulty" / "corpora").iterdir()) == []
    work = workspace(tmp_path / "faulty", corpora=corpora)
    assert run_stage(STAGE, work)
    assert not run_stage(STAGE, work)
    for name in FILES:
        whole, again = (tmp_path / folder / "corpora" / name for folder in ("whole", "faulty"))
        assert whole.read_bytes() == again.read_bytes()


def test_a_file_that_changes_in_a_folder_makes_the_stage_run_again(tmp_path):
    for folder in ("a", "b"):
        jsonl(tmp_path / "corpus" / folder / "1.jsonl", own(folder))
    work = workspace(tmp_path / "out", corpora=[CorpusConfig(path=str(tmp_path / "corpus"))])
    assert run_stage(STAGE, work)
    assert not run_stage(STAGE, work)
    jsonl(tmp_path / "corpus" / "a" / "1.jsonl", own("changed"))
    assert run_stage(STAGE, work)
    assert [row["id"] for row in read_rows(work, "corpora", "dialogues.jsonl")] == ["mine-changed", "mine-b"]


def test_settings_that_can_not_work_stop_the_stage_before_it_reads(tmp_path, capsys):
    with pytest.raises(UserError, match=r"^corpora is empty; name at least one, such as \{path: ESConv\.json\}"):
        made(tmp_path)
    with pytest.raises(UserError, match="unknown form 'smil'; did you mean 'smile'"):
        made(tmp_path, CorpusConfig(path="sample"), CorpusConfig(path="sample", form="smil"))
    with pytest.raises(UserError, match=r"absent\.json, which the corpora stage reads, is not there; check it\."):
        made(tmp_path, CorpusConfig(path=str(tmp_path / "absent.json")))
    card, kept = made(tmp_path / "none", CorpusConfig(path=jsonl(tmp_path / "bad.jsonl", {"x": 1})))
    assert kept == []
    assert card["counts"]["sources"]["bad"]["rejected"] == 1
    assert "bad: no dialogue could be read; rejected.jsonl says why." in capsys.readouterr().out
