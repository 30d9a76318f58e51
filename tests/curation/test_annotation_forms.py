"""What is given to annotators, and what comes back: Label Studio's own package checks the one and makes the other."""

import csv
import json
import re
from collections import Counter
from itertools import islice

import pytest
from annotation_fixture import candidates
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface

from compeer_jax.curation.annotation.items import Tasks, make_task, verdict_field
from compeer_jax.curation.annotation.label_studio import labelling_config, read_export, task_json, write_tasks
from compeer_jax.curation.annotation.table import columns, read_table, safe_cell, write_table
from compeer_jax.curation.annotation.votes import Fault, Filled, Votes, choices, parse_verdict, read_votes
from compeer_jax.curation.annotation.wording import guidelines
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.rounds.rows import rounds_of
from compeer_jax.data.corpora import iter_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.dialogue.reasoning import CARE, COMPEER
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, SENTIMENTS, STAGES, STRATEGIES
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

FORMATS = pytest.mark.parametrize("format", [COMPEER, CARE], ids=lambda format: format.name)
MADE = candidates(4)
GOOD = {"history_verdict": "True", "emotion_verdict": "False", "strategy_verdict": "True", "preference": "first"}


@pytest.fixture
def tasks(tmp_path) -> Tasks:
    path = tmp_path / "candidates.jsonl"
    write_jsonl(path, [unstructured(candidate) for candidate in MADE])
    return Tasks(path, seed=0)


def votes_of(forms, tasks) -> tuple[Votes, list[Fault]]:
    votes = Votes()
    return votes, list(read_votes(forms, tasks.ids, COMPEER.tags, tasks.seed, votes))


def annotation(interface: LabelInterface, verdicts, annotator) -> dict:
    """An annotation as Label Studio stores it, made and checked by its own package."""
    result = [json.loads(region.to_json()) for region in interface.create_regions(verdicts)]
    made = {"completed_by": annotator, "was_cancelled": False, "result": result}
    assert interface.validate_annotation(made)
    return made


def test_no_task_tells_who_made_what(tasks):
    shown = list(tasks.shuffled())
    assert [task.candidate.id for task in tasks] == [candidate.id for candidate in MADE]
    assert sorted(task.candidate.id for task in shown) == sorted(candidate.id for candidate in MADE)
    keys = [task.key for task in shown]
    assert keys == sorted(keys)  # so that neither a model's outputs nor those for one round stand together
    for task in shown:
        text = json.dumps(task_json(task, COMPEER), ensure_ascii=False)
        assert not re.search(r"red|blue|talk-|swapped|esconv", text.replace("answered", ""))
        assert {task.candidate.reference.response, task.candidate.response} == set(task.responses)
    again = {task.key: task.swapped for task in (make_task(made, 0) for made in MADE)}
    assert again == {task.key: task.swapped for task in shown}
    assert not set(again) & {make_task(made, 1).key for made in MADE}


