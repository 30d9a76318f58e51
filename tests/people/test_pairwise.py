"""Pairwise human evaluation: what annotators get tells nothing, and what they say is counted as it was meant."""

import base64
import csv
import io
import json
import re
import sys
from itertools import islice, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
from logged_run import logged_run
from PIL import Image
from scipy.stats import binom

from compeer_jax.cli.main import main
from compeer_jax.cli.shorthand import written_out
from compeer_jax.curation.annotation.votes import Filled
from compeer_jax.curation.rounds.rows import rounds_of
from compeer_jax.data.corpora import iter_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.evaluation.estimates import sign_test
from compeer_jax.people.criteria import CRITERIA, DEFAULT, guidelines
from compeer_jax.people.pairs import Reply, make_pairs, read_replies
from compeer_jax.people.preferences import (
    Ballot,
    PreferencesConfig,
    agreement,
    count_preferences,
    criterion_row,
    rates,
    result,
)
from compeer_jax.people.results import METRICS
from compeer_jax.people.task_files import columns, labelling_config, read_forms
from compeer_jax.people.tasks import Key, KeyRow, PairsConfig, export_pairs, read_key
from compeer_jax.report.table import tables_markdown

COUNT = 8
OUTSIDE = [{"role": "seeker", "content": "Look.", "images": ["../key.png"]}]
KEPT = ("pairs.csv", "tasks.json", "labelling_config.xml", "guidelines.en.md", "guidelines.zh.md")


def talk(number: int) -> list[dict]:
    """A talk in English or, for odd numbers, in Chinese."""
    words = ("I lost job {}.\nAgain.", "我又失业了{}。\n第二次。")[number % 2].format(number)
    return [{"role": "seeker", "content": words, "images": ["photos/a.png"] * (number == 2)}]


def rows(system: str, count: int = COUNT) -> list[dict]:
    """A system's replies, which say whose they are in letters that only a test knows."""
    mark = {"red": "=aa", "blue": "bb"}[system]
    return [{"id": f"talk-{n}#1", "response": f"{mark} {n}", "history": talk(n)} for n in range(count)]


@pytest.fixture
def systems(tmp_path):
    """Files of two systems, and a function that makes pairs of them."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photos" / "a.png")
    for system in ("red", "blue"):
        write_jsonl(tmp_path / f"{system}.jsonl", rows(system))

    def make(folder: str = "pairs", a: str = "red", b: str = "blue", **changes):
        path = {"a": str(tmp_path / f"{a}.jsonl"), "b": str(tmp_path / f"{b}.jsonl"), "output": str(tmp_path / folder)}
        config = PairsConfig(**path, name_a=a, name_b=b, **changes)
        return export_pairs(config), tmp_path / folder

    return make


def table(path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path, forms, names=None, delimiter=",", encoding="utf-8-sig") -> str:
    """A table as a spreadsheet saves it."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, names or columns(DEFAULT), delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(forms)
    return str(path)


def judged(folder, annotator: str, prefers, criteria=DEFAULT) -> list[dict]:
    """The rows of the table, filled in: `prefers` gives the mark of the better reply, or "tie", for a talk's number."""
    forms = []
    for row in table(folder / "for_annotators" / "pairs.csv"):
        mark = prefers(int(re.search(r"\d", row["first"])[0]))
        said = mark if mark == "tie" else "first" if mark in row["first"] else "second"
        forms.append(row | {"annotator": annotator} | dict.fromkeys(criteria, said))
    return forms


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# What annotators get


def test_what_annotators_get_does_not_depend_on_which_system_is_a(systems):
    one, there = systems("one"), systems("other", "blue", "red")
    for name in KEPT:
        assert (one[1] / "for_annotators" / name).read_bytes() == (there[1] / "for_annotators" / name).read_bytes()
    firsts = [[pair.first for pair in pairing.pairs] for pairing, _ in (one, there)]
    assert all({first, other} == {"a", "b"} for first, other in zip(*firsts, strict=True))
    assert sorted(path.name for path in (one[1] / "for_annotators").iterdir()) == sorted([*KEPT, "pictures"])


def test_nothing_that_annotators_get_tells_where_it_is_from(systems):
    _, folder = systems()
    for name in KEPT:
        text = (folder / "for_annotators" / name).read_text(encoding="utf-8-sig")
        assert not re.search(r"\bred\b|blue|talk-\d|#1|pairs\.jsonl", text), name
    keys = [row["key"] for row in table(folder / "for_annotators" / "pairs.csv")]
    tasks = json.loads((folder / "for_annotators" / "tasks.json").read_text(encoding="utf-8"))
    assert keys == [task["data"]["key"] for task in tasks] == sorted(keys)
    ids = [row.id for row in read_key(folder).pairs.values()]
    assert ids != sorted(ids)


def test_each_system_comes_first_in_half_of_the_pairs_and_seeds_differ():
    history = tuple(read_turns(0))
    one, other = ({f"{n}": Reply(f"{mark} {n}", history) for n in range(500)} for mark in "ab")
    pairs = [make_pairs(one, other, count=0, seed=seed).pairs for seed in (0, 1)]
    for made in pairs:
        assert abs(sum(pair.first == "a" for pair in made) - 250) < 56  # five standard deviations of a fair coin
    first = [{pair.id: pair.first for pair in made} for made in pairs]
    assert abs(sum(first[0][id] == first[1][id] for id in first[0]) - 250) < 56
    assert not {pair.key for pair in pairs[0]} & {pair.key for pair in pairs[1]}


