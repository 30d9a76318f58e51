"""Dialogues in which somebody is in danger train nothing before a person has looked at them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cer_rows import candidate_rows, earlier_stages, read, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compeer_jax.cli.main import main
from compeer_jax.curation.care.build import build_care
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.cer.stage import STAGE as CER
from compeer_jax.curation.stage import read_card, run_stage
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.danger.review import read_sheet
from compeer_jax.data.judge_record import read_judge_records
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.danger.find import find_danger
from compeer_jax.errors import UserError
from compeer_jax.training.reward import load_judge_records
from compeer_jax.training.reward_config import RewardTrainConfig

DANGER = ("I want to kill myself.", "我想自杀。", "i took all of my pills an hour ago and i want to die")
CALM = ("My exam went badly.", "I can't decide about the job.", "这次考试没考好。", "My sister and I had a row.")
FLAGGED = {
    dialogue.id
    for dialogue in sample_dialogues()
    if any(find_danger(turn.content).kinds for turn in dialogue.turns if turn.role == "seeker")
}


def dialogue(number: int, danger: int | None, place: int) -> dict:
    """A dialogue with three exchanges, in one of which there may be danger."""
    said = [f"{CALM[(number + turn) % len(CALM)]} Part {turn} of {number}." for turn in range(3)]
    if danger is not None:
        said[place] = DANGER[danger]
    turns = [
        turn
        for text in said
        for turn in (
            {"role": "seeker", "content": text},
            {"role": "supporter", "content": f"I hear you, {number}.", "strategy": "Question"},
        )
    ]
    row = {"id": f"talk-{number}", "language": "en", "source": "own", "licence": "CC0 1.0", "turns": turns}
    return row | {"emotion_type": "fear"}


def of_dialogues(records) -> set[str]:
    return {record.id.rpartition("#")[0] for record in records}


def in_danger(record) -> bool:
    """Whether it is of a dialogue that tells of danger, by what the corpus's dialogue or the record itself says."""
    said = (turn.content for turn in record.history if turn.role == "seeker")
    return record.id.rpartition("#")[0] in FLAGGED or any(find_danger(text).kinds for text in said)


def judging(**more) -> RewardTrainConfig:
    return RewardTrainConfig(**({"output": "unused"} | more))


dialogues = st.lists(st.tuples(st.none() | st.integers(0, 2), st.integers(0, 2)), min_size=12, max_size=20)