def test_real_talks_stay_whole_in_both_forms(shared_data, tmp_path):
    """60 rounds of ESConv and SMILE, with the next round's reply as output."""
    interface = LabelInterface(labelling_config(COMPEER))
    made = []
    for path in (shared_data / "esconv" / "ESConv.json", shared_data / "smile" / "smile_300.jsonl"):
        dialogues = islice(iter_corpus(CorpusConfig(path=str(path))), 30)
        for first, second, *_ in filter(lambda rounds: len(rounds) > 1, map(rounds_of, dialogues)):
            own = {"steps": MADE[0].steps, "labels": MADE[0].labels, "response": second.reference.response}
            made.append(structured(Candidate, {**unstructured(first), **own, "id": f"{first.id}/red"}, "here"))
    shown = [make_task(candidate, 0) for candidate in made]
    assert len(shown) > 55
    write_tasks(tmp_path / "tasks.json", (task_json(task, COMPEER) for task in shown))
    write_table(tmp_path / "tasks.csv", ((task, None) for task in shown), COMPEER)
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    rows = table(tmp_path / "tasks.csv")
    for task, form, row in zip(shown, tasks, rows, strict=True):
        assert interface.validate_task(form)
        data = form["data"]
        assert [turn["text"] for turn in data["conversation"]] == [turn.content for turn in task.candidate.history]
        assert (data["first"], data["second"]) == task.responses
        assert (row["first"].removeprefix("'"), row["second"].removeprefix("'")) == task.responses
        assert len(row["conversation"].split("\n")) == len(task.candidate.history)
    assert {data["data"]["language"] for data in tasks} == {"en", "zh"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_are_told_what_models_are(language):
    text = guidelines(language)
    system = load_judge_prompt("judge", language).system
    assert len(text) > len(system)
    for category in (STAGES, EMOTIONS, INTENSITIES, SENTIMENTS, STRATEGIES):
        assert category.describe(language) in text
    assert "Verdict:" in system
    assert "Verdict:" not in text


def test_half_of_the_replies_change_places():
    swapped = Counter(make_task(made, 0).swapped for made in candidates(500))
    assert abs(swapped[True] - 500) < 80  # five standard deviations of a fair coin, thrown 1,000 times


@FORMATS
@pytest.mark.parametrize("third", [False, True])
def test_label_studio_takes_the_config(format, third):
    interface = LabelInterface(labelling_config(format, third=third))
    interface.validate()
    controls = {control.name: control for control in interface.controls}
    assert list(controls) == [verdict_field(tag) for tag in format.tags]
    for tag in format.tags:
        assert tuple(controls[verdict_field(tag)].labels) == choices(tag)
        assert controls[verdict_field(tag)].attr["required"] == ("false" if third else "true")
    assert interface.generate_sample_annotation() is not None


def test_label_studio_takes_the_tasks(tasks, tmp_path):
    for third in (False, True):
        interface = LabelInterface(labelling_config(COMPEER, third=third))
        asked = ("emotion", "response") if third else None
        path = tmp_path / "tasks.json"
        write_tasks(path, (task_json(task, COMPEER, asked) for task in tasks.shuffled()))
        made = json.loads(path.read_text(encoding="utf-8"))
        assert len(made) == 8
        assert all(interface.validate_task(task) for task in made)
        lacking = made[0]["data"] | {"strategy": None}
        assert not interface.validate_task({"data": lacking})
    write_tasks(path, [])
    assert json.loads(path.read_text()) == []


def exported(tasks, form, folder):
    """What Label Studio's converter exports of two annotators' work: a file in one of its formats."""
    config = labelling_config(COMPEER)
    interface = LabelInterface(config)
    rows = []
    for number, task in enumerate(tasks.shuffled(), start=1):
        bob = GOOD | {"preference": "similar"}
        annotations = [annotation(interface, GOOD, 1), annotation(interface, bob, 2)]
        for place, made in enumerate(annotations):
            made |= {
                "id": 10 * number + place,
                "created_at": "2026-01-01",
                "updated_at": "2026-01-01",
                "lead_time": 3.0,
            }
        rows.append({"id": number, **task_json(task, COMPEER), "annotations": annotations, "predictions": []})
    source = folder / "raw.json"
    source.write_text(json.dumps(rows), encoding="utf-8")
    if form == "JSON":
        return source
    Converter(config, project_dir=None).convert(str(source), str(folder / "out"), form, is_dir=False)
    (made,) = [path for path in (folder / "out").rglob("*") if path.suffix in (".json", ".csv")]
    return made


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV"])
def test_what_label_studio_exports_comes_back(tasks, tmp_path, form):
    path = exported(tasks, form, tmp_path)
    votes, faults = votes_of((read_table if form == "CSV" else read_export)(path), tasks)
    assert faults == []
    for task in tasks:
        on = {tag: {vote.annotator: vote.value for vote in votes.on(task.candidate.id, tag)} for tag in COMPEER.tags}
        better = "second" if task.swapped else "first"  # the reference is first in what we keep, whatever was shown
        assert on == {
            "history": {"1": True, "2": True},
            "emotion": {"1": False, "2": False},
            "strategy": {"1": True, "2": True},
            "response": {"1": better, "2": "similar"},
        }


def test_each_fault_of_an_export_is_one_line_and_the_rest_goes_on(tasks, tmp_path):
    interface = LabelInterface(labelling_config(COMPEER))
    made = [task_json(task, COMPEER) for task in tasks.shuffled()]
    good = annotation(interface, GOOD, 1)
    half = {**good, "completed_by": {"id": 2, "email": "b@example.org"}, "result": good["result"][:2]}
    other = {**good, "result": [*good["result"][:3], {**good["result"][3], "value": {"choices": ["second"]}}]}
    wrong = {**good, "result": [{**good["result"][0], "value": {"choices": ["Maybe"]}}, *good["result"][1:]]}
    both = {**good, "result": [{**good["result"][0], "value": {"choices": ["True", "False"]}}, *good["result"][1:]]}
    rows = [
        {**made[0], "annotations": [good, half, other, good]},
        {"data": {**made[1]["data"], "key": "t0123456789abcde"}, "annotations": [good]},
        {"data": {"text": "of another project"}, "annotations": [good]},
        {**made[2], "annotations": [{**good, "completed_by": None}, {**good, "was_cancelled": True}]},
        "not a task",
        {**made[3], "annotations": [wrong, {**both, "completed_by": 3}]},
        {**made[4], "annotations": []},
        {**made[5], "annotations": [{**good, "result": None}, {**good, "completed_by": "model:gpt"}]},
        {**made[6], "annotations": [good]},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    votes, faults = votes_of(read_export(path), tasks)
    assert [(fault.where, fault.reason) for fault in faults] == [
        ("export.json, task 1, annotation 2", "half-filled: no verdict on strategy, response"),
        (
            "export.json, task 1, annotation 3",
            "a second, different vote of one annotator: 1 on response; the first stays",
        ),
        ("export.json, task 2, annotation 1", "a task that was not given out: 't0123456789abcde'"),
        ("export.json, task 3, annotation 1", "no key of a task"),
        ("export.json, task 4, annotation 1", "no annotator is named"),
        ("export.json, task 5", "not a task"),
        (
            "export.json, task 6, annotation 1",
            "not a verdict: history_verdict is 'Maybe'; it can be True or False",
        ),
        (
            "export.json, task 6, annotation 2",
            "not a verdict: history_verdict is \"['True', 'False']\"; it can be True or False",
        ),
        ("export.json, task 8, annotation 1", "an annotation without results"),
        ("export.json, task 8, annotation 2", "a person named as models are: 'model:gpt'"),
    ]
    cast = Counter(vote.annotator for vote in votes)
    assert cast == {"1": 4 + 3 + 4, "2": 2, "3": 3}
    assert votes.repeated == 7  # of `other` all but one, and all of the second `good`


def test_a_file_that_is_broken_off_gives_what_came_before(tasks, tmp_path):
    interface = LabelInterface(labelling_config(COMPEER))
    rows = [{**task_json(task, COMPEER), "annotations": [annotation(interface, GOOD, 1)]} for task in tasks]
    text = json.dumps(rows)
    path = tmp_path / "export.json"
    path.write_text(text[: int(0.7 * len(text))], encoding="utf-8")
    votes, faults = votes_of(read_export(path), tasks)
    assert len(list(votes)) == 4 * 5
    assert [(fault.where, fault.reason.partition(":")[0]) for fault in faults] == [
        ("export.json, after task 5", "the file is broken off")
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"tasks": []}', "not a JSON list of tasks; export the project as JSON or JSON-MIN, or give a .csv file."),
        (b"", "not a JSON list of tasks; export the project as JSON or JSON-MIN, or give a .csv file."),
        (b"[{]", "not a JSON list of tasks ("),
        ("[{'a': 1}]".encode("utf-16"), "not a JSON list of tasks; export"),
    ],
)
def test_a_file_that_is_no_export_stops_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_export(path))
    assert str(caught.value).startswith(f"{path}: {sentence}")