def read_turns(number: int):
    from compeer_jax.dialogue.schema import Turn

    return [Turn.from_json(turn, "here") for turn in talk(number)]


def test_more_pairs_contain_the_fewer_and_other_replies_have_other_keys():
    history = tuple(read_turns(0))
    one, other, third = ({f"{n}": Reply(f"{mark} {n}", history) for n in range(40)} for mark in "abc")
    few, many = (make_pairs(one, other, count=count, seed=3).pairs for count in (10, 25))
    assert many[:10] == few
    assert len(make_pairs(one, other, count=0, seed=3).pairs) == 40
    # So that what was said of a and b is never taken for what was said of a and c.
    keys = [{pair.key for pair in make_pairs(one, against, count=0, seed=3).pairs} for against in (other, third)]
    assert not keys[0] & keys[1]


def test_a_table_shows_talk_and_replies_and_no_formula(systems):
    _, folder = systems()
    path = folder / "for_annotators" / "pairs.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # or a spreadsheet shows no Chinese
    made = {re.search(r"\d", row["conversation"])[0]: row for row in table(path)}
    assert len(made) == COUNT
    assert made["0"]["conversation"] == "Seeker: I lost job 0. Again."
    assert made["1"]["conversation"] == "求助者：我又失业了1。 第二次。"
    assert made["2"]["conversation"].endswith(f"Again. [image: {made['2']['images']}]")
    assert [file.name for file in (folder / "for_annotators" / "pictures").iterdir()] == [made["2"]["images"]]
    assert made["0"]["images"] == ""
    for number, row in made.items():
        assert {row["first"], row["second"]} == {f"'=aa {number}", f"bb {number}"}
        assert [row[name] for name in ("annotator", *DEFAULT)] == [""] * 5


def test_label_studio_takes_config_and_tasks(systems):
    _, folder = systems(criteria=list(CRITERIA))
    interface = LabelInterface((folder / "for_annotators" / "labelling_config.xml").read_text(encoding="utf-8"))
    interface.validate()
    controls = {control.name: control for control in interface.controls}
    assert list(controls) == list(CRITERIA)
    for control in controls.values():
        assert tuple(control.labels) == ("first", "second", "tie")
        assert control.attr["required"] == "true"
    tasks = json.loads((folder / "for_annotators" / "tasks.json").read_text(encoding="utf-8"))
    assert len(tasks) == COUNT
    assert all(interface.validate_task(task) for task in tasks)
    assert not interface.validate_task({"data": tasks[0]["data"] | {"second": None}})
    (shown,) = (task["data"]["pictures"] for task in tasks if task["data"]["pictures"])
    data = base64.b64decode(re.search('src="data:image/jpeg;base64,([^"]+)"', shown)[1])
    (file,) = (folder / "for_annotators" / "pictures").iterdir()
    assert data == file.read_bytes()
    assert f"<figcaption>{file.name}</figcaption>" in shown
    pixels = np.asarray(Image.open(io.BytesIO(data)), np.int32)
    assert np.abs(pixels - (255, 0, 0)).max() < 8  # what the talk showed, within what JPEG loses
    for task in tasks:
        assert task["data"]["conversation"][0]["author"] in ("Seeker", "求助者")


def test_a_picture_that_is_missing_stops_before_anything_is_given_out(systems, tmp_path):
    (tmp_path / "photos" / "a.png").unlink()
    with pytest.raises(UserError, match=r"talk-2#1: the picture .*a.png is not there"):
        systems("none")
    assert not (tmp_path / "none").exists()
    for system in ("red", "blue"):
        write_jsonl(tmp_path / f"{system}.jsonl", [row | {"history": OUTSIDE} for row in rows(system)])
    with pytest.raises(UserError, match=r"red.jsonl, line 1: the picture .*key.png lies outside the folder"):
        systems("none")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_guidelines_name_what_is_asked_and_what_can_be_answered(language):
    text = guidelines(("overall", "suggestion"), language)
    for word in ("`overall`", "`suggestion`", "`first`", "`second`", "`tie`", "`annotator`"):
        assert word in text
    assert "`empathy`" not in text


def test_real_talks_stay_whole(shared_data, tmp_path):
    """Of ESConv and SMILE: the supporter's reply against that of the next round."""
    replies = {"a": [], "b": []}
    for path in (shared_data / "esconv" / "ESConv.json", shared_data / "smile" / "smile_300.jsonl"):
        for dialogue in islice(iter_corpus(CorpusConfig(path=str(path))), 30):
            for row, later in islice(zip(rounds_of(dialogue), rounds_of(dialogue)[1:], strict=False), 1):
                history = [turn.to_json() for turn in row.history]
                replies["a"].append({"id": row.id, "response": row.reference.response, "history": history})
                replies["b"].append({"id": row.id, "response": later.reference.response})
    for name, made in replies.items():
        write_jsonl(tmp_path / f"{name}.jsonl", made)
    config = PairsConfig(str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), str(tmp_path / "pairs"))
    pairs = export_pairs(config).pairs
    assert len(pairs) > 55
    assert {pair.language for pair in pairs} == {"en", "zh"}
    assert all((pair.language == "zh") == ("smile" in pair.id) for pair in pairs)
    tasks = json.loads((tmp_path / "pairs" / "for_annotators" / "tasks.json").read_text(encoding="utf-8"))
    made = table(tmp_path / "pairs" / "for_annotators" / "pairs.csv")
    interface = LabelInterface(labelling_config(DEFAULT))
    for pair, task, row in zip(pairs, tasks, made, strict=True):
        assert interface.validate_task(task)
        assert [turn["text"] for turn in task["data"]["conversation"]] == [turn.content for turn in pair.history]
        assert (task["data"]["first"], task["data"]["second"]) == pair.shown
        assert tuple(row[name].removeprefix("'") for name in ("first", "second")) == pair.shown
        assert len(row["conversation"].split("\n")) == len(pair.history)