@given(dialogues, st.integers(0, 3), st.sampled_from(["compeer", "care", "plain"]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_dialogue_with_danger_is_learned_from_and_all_measure(tmp_path, drawn, seed, format):
    path = tmp_path / "talks.jsonl"
    write(path, [dialogue(number, *one) for number, one in enumerate(drawn)])
    prompt = {"compeer": "compeer", "care": "care", "plain": "plain"}[format]
    config = DataConfig(path=str(path), split_seed=seed, format=format, prompt=prompt)
    everything = load_records(replace(config, danger="train"))
    in_danger = {f"talk-{number}" for number, (danger, _) in enumerate(drawn) if danger is not None}
    wanted = [record for record in everything.train if record.id.rpartition("#")[0] not in in_danger]
    if not wanted:
        with pytest.raises(UserError, match="is left to learn from"):
            load_records(config)
        return
    found = load_records(config)
    assert found.train == wanted
    assert (found.valid, found.test) == (everything.valid, everything.test)
    left_out = len(of_dialogues(everything.train) & in_danger)
    assert ("compeer data danger" in found.summary) == bool(left_out)
    assert not left_out or f"{left_out} of {len(of_dialogues(everything.train))} train dialogues" in found.summary
    assert "danger" not in everything.summary


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("danger")
    assert run_stage(CER, earlier_stages(folder))
    return folder / "cer"


def loads(cer: Path, **data):
    """(view and variant, train records, those to measure on) of all that trains from a CER folder."""
    for variant in ("none", "d", "r", "p"):
        config = DataConfig(path=str(cer), variant=variant, **data)
        for view in ("sft", "rl"):
            splits = load_records(config, view)
            yield (view, variant), splits.train, [*splits.valid, *splits.test]
        yield ("unifi", variant), *load_judge_records(judging(kind="unifi", data=config))
    for kind in ("prm", "orm"):
        config = DataConfig(path=str(cer), **data)
        yield (kind, "own"), *load_judge_records(judging(kind=kind, view="own", data=config))


def test_of_cer_no_view_and_no_variant_learns_from_them(built):
    reviewed, everything = list(loads(built)), list(loads(built, danger="train"))
    for (name, train, held), (_, all_of_train, all_held) in zip(reviewed, everything, strict=True):
        assert not of_dialogues(train) & FLAGGED, name
        assert train == [one for one in all_of_train if not in_danger(one)], name
        assert held == all_held, name
        assert of_dialogues(all_of_train) & FLAGGED, name


def test_a_cer_that_marks_nothing_is_read_for_danger(built, tmp_path):
    """Files of an earlier version, or a mark that somebody has removed: what the seeker says counts all the same."""
    shutil.copytree(built, tmp_path / "cer")
    for path in (tmp_path / "cer").glob("*/*.jsonl"):
        write(path, [row | {"provenance": row["provenance"][:-1]} for row in read(path)])
    for name, train, _ in loads(tmp_path / "cer"):
        for record in train:
            assert not any(find_danger(turn.content).kinds for turn in record.history if turn.role == "seeker"), name


def test_marks_in_the_records_the_report_and_the_card(built):
    counts = read_card(built)["counts"]["danger"]
    used = {row["dialogue"] for row in candidate_rows()}
    assert sum(counts["dialogues"].values()) == len(FLAGGED & used)
    marked = {}
    for path in built.glob("*/*.jsonl"):
        for row in read(path):
            marks = [entry["danger"] for entry in row["provenance"] if "danger" in entry]
            assert len(marks) == (row["id"].rpartition("#")[0] in FLAGGED)
            marked |= {row["id"].rpartition("#")[0]: mark for mark in marks}
    assert marked.keys() == FLAGGED & used
    for kind, by_split in counts["kinds"].items():
        assert sum(by_split.values()) == sum(kind in mark["kinds"] for mark in marked.values())
    assert {mark["level"] for mark in marked.values()} <= {"concern", "serious", "emergency"}
    card = (built / "README.md").read_text(encoding="utf-8")
    assert "## Danger" in card
    assert f"| dialogues with any of them | {counts['dialogues']['train']} |" in card


def test_records_that_a_file_gives_a_judge(built, tmp_path):
    path = tmp_path / "judged.jsonl"
    shutil.copy(built / "unifi" / "train.jsonl", path)
    train, valid = load_judge_records(judging(records=str(path)))
    everything, held = load_judge_records(judging(records=str(path), data=DataConfig(danger="train")))
    assert valid == held, "what is measured on doesn't depend on the setting"
    assert train == [one for one in everything if one.id.rpartition("#")[0] not in FLAGGED]
    assert len(train) < len(everything)


def test_silver_records_that_a_judge_learns_from():
    train, valid = load_judge_records(judging())
    everything, held = load_judge_records(judging(data=DataConfig(danger="train")))
    assert not of_dialogues(train) & FLAGGED
    assert of_dialogues(everything) & FLAGGED
    assert valid == held


def test_chains_of_care(tmp_path):
    folder = build_care(CareDataConfig(output=str(tmp_path / "care")), say=lambda line: None)
    config = DataConfig(path=str(folder), format="care", prompt="care")
    found, everything = load_records(config), load_records(replace(config, danger="train"))
    assert not of_dialogues(found.train) & FLAGGED
    assert of_dialogues(everything.train) & FLAGGED
    assert (found.valid, found.test) == (everything.valid, everything.test)
    counts = read_card(tmp_path / "care" / "chains")["counts"]["danger"]
    assert sum(counts["dialogues"].values()) == len(FLAGGED)
    assert "## Danger" in (folder / "README.md").read_text(encoding="utf-8")


# The sheet


def sheet(data: str, path: Path, *more: str) -> list[dict]:
    assert main(["data", "danger", data, "--output", str(path), *more]) == 0
    return read(path)


def decided(rows, decision="train", by="Ann"):
    return [row | {"decision": decision, "by": by} for row in rows]


def test_a_corpus_goes_round(tmp_path):
    path = tmp_path / "sheet.jsonl"
    rows = sheet("sample", path)
    talks = {dialogue.id: dialogue for dialogue in sample_dialogues()}
    assert {row["id"] for row in rows} == FLAGGED
    for row in rows:
        turns = talks[row["id"]].turns
        said = [turn.content for turn in turns if turn.role == "seeker"]
        assert row["seeker"] == [text for text in said if find_danger(text).kinds]
        rest = [text for text in said if text not in row["seeker"]]
        assert set(row["others"]) <= set(rest)
        assert min(len(rest), 3) <= len(row["others"]) <= 5
        assert row["replies"] == [turn.content for turn in turns if turn.role == "supporter"]
        assert set(row["kinds"]) == {kind for text in said for kind in find_danger(text).kinds}
        assert (row["decision"], row["by"]) == (None, "")
    config = DataConfig(reviewed=str(path))
    assert load_records(config) == load_records(DataConfig()), "nobody has decided"
    write(path, decided(rows))
    assert load_records(config) == load_records(DataConfig(danger="train"))
    write(path, decided(rows[:1]) + decided(rows[1:], "leave_out", "Ben"))
    found = load_records(config)
    everything = load_records(DataConfig(danger="train"))
    kept = FLAGGED - {row["id"] for row in rows[1:]}
    assert of_dialogues(found.train) == of_dialogues(everything.train) - (FLAGGED - kept)
    assert "left out as a person has decided" in found.summary


def test_a_dataset_goes_round(built, tmp_path):
    path = tmp_path / "sheet.jsonl"
    rows = sheet(str(built), path)
    write(path, decided(rows))
    for (name, train, _), (_, everything, _) in zip(
        loads(built, reviewed=str(path)), loads(built, danger="train"), strict=True
    ):
        assert train == everything, name
    records = tmp_path / "judged.jsonl"
    shutil.copy(built / "unifi" / "train.jsonl", records)
    own = decided(sheet(str(records), tmp_path / "own.jsonl"))
    write(tmp_path / "own.jsonl", own)
    train, valid = load_judge_records(
        judging(records=str(records), data=DataConfig(reviewed=str(tmp_path / "own.jsonl")))
    )
    assert len(train) + len(valid) == len(read_judge_records(records))


def test_what_has_changed_is_looked_at_again(tmp_path):
    data, first, second = tmp_path / "talks.jsonl", tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    talks = [dialogue(number, 0, 1) for number in range(8)] + [dialogue(number, None, 0) for number in range(8, 16)]
    write(data, talks)
    write(first, decided(sheet(str(data), first)))
    config = DataConfig(path=str(data), format="plain", prompt="plain", reviewed=str(first))
    trained = sorted(of_dialogues(load_records(config).train) & {f"talk-{number}" for number in range(8)})
    talks[int(trained[0].removeprefix("talk-"))]["turns"][3]["content"] = "You'll get over it."
    write(data, talks)
    with pytest.raises(UserError, match=f"{trained[0]}.*is not what Ann looked at") as error:
        load_records(config)
    assert str(error.value).count("\n") == 0
    again = {row["id"]: row for row in sheet(str(data), second, "--reviewed", str(first))}
    assert {id for id, row in again.items() if row["decision"] is None} == {trained[0]}
    found = load_records(replace(config, reviewed=str(second)))
    assert trained[0] not in of_dialogues(found.train)
    assert set(trained[1:]) <= of_dialogues(found.train)


def test_a_sheet_is_never_written_over(tmp_path, capsys):
    path = tmp_path / "sheet.jsonl"
    before = sheet("sample", path)
    assert main(["data", "danger", "sample", "--output", str(path)]) == 2
    assert "is there already, and may hold decisions" in capsys.readouterr().err
    assert read(path) == before


def test_without_danger_there_is_no_sheet(tmp_path, capsys):
    write(tmp_path / "talks.jsonl", [dialogue(number, None, 0) for number in range(3)])
    assert main(["data", "danger", str(tmp_path / "talks.jsonl"), "--output", str(tmp_path / "sheet.jsonl")]) == 0
    assert "nothing to look at" in capsys.readouterr().out
    assert not (tmp_path / "sheet.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"decision": "yes"}, "line 1: unknown decision 'yes'; it can be one of: train, leave_out."),
        ({"decision": True}, "line 1: unknown decision True"),
        ({"decision": "train", "by": " "}, "line 1: a decision is somebody's; write who"),
        ({"decision": "train", "by": None}, "line 1: a decision is somebody's; write who"),
        ({"content": []}, "line 1: field 'content' must be the list of hashes"),
        ({"content": "abc"}, "line 1: field 'content' must be a list, found a string."),
        ({"id": ""}, "line 1: field 'id' must be a string that is not empty."),
        ({"id": "b"}, "line 2: the dialogue 'b' is there twice"),
    ],
)
def test_a_sheet_is_read_strictly(tmp_path, change, sentence):
    path = tmp_path / "sheet.jsonl"
    row = {"id": "a", "content": ["0"], "decision": None, "by": ""}
    write(path, [row | change, row | {"id": "b"}])
    with pytest.raises(UserError, match=r"sheet\.jsonl, ") as error:
        read_sheet(path)
    assert sentence in str(error.value)


def test_settings_that_contradict_each_other():
    with pytest.raises(UserError, match=r"data\.reviewed is 'a', which data\.danger: train doesn't heed"):
        DataConfig(danger="train", reviewed="a")


def test_a_mark_that_is_none_is_named(built, tmp_path):
    shutil.copytree(built, tmp_path / "cer")
    path = tmp_path / "cer" / "sft" / "train.jsonl"
    rows = read(path)
    rows[0]["provenance"].append({"danger": {"kinds": ["harmless"]}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=f"{rows[0]['id']}.*'danger' in its provenance"):
        load_records(DataConfig(path=str(tmp_path / "cer")))