def filled(path, rows, delimiter=",", encoding="utf-8-sig", names=None) -> None:
    """A table as a spreadsheet saves it."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, names or columns(COMPEER), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def table(path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_goes_out_and_comes_back(tasks, tmp_path, delimiter):
    path = tmp_path / "annotations.csv"
    write_table(path, ((task, None) for task in tasks.shuffled()), COMPEER)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # or a spreadsheet shows no Chinese
    rows = table(path)
    assert [row["key"] for row in rows] == [task.key for task in tasks.shuffled()]
    assert {row["history"][:2] for row in rows} == {"'="}
    assert all("red" not in row.values() for row in rows)
    assert list(read_table(path)) == []  # nobody has filled in anything
    spelled = {"history_verdict": "TRUE", "emotion_verdict": "错", "strategy_verdict": " true ", "preference": "第一个"}
    filled(path, [row | spelled | {"annotator": "安"} for row in rows[:3]] + rows[3:], delimiter)
    votes, faults = votes_of(read_table(path), tasks)
    assert faults == []
    by_id = {task.candidate.id: task for task in tasks}
    assert {(vote.tag, vote.value) for vote in votes if not by_id[vote.id].swapped} <= {
        ("history", True),
        ("emotion", False),
        ("strategy", True),
        ("response", "first"),
    }
    assert len(list(votes)) == 12


def test_a_third_annotator_is_asked_for_what_differs_only(tasks, tmp_path):
    path = tmp_path / "third.csv"
    task = next(iter(tasks))
    write_table(path, [(task, ("emotion", "response"))], COMPEER)
    (row,) = table(path)
    assert (row["asked"], row["history_verdict"], row["emotion_verdict"]) == ("emotion, response", "(settled)", "")
    filled(path, [row | {"annotator": "cleo", "emotion_verdict": "False"}])
    votes, faults = votes_of(read_table(path), tasks)
    assert [(vote.tag, vote.value, vote.third) for vote in votes] == [("emotion", False, True)]
    assert [fault.reason for fault in faults] == ["half-filled: no verdict on response"]


def test_each_fault_of_a_table_is_one_line_and_the_rest_goes_on(tasks, tmp_path):
    path = tmp_path / "filled.csv"
    keys = [task.key for task in tasks.shuffled()]
    names = ["key", "annotator", *GOOD]
    filled(
        path,
        [
            {"key": keys[0], "annotator": "ann", **GOOD},
            {"key": keys[1], "annotator": "", **GOOD},
            {"key": "talk-1", "annotator": "ann", **GOOD},
            {"key": keys[2], "annotator": "ann", **GOOD, "preference": "both"},
            {"key": keys[3], "annotator": "ann", "history_verdict": "True"},
            {"key": keys[0], "annotator": "ann", **GOOD, "history_verdict": "False"},
            {"key": keys[4], "annotator": "ann", **GOOD},
        ],
        names=names,
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{keys[5]},ann,True\r\n")
    votes, faults = votes_of(read_table(path), tasks)
    assert [(fault.where, fault.reason) for fault in faults] == [
        ("filled.csv, row 2", "no annotator is named"),
        ("filled.csv, row 3", "a task that was not given out: 'talk-1'"),
        (
            "filled.csv, row 4",
            "not a verdict: preference is 'both'; it can be first or second or similar or neither",
        ),
        ("filled.csv, row 5", "half-filled: no verdict on emotion, strategy, response"),
        ("filled.csv, row 6", "a second, different vote of one annotator: ann on history; the first stays"),
        ("filled.csv, row 8", "a row with too few or too many cells"),
    ]
    assert len(list(votes)) == 4 + 3 + 1 + 4


def test_a_file_that_is_no_table_stops_with_a_sentence(tmp_path):
    path = tmp_path / "filled.csv"
    for content, sentence in [
        ("key,annotator,history_verdict\nt1,安,对\n".encode("gb18030"), "not UTF-8; save the table as CSV UTF-8."),
        (b"name,answer\na,b\n", "the first line must name the columns key, annotator and columns of verdicts such as "),
        (b"", "the first line must name the columns key, annotator"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            list(read_table(path))
        assert str(caught.value).startswith(f"{path}: {sentence}")
    with pytest.raises(UserError, match=r"none\.csv can't be read \(No such file or directory\); check annotation"):
        list(read_table(tmp_path / "none.csv"))


@given(st.text())
def test_no_cell_is_a_formula(text):
    cell = safe_cell(text)
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_cells_that_would_be_computed():
    for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\r=1"]:
        assert safe_cell(text) == f"'{text}"
    for text in ["", "I said = to her", "'quoted'", "…", "我-你"]:
        assert safe_cell(text) == text


@settings(max_examples=200)
@given(st.sampled_from(COMPEER.tags), st.one_of(st.text(), st.booleans(), st.none(), st.lists(st.text()), st.floats()))
def test_a_verdict_is_one_of_those_that_there_are_or_none(tag, text):
    value = parse_verdict(tag, text)
    assert value is None or (value in PREFERENCES if tag == "response" else value in (True, False))
    assert all(parse_verdict(tag, name) is not None for name in choices(tag))


def test_forms_are_told_apart_by_what_was_asked():
    """An unasked field with a verdict in it is a vote all the same, marked as a third one's."""
    made = MADE[0]
    task = make_task(made, 0)
    form = Filled("here", "a.json", task.key, "cleo", {"history_verdict": "True"}, asked=("history",))
    votes = Votes()
    assert list(read_votes(iter([form]), {task.key: made.id}, COMPEER.tags, 0, votes)) == []
    assert [vote.third for vote in votes] == [True]