def test_pairs_that_are_given_out_are_never_written_over(systems):
    _, folder = systems()
    filled_in = folder / "for_annotators" / "pairs.csv"
    fill(filled_in, judged(folder, "ann", lambda _: "aa"))
    before = filled_in.read_bytes()
    systems()
    assert filled_in.read_bytes() == before
    for change in ({"seed": 1}, {"count": 3}, {"criteria": ["overall"]}, {"a": "blue", "b": "red"}):
        with pytest.raises(UserError, match="holds other pairs, which people may be judging; name another output fo"):
            systems(**change)
    assert filled_in.read_bytes() == before


# Replies


DATA = {"path": "sample", "silver_quotes": False, "prompt": "compeer_brief"}


def outputs(folder, text_of) -> str:
    """What `compeer eval --output` leaves; `text_of` gives a record's outputs."""
    records = load_records(DataConfig(**DATA)).test
    made = ((record, member, text) for record in records for member, text in enumerate(text_of(record)))
    write_jsonl(folder / "outputs.jsonl", ({"id": one.id, "member": n, "text": text} for one, n, text in made))
    (folder / "report.json").write_text(json.dumps({"settings": {"data": DATA}}))
    return str(folder)


def test_of_a_folder_only_the_replies_are_shown(tmp_path):
    def right(record):
        text = COMPEER.render(record.reference, record.language)
        return [text, text.removesuffix("</response>")]

    def other(record):
        return [COMPEER.render(record.reference, record.language).replace("<response>\n", "<response>\nHm. ")] * 2

    a, b = outputs(tmp_path / "a", right), outputs(tmp_path / "b", other)
    records = load_records(DataConfig(**DATA)).test
    pairing = export_pairs(PairsConfig(a, b, str(tmp_path / "pairs"), count=0))
    assert pairing.common == len(records) == len(pairing.pairs)
    by_id = {record.id: record for record in records}
    for pair in pairing.pairs:
        said = by_id[pair.id].reference.response
        assert (pair.a, pair.b) == (said, f"Hm. {said}")
        assert pair.history == by_id[pair.id].history
        assert pair.language == by_id[pair.id].language
    text = "".join((tmp_path / "pairs" / "for_annotators" / name).read_text(encoding="utf-8") for name in KEPT[:2])
    steps = [step for record in records for step in record.reference.steps.values()]
    assert steps
    assert not [step for step in steps if step in text]
    assert not re.search(r"</?(history|emotion|strategy|response)>", text)
    # The second output of a lacks its end: no reply, unless what is found shall count.
    export_pairs(PairsConfig(a, b, str(tmp_path / "malformed"), member=1))
    shown = table(tmp_path / "malformed" / "for_annotators" / "pairs.csv")
    assert all("(no reply)" in row.values() or "（无回复）" in row.values() for row in shown)
    assert {
        pair.a for pair in export_pairs(PairsConfig(a, b, str(tmp_path / "found"), 0, malformed="found")).pairs
    } == {record.reference.response for record in records}
    with pytest.raises(UserError, match=r"has no output of member 2; members count from 0\."):
        read_replies(a, 2)


def test_what_no_annotator_sees_costs_no_reply(tmp_path):
    """Models that never learnt our labels are compared too: an emotion of their own is no reason to show nothing."""

    def spoiled(record):
        right = COMPEER.render(record.reference, record.language)
        own = re.sub(r"(Emotion: |情绪：)[^;；]+", r"\1boredom ", right)
        assert "label:emotion" in COMPEER.parse(own).problems
        return [own, f"Sure. {right}", f"{right}\n{right}", right.replace("</strategy>", "")]

    folder = outputs(tmp_path, spoiled)
    said = {record.id: record.reference.response for record in load_records(DataConfig(**DATA)).test}
    for member, shown in enumerate((True, True, False, False)):
        replies = {id: reply.response for id, reply in read_replies(folder, member).items()}
        assert replies == (said if shown else dict.fromkeys(said, ""))


def test_a_reply_with_reasoning_within_is_none(tmp_path):
    text = "<response>\nYes. <plan>I ask.</plan>\n</response>"
    assert COMPEER.parse(text).response == "Yes. <plan>I ask.</plan>"  # a tag of the other format is no tag of its own
    folder = outputs(tmp_path, lambda record: [text])
    assert {reply.response for reply in read_replies(folder, malformed="found").values()} == {""}


def test_a_folder_goes_with_a_file_that_has_no_talks(tmp_path):
    a = outputs(tmp_path / "a", lambda record: [COMPEER.render(record.reference, record.language)])
    records = load_records(DataConfig(**DATA)).test
    made = [{"id": record.id, "response": f"I see. {number}"} for number, record in enumerate(records[:5])]
    write_jsonl(tmp_path / "b.jsonl", [*made, {"id": "other#1", "response": "Yes."}])
    pairing = export_pairs(PairsConfig(a, str(tmp_path / "b.jsonl"), str(tmp_path / "pairs")))
    assert (pairing.common, pairing.only_a, pairing.only_b, pairing.same) == (5, len(records) - 5, 1, 0)
    assert {pair.b for pair in pairing.pairs} == {row["response"] for row in made}


def test_of_a_run_that_sampled_a_prompt_again_the_latest_outputs_count(tmp_path):
    run = logged_run(tmp_path / "run", steps=12, prompts=4)
    sampled = [row for path in sorted(run.rollouts.glob("*.jsonl")) for row in lines(path) if row["member"] == 1]
    latest = {row["id"]: COMPEER.parse(row["text"]) for row in sampled}
    assert len(latest) < len(sampled)
    replies = read_replies(str(run.path), 1, "found")
    assert {id: reply.response for id, reply in replies.items()} == {id: turn.response for id, turn in latest.items()}
    empty = [id for id, reply in read_replies(str(run.path), 1).items() if not reply.response]
    assert set(empty) == {id for id, turn in latest.items() if not turn.format_ok or not turn.response}


def test_records_with_the_same_reply_are_left_out():
    history = tuple(read_turns(0))
    one = {"x": Reply("Yes. ", history), "y": Reply("", history), "z": Reply("No.", history)}
    other = {"x": Reply("Yes."), "y": Reply(" \n"), "z": Reply("")}
    pairing = make_pairs(one, other, count=0, seed=0)
    assert ([pair.id for pair in pairing.pairs], pairing.common, pairing.same) == (["z"], 3, 2)
    with pytest.raises(UserError, match=r"^the two reply the same to all 3 records; there is nothing to compare\.$"):
        make_pairs(one, one, count=0, seed=0)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"response": None}, "field 'response' must be a string, found null."),
        ({"response": "<plan>\nQ\n</plan> Yes."}, "there are tags of reasoning in the response; give what the seeker"),
        ({"respnse": "x"}, "unknown field 'respnse'; did you mean 'response'?"),
        ({"id": ""}, "field 'id' must be a string that is not empty."),
        ({"id": "talk-0#1"}, "id 'talk-0#1' is that of {path}, line 1 too; give one reply a record and member."),
        ({"member": True}, "field 'member' must be a whole number, found a boolean."),
        ({"language": "fr"}, "unknown language 'fr'; it can be one of: en, zh."),
        ({"history": []}, "field 'history' must be a list of at least one turn."),
        ({"history": [{"role": "supporter", "content": "x"}]}, "the history must end with the seeker's turn."),
    ],
)
def test_a_row_that_is_no_reply_is_named(tmp_path, change, sentence):
    path = tmp_path / "rows.jsonl"
    first, second = rows("red", 2)
    write_jsonl(path, [first, second | change])
    with pytest.raises(UserError) as error:
        read_replies(str(path))
    assert str(error.value).startswith(f"{path}, line 2: {sentence.replace('{path}', str(path))}")


def test_what_cannot_be_paired_is_one_sentence(tmp_path, systems):
    talks = [tuple(read_turns(number)) for number in range(2)]

    def failing(one, other) -> str:
        with pytest.raises(UserError) as error:
            make_pairs({"x": one}, {"x": other}, count=0, seed=0)
        return str(error.value)

    assert failing(Reply("a"), Reply("b")) == (
        "the talk before the replies to 'x' is in neither of the two; add 'history' to one."
    )
    assert failing(Reply("a", talks[0]), Reply("b", talks[1])) == (
        "the talks before the replies to 'x' differ; take outputs on the same dialogues."
    )
    with pytest.raises(UserError, match="have no record in common; take outputs on the same dialogues"):
        make_pairs({"x": Reply("a")}, {"y": Reply("b")}, count=0, seed=0)
    with pytest.raises(UserError, match="nowhere is no folder or file; name the folder of a `compeer eval --output`"):
        read_replies("nowhere")
    (tmp_path / "raw.jsonl").write_text('{"id": "x", "member": 0, "text": "y"}\n')
    with pytest.raises(UserError, match=r"line 1: this is a line of a folder of outputs; name the folder instead of"):
        read_replies(str(tmp_path / "raw.jsonl"))
    with pytest.raises(UserError, match=r"both systems are called 'x'; name two, or set name_a and name_b\."):
        PairsConfig("x", "x", "out")
    with pytest.raises(UserError, match=r"unknown criterion 'sympathy'; did you mean 'empathy'\?"):
        PairsConfig("x", "y", "out", criteria=["sympathy"])
    with pytest.raises(UserError, match=r"criteria is \['safety', 'safety'\]; name at least one, and none twice\."):
        PairsConfig("x", "y", "out", criteria=["safety", "safety"])
    with pytest.raises(UserError, match="count is -1; it must be at least 0"):
        PairsConfig("x", "y", "out", count=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"output .*file/pairs can't be made"):
        systems("file/pairs")


# What comes back


def exported(folder, form: str, prefers):
    """What Label Studio's converter exports of two annotators' work: a file in one of its formats."""
    config = (folder / "for_annotators" / "labelling_config.xml").read_text(encoding="utf-8")
    interface = LabelInterface(config)
    tasks = json.loads((folder / "for_annotators" / "tasks.json").read_text(encoding="utf-8"))
    made = []
    for number, (task, *forms) in enumerate(
        zip(tasks, judged(folder, "", prefers[0]), judged(folder, "", prefers[1]), strict=True), start=1
    ):
        annotations = []
        for who, row in enumerate(forms, start=1):
            regions = [json.loads(one.to_json()) for one in interface.create_regions({n: row[n] for n in DEFAULT})]
            annotation = {"completed_by": who, "was_cancelled": False, "result": regions}
            assert interface.validate_annotation(annotation)
            times = {"created_at": "2026-01-01", "updated_at": "2026-01-01", "lead_time": 3.0}
            annotations.append({"id": 10 * number + who, **annotation, **times})
        made.append({"id": number, **task, "annotations": annotations, "predictions": []})
    source = folder / "raw.json"
    source.write_text(json.dumps(made), encoding="utf-8")
    if form == "JSON":
        return source
    Converter(config, project_dir=None).convert(str(source), str(folder / "out"), form, is_dir=False)
    (path,) = [path for path in (folder / "out").rglob("*") if path.suffix in (".json", ".csv")]
    return path


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV"])
def test_what_label_studio_exports_comes_back(systems, form):
    _, folder = systems()
    path = exported(folder, form, (lambda _: "aa", lambda number: "bb" if number == 5 else "tie"))
    table = count_preferences(PreferencesConfig(str(folder), [str(path)]))
    assert (table.judged, table.annotators, table.rejected, table.repeated) == (COUNT, 2, 0, 0)
    votes = {row["id"]: row["votes"]["safety"] for row in lines(folder / "votes.jsonl")}
    assert votes == {f"talk-{n}#1": {"1": "a", "2": "b" if n == 5 else "tie"} for n in range(COUNT)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_goes_out_and_comes_back(systems, delimiter):
    _, folder = systems()
    forms = judged(folder, "安", lambda number: ("aa", "bb", "tie")[number % 3])
    spelled = {"first": " FIRST ", "second": "第二个", "tie": "ｔｉｅ"}
    forms = [row | {"overall": spelled[row["overall"]]} for row in forms]
    for row in forms[1:]:
        row["safety"] = ""
    path = fill(
        folder / "back.csv", [*forms, forms[0] | dict.fromkeys(("annotator", *DEFAULT), "")], delimiter=delimiter
    )
    table = count_preferences(PreferencesConfig(str(folder), [path, path]))
    overall, *_, safety = table.rows
    assert (overall.wins, overall.losses, overall.ties, overall.split) == (3, 3, 2, 0)
    assert (safety.pairs, table.rejected, table.repeated) == (1, COUNT - 1, 0)


def test_what_nobody_has_filled_in_is_no_vote(systems):
    _, folder = systems()
    path = folder / "for_annotators" / "pairs.csv"
    assert list(read_forms(path, DEFAULT)) == []
    with pytest.raises(UserError) as error:
        count_preferences(PreferencesConfig(str(folder), [str(path)]))
    assert str(error.value) == f"no vote in {path} can be used; see {folder / 'rejected.jsonl'}."


def test_each_fault_is_one_line_and_the_rest_goes_on(systems):
    _, folder = systems()
    keys = list(read_key(folder).pairs)
    good = dict.fromkeys(DEFAULT, "first")
    names = ["key", "annotator", *DEFAULT]
    path = folder / "back.csv"
    fill(
        path,
        [
            {"key": keys[0], "annotator": "ann", **good},
            {"key": keys[1], "annotator": " ", **good},
            {"key": "t0123456789abcde", "annotator": "ann", **good},
            {"key": "", "annotator": "ann", **good},
            {"key": keys[2], "annotator": "ann", **good, "safety": "similar"},
            {"key": keys[3], "annotator": "ann", "overall": "tie", "empathy": "tie"},
            {"key": keys[0], "annotator": "ann", **good, "overall": "second"},
        ],
        names=names,
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{keys[4]},ann,first\r\n")
    export = folder / "back.json"
    made = [{"from_name": name, "value": {"choices": ["first"]}} for name in DEFAULT]
    both = [{"from_name": "safety", "value": {"choices": ["first", "tie"]}}, {"from_name": "other"}, 3]
    tasks = [
        {"data": {"key": keys[5]}, "annotations": [{"completed_by": {"id": 7}, "result": made}]},
        {"data": {"key": keys[6]}, "annotations": [{"completed_by": 7, "result": both + made[:3]}, {"result": None}]},
        {"data": {"key": keys[7]}, "annotations": [{"completed_by": 7, "result": made, "was_cancelled": True}]},
        {"data": {"text": "of another project"}, "annotations": [{"completed_by": 7, "result": made}]},
        {"data": {"key": keys[7]}, "annotations": [{"completed_by": None, "result": made}]},
        {"data": {"key": keys[7]}, "annotations": 2},
        {"data": {"key": keys[7]}, "annotations": []},
    ]
    export.write_text(json.dumps(tasks), encoding="utf-8")
    table = count_preferences(PreferencesConfig(str(folder), [str(path), str(export)]))
    assert [(row["where"], row["reason"]) for row in lines(folder / "rejected.jsonl")] == [
        ("back.csv, row 2", "no annotator is named"),
        ("back.csv, row 3", "a pair that was not given out: 't0123456789abcde'"),
        ("back.csv, row 4", "no key of a pair"),
        ("back.csv, row 5", "not a verdict: safety is 'similar'; it can be first, second or tie"),
        ("back.csv, row 6", "half-filled: no verdict on helpfulness, safety"),
        ("back.csv, row 7", "a second, different vote of one annotator: ann on overall; the first stays"),
        ("back.csv, row 8", "a row with too few or too many cells"),
        (
            "back.json, task 2, annotation 1",
            "not a verdict: safety is \"['first', 'tie']\"; it can be first, second or tie",
        ),
        ("back.json, task 2, annotation 2", "an annotation without results"),
        ("back.json, task 4, annotation 1", "no key of a pair"),
        ("back.json, task 5, annotation 1", "no annotator is named"),
        ("back.json, task 6", "annotations that are no list"),
    ]
    assert {row.criterion: row.votes for row in table.rows} == {
        "overall": 5,
        "empathy": 5,
        "helpfulness": 4,
        "safety": 2,
    }
    assert table.repeated == 3  # the seventh row says again what the first did, but for one
    on_first = next(row for row in lines(folder / "votes.jsonl") if row["key"] == keys[0])
    assert on_first["votes"]["overall"] == {"ann": read_key(folder).pairs[keys[0]].first}


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("x.csv", b"a,b\n1,2\n", "the first line must name the columns key, annotator and columns of verdicts such as"),
        ("x.csv", "键,overall\n第一,好\n".encode("gb18030"), "not UTF-8; save the table as CSV UTF-8."),
        ("x.csv", b"", "the first line must name the columns key"),
        ("x.json", b"", "not a JSON list of tasks; export the project as JSON or JSON-MIN"),
        ("x.json", b"[nonsense", "not a JSON list of tasks"),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_sentence(systems, tmp_path, name, content, sentence):
    _, folder = systems()
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        count_preferences(PreferencesConfig(str(folder), [str(path)]))
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content, reasons", [("[]", []), ("[1]", ["not a task"]), ('[{"data": {}}', ["the file is broken off"])]
)
def test_an_export_without_a_vote_is_one_sentence_and_what_is_wrong_in_it_is_kept(systems, tmp_path, content, reasons):
    _, folder = systems()
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"^no vote in .*x\.json can be used; see .*rejected\.jsonl\.$"):
        count_preferences(PreferencesConfig(str(folder), [str(path)]))
    kept = [row["reason"].partition(":")[0] for row in lines(folder / "rejected.jsonl")]
    assert kept == reasons


def test_a_key_that_is_not_there_or_damaged_is_one_sentence(systems, tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere/key\.json can't be read .*; name the folder that `compeer eval pairs`"
    ):
        count_preferences(PreferencesConfig("nowhere", ["x.csv"]))
    _, folder = systems()
    whole = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="imports names no file; name those that annotators have filled in"):
        count_preferences(PreferencesConfig(str(folder)))
    with pytest.raises(UserError, match=r"x\.csv can't be read \(No such file or directory\); check imports\."):
        count_preferences(PreferencesConfig(str(folder), [str(tmp_path / "x.csv")]))
    for damage in (
        [],
        whole | {"pairs": []},
        whole | {"names": {"a": "x"}},
        whole | {"settings": {"criteria": ["x"]}},
        whole | {"pairs": [whole["pairs"][0] | {"first": "c"}]},
    ):
        (folder / "key.json").write_text(json.dumps(damage), encoding="utf-8")
        with pytest.raises(
            UserError, match=r"key\.json is no key of pairs, or damaged; take the one that `compeer eval"
        ):
            read_key(folder)
    (folder / "key.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"key\.json: not JSON"):
        read_key(folder)


# What it says of A and B


def ballot_of(firsts: str, votes) -> Ballot:
    """A ballot on one criterion: the system that is shown first in each pair, and (pair, annotator) -> verdict."""
    pairs = {f"t{number}": KeyRow(f"talk-{number}", first) for number, first in enumerate(firsts)}
    ballot = Ballot(Key({"a": "red", "b": "blue"}, ("overall",), pairs))
    forms = [Filled("here", "x.csv", f"t{pair}", who, {"overall": said}) for (pair, who), said in votes.items()]
    assert list(ballot.read(forms)) == []
    return ballot


BALLOTS = st.integers(1, 6).flatmap(
    lambda count: st.tuples(
        st.text("ab", min_size=count, max_size=count),
        st.dictionaries(
            st.tuples(st.integers(0, count - 1), st.sampled_from(["ann", "bob", "cleo"])),
            st.sampled_from(["first", "second", "tie"]),
        ),
    )
)


@given(BALLOTS)
def test_calling_a_b_mirrors_the_result_exactly(made):
    firsts, votes = made
    row = criterion_row("overall", ballot_of(firsts, votes), 50, 0)
    mirrored = criterion_row("overall", ballot_of(firsts.translate({97: "b", 98: "a"}), votes), 50, 0)
    assert (mirrored.wins, mirrored.ties, mirrored.losses) == (row.losses, row.ties, row.wins)
    for name in ("pairs", "votes", "split", "p", "first_shown", "kappa_pairs", "kappa_votes"):
        assert getattr(mirrored, name) == getattr(row, name)
    assert mirrored.rates["wins"] == row.rates["losses"]
    assert mirrored.rates["ties"] == row.rates["ties"]
    for rate in ("win_rate", "decided"):
        value, low, high = mirrored.rates[rate]
        expected = [None if one is None else 1 - one for one in row.rates[rate]]
        assert [value, high, low] == pytest.approx(expected)
    kappas = [[one.kappa, *(pair["kappa"] for pair in one.cohen)] for one in (row, mirrored)]
    assert kappas[0] == pytest.approx(kappas[1])


@given(BALLOTS)
def test_votes_count_for_who_was_meant(made):
    firsts, votes = made
    said = {"ann": [], "bob": [], "cleo": []}
    for (pair, who), verdict in votes.items():
        others = {"a": "b", "b": "a"}
        meant = {"first": firsts[pair], "second": others[firsts[pair]], "tie": "tie"}[verdict]
        said[who].append((f"talk-{pair}", meant))
    found = {who: [] for who in said}
    for row in ballot_of(firsts, votes).rows():
        for who, value in row["votes"]["overall"].items():
            found[who].append((row["id"], value))
    assert {who: sorted(on) for who, on in found.items()} == {who: sorted(on) for who, on in said.items()}


def test_the_result_is_what_more_say_than_say_anything_else():
    for size in (1, 2, 3, 4):
        for votes in product(["a", "b", "tie"], repeat=size):
            counts = {value: votes.count(value) for value in votes}
            leading = [value for value, count in counts.items() if count == max(counts.values())]
            assert result(votes) == ((leading[0], False) if len(leading) == 1 else ("tie", True))
    assert result(["a", "b"]) == result(["a", "tie"]) == ("tie", True)
    assert result(["a", "a", "b"]) == ("a", False)


def test_rates_by_hand():
    found = rates(np.array([1] * 6 + [0] * 3 + [-1] * 3), 200, 0)
    shares = {name: estimate.value for name, estimate in found.items()}
    assert shares == pytest.approx(
        {"wins": 6 / 12, "ties": 3 / 12, "losses": 3 / 12, "win_rate": 7.5 / 12, "decided": 6 / 9}
    )
    for estimate in found.values():
        assert estimate.low < estimate.value < estimate.high
    assert rates(np.array([1] * 6 + [0] * 3 + [-1] * 3), 200, 0) == found
    assert {estimate.value for estimate in rates(np.array([], dtype=int), 10, 0).values()} == {None}


def test_intervals_are_quantiles_of_the_binomial():
    # A share of n records, resampled: Binomial(n, share) / n. 4,000 resamples put a quantile within one record of it.
    outcomes = np.array([1] * 56 + [0] * 14 + [-1] * 10)
    for name, count in (("wins", 56), ("ties", 14), ("losses", 10)):
        _, low, high = rates(outcomes, 4000, 1)[name]
        expected = binom.ppf([0.025, 0.975], 80, count / 80) / 80
        assert np.abs(np.array([low, high]) - expected).max() <= 1 / 80


def test_where_all_say_the_same_there_is_no_interval():
    found = rates(np.ones(9, dtype=int), 100, 0)
    assert {name: (estimate.value, estimate.low) for name, estimate in found.items()} == {
        "wins": (1, None),
        "ties": (0, None),
        "losses": (0, None),
        "win_rate": (1, None),
        "decided": (1, None),
    }
    assert rates(np.zeros(9, dtype=int), 100, 0)["decided"].value is None


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_is_the_two_tails_of_a_fair_coin(wins, losses):
    n, more = wins + losses, max(wins, losses)
    expected = min(1.0, 2 * sum(comb(n, k) for k in range(more, n + 1)) / 2**n) if n else None
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_fleiss_kappa_by_hand():
    # Three annotators on four pairs: aaa, aab, bbt, ttt. Agreeing twos of three: 3, 1, 1, 3 of 3 each, mean 8/12.
    # Shares: a 5/12, b 3/12, tie 4/12; by chance (25 + 9 + 16) / 144. (96 - 50) / (144 - 50).
    votes = [dict(zip(("x", "y", "z"), on, strict=True)) for on in (*("aaa", "aab"), ["b", "b", "tie"], ["tie"] * 3)]
    found = agreement([*votes, {"x": "a"}, {"x": "a", "y": "b"}])
    assert found["kappa"] == pytest.approx(46 / 94, abs=1e-6)
    assert (found["kappa_pairs"], found["kappa_votes"]) == (4, 3)
    # x and y on five pairs: (a, a), (a, a), (b, b), (tie, tie), (a, b). 4/5 agree; by chance 3·2 + 1·2 + 1·1 of 25.
    assert found["cohen"][0] == {
        "annotators": ["x", "y"],
        "pairs": 5,
        "kappa": pytest.approx((0.8 - 0.36) / 0.64, abs=1e-6),
    }
    assert [(one["annotators"], one["pairs"]) for one in found["cohen"][1:]] == [(["x", "z"], 4), (["y", "z"], 4)]


def test_kappa_is_of_the_commonest_number_of_votes_and_of_nothing_where_it_is_not_defined():
    two, three = {"x": "a", "y": "b"}, {"x": "a", "y": "b", "z": "b"}
    assert [agreement(votes)["kappa_votes"] for votes in ([two, two, three], [two, three], [{"x": "a"}], [])] == [
        2,
        3,
        0,
        0,
    ]
    same = agreement([{"x": "a", "y": "a"}] * 3)
    assert (same["kappa"], same["kappa_pairs"], same["cohen"][0]["kappa"]) == (None, 3, None)
    assert agreement([{"x": "a"}] * 3) == {"kappa": None, "kappa_pairs": 0, "kappa_votes": 0, "cohen": []}


def test_a_library_that_is_not_there_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.stats.inter_rater", None)
    with pytest.raises(
        UserError, match=r"with scikit-learn and statsmodels; run pip install \"compeer_jax\[data\]\"\.$"
    ):
        agreement([{"x": "a", "y": "b"}])


# The commands


def test_the_commands_from_outputs_to_the_table(systems, tmp_path, capsys):
    out = str(tmp_path / "pairs")
    arguments = [f"--a={tmp_path / 'red.jsonl'}", f"--b={tmp_path / 'blue.jsonl'}", "--name_a=Red", "--name_b=Blue"]
    assert main(["eval", "pairs", *arguments, f"--output={out}", "--criteria=[overall, safety]"]) == 0
    assert capsys.readouterr().out.startswith(
        "8 pairs of 8 records that both reply to; 0 with the same reply from both"
    )
    folder, asked = tmp_path / "pairs", ("overall", "safety")
    files = [
        fill(tmp_path / f"{who}.csv", judged(folder, who, prefers, asked), columns(asked))
        for who, prefers in (("ann", lambda _: "aa"), ("bob", lambda number: "aa" if number else "bb"))
    ]
    published = tmp_path / "published.yaml"
    published.write_text("CARE: {overall_win_rate: 84.33, overall_kappa: 0.68, empathy_wins: 50}\n")
    command = ["eval", "preferences", "--pairs", out, "--imports", *files, f"--published={published}"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "A is Red, B is Blue: 8 of 8 pairs judged by 2 annotators" in printed
    cells = [line.strip("| ").split(" | ") for line in (folder / "preferences.md").read_text().splitlines()]
    by_name = {line[0]: line[1:] for line in cells if len(line) > 9}
    # A wins seven, and one is split. p: 2 / 2**7. The win rate is 7.5 of 8.
    assert [cell.split(" (")[0] for cell in by_name["overall"]] == [
        *("8", "87.5", "12.5", "0.0", "93.8", "100.0", "p = 0.016", "12.5"),
        # 7/8 agree; shares 15/16 and 1/16: 226/256 by chance. (224 - 226) / (256 - 226).
        f"{-2 / 30:.2f}",
        by_name["overall"][-1],
    ]
    assert by_name["overall, CARE, published"][4] == "84.3"
    assert by_name["overall, CARE, published"][8] == "0.68"
    assert by_name["empathy, CARE, published"][1] == "50.0"
    content = json.loads((folder / "preferences.json").read_text())
    assert content["rows"][0]["rates"]["win_rate"]["value"] == pytest.approx(7.5 / 8)
    assert content["rows"][0]["cohen"][0]["annotators"] == ["ann", "bob"]
    assert (content["names"], content["settings"]["resamples"]) == ({"a": "Red", "b": "Blue"}, 2000)
    # The same files say the opposite of the same systems with their names exchanged.
    other = [
        argument.replace("--a=", "--x=").replace("--b=", "--a=").replace("--x=", "--b=") for argument in arguments[:2]
    ]
    mirror = str(tmp_path / "mirror")
    assert main(["eval", "pairs", *other, f"--output={mirror}", "--criteria=[overall, safety]"]) == 0
    assert main(["eval", "preferences", "--pairs", mirror, "--imports", *files]) == 0
    again = json.loads((tmp_path / "mirror" / "preferences.json").read_text())
    for row, mirrored in zip(content["rows"], again["rows"], strict=True):
        assert (mirrored["wins"], mirrored["losses"], mirrored["p"]) == (row["losses"], row["wins"], row["p"])
        assert mirrored["rates"]["losses"] == row["rates"]["wins"]
        assert mirrored["kappa"] == row["kappa"]


def test_many_annotators_are_not_all_named_in_the_table(systems, tmp_path):
    _, folder = systems()
    files = [
        fill(tmp_path / f"{who}.csv", judged(folder, who, lambda number, n=n: ("aa", "bb")[number % 4 == n]))
        for n, who in enumerate(("ann", "bob", "cleo", "dan"))
    ]
    made = count_preferences(PreferencesConfig(str(folder), files, output=str(tmp_path / "out")))
    assert made.table.notes[1].endswith("(8 pairs with 4 votes); Cohen's: -0.33 to -0.33 for 6 twos of annotators.")
    assert (tmp_path / "out" / "preferences.md").read_text(encoding="utf-8") == tables_markdown([made.table])
    assert not (folder / "votes.jsonl").exists()


def test_files_are_given_as_a_shell_writes_them_out(capsys):
    assert written_out(PreferencesConfig, ["--imports", "a.csv", "b b.csv", "--seed", "1"]) == [
        '--imports=["a.csv", "b b.csv"]',
        "--seed",
        "1",
    ]
    for given_otherwise in (["--imports", "[a.csv, b.csv]"], ["--imports=[a.csv]"], ["--imports"], ["--seed=1"]):
        assert written_out(PreferencesConfig, given_otherwise) == given_otherwise
    assert main(["config", "show", "eval", "preferences", "--pairs=x", "--imports=[a.csv]"]) == 0
    assert "- a.csv" in capsys.readouterr().out
    assert main(["config", "show", "eval", "pairs", "--a=x", "--b=y", "--output=z"]) == 0
    assert "- helpfulness" in capsys.readouterr().out


def test_published_figures_are_of_criteria_that_there_are():
    assert {name.removesuffix("_kappa") for name in METRICS if name.endswith("_kappa")} == set(CRITERIA)
    assert (METRICS["safety_kappa"].least, METRICS["safety_wins"].most) == (-1, 100)
