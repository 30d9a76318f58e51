"""A study of one system against several: what is asked, who is asked, and what comes of the answers."""

import csv
import json
import random
import re
from collections import Counter

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, completion, last_message
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.main import main
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.evaluation.estimates import sign_test
from compeer_jax.evaluation.served_replies import RepliesConfig, write_replies
from compeer_jax.people.pairs import Reply, read_replies
from compeer_jax.people.preferences import PreferencesConfig
from compeer_jax.people.study import StudyConfig, allot, export_study, make_study
from compeer_jax.people.study_results import CHART, count_study, plot_study
from compeer_jax.people.tasks import read_key

MARKS = {"ours": "aa", "red": "bb", "blue": "cc", "green": "dd"}
TALK = (Turn("seeker", "I lost my job."),)


def replies(mark: str, count: int, same: int = 0) -> dict[str, Reply]:
    """A system's replies; to the first `same` records it says what ours says."""
    return {f"talk-{n}": Reply(f"{'aa' if n < same else mark} {n}", TALK) for n in range(count)}


@pytest.fixture
def study(tmp_path):
    """Files of four systems, and a function that makes a study of them. Red says what ours says to two records; green
    says what blue says to the third; blue lacks the last one."""
    history = [turn.to_json() for turn in TALK]
    for name, mark in MARKS.items():
        rows = [{"id": f"talk-{n}", "response": f"{mark} {n}", "history": history} for n in range(8)]
        if name == "red":
            rows[0]["response"], rows[1]["response"] = "aa 0", " aa 1"
        if name == "green":
            rows[2]["response"] = "cc 2"
        write_jsonl(tmp_path / f"{name}.jsonl", rows[: 7 if name == "blue" else 8])

    def make(folder: str = "study", **changes):
        others = {name: str(tmp_path / f"{name}.jsonl") for name in ("red", "blue", "green")}
        settings = {"ours": str(tmp_path / "ours.jsonl"), "others": others, "output": str(tmp_path / folder)}
        return export_study(StudyConfig(**(settings | changes))), tmp_path / folder

    return make


def table(path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def judged(path, prefers, annotator: str = "") -> str:
    """The table at `path`, filled in beside it: `prefers` names the mark of the better reply, or "tie"."""
    rows = table(path)
    for row in rows:
        mark = prefers(row)
        row["overall"] = mark if mark == "tie" else "first" if mark in row["first"] else "second"
        row["annotator"] = annotator or row["annotator"]
    filled = path.with_name(f"filled-{annotator}.csv")
    with filled.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(filled)


# What is asked


def test_all_systems_answer_the_same_dialogues_and_what_is_alike_is_not_asked(study):
    made, folder = study()
    assert (len(made.dialogues), made.common) == (7, 7)
    assert made.left_out == {"ours": 1, "red": 1, "blue": 0, "green": 1}
    assert {name: sorted(ids) for name, ids in made.same.items()} == {
        "red": ["talk-0", "talk-1"],
        "blue": [],
        "green": [],
    }
    asked = [(pair.id, name) for pair in made.pairs for name in made.against[pair.key]]
    assert Counter(name for _, name in asked) == {"red": 5, "blue": 7, "green": 7}
    assert len(set(asked)) == len(asked) == len(made.pairs) + 1  # blue and green say the same to one record
    shown = table(folder / "for_annotators" / "pairs.csv")
    assert [row["key"] for row in shown] == sorted(pair.key for pair in made.pairs)
    assert {row["images"] for row in shown} == {""}
    assert read_key(folder).same == {"red": 2, "blue": 0, "green": 0}


def test_annotators_see_neither_names_nor_records(study):
    _, folder = study(annotators=["ann", "ben"])
    for path in (folder / "for_annotators").rglob("*.*"):
        assert not re.search(r"\bred\b|blue|green|ours|talk-\d|against", path.read_text(encoding="utf-8-sig")), path
    config = (folder / "for_annotators" / "labelling_config.xml").read_text(encoding="utf-8")
    interface = LabelInterface(config)
    tasks = json.loads((folder / "for_annotators" / "ann" / "tasks.json").read_text(encoding="utf-8"))
    assert all(interface.validate_task(task) for task in tasks)
    assert {task["data"]["pictures"] for task in tasks} == {""}
    assert "A talk may come again" in (folder / "for_annotators" / "guidelines.en.md").read_text(encoding="utf-8")


def test_a_study_can_be_of_talks_with_pictures_alone():
    seen = (Turn("seeker", "Look.", images=("a.png",)),)
    systems = {
        name: {
            id: reply if number % 3 else Reply(reply.response, seen) for number, (id, reply) in enumerate(made.items())
        }
        for name, made in ((name, replies(mark, 12)) for name, mark in MARKS.items())
    }
    with_pictures = {f"talk-{number}" for number in range(0, 12, 3)}
    asked = {which: set(make_study(systems, count=0, seed=3, pictures=which).dialogues) for which in ("any", "with")}
    assert asked == {"any": {f"talk-{number}" for number in range(12)}, "with": with_pictures}
    without = make_study(systems, count=0, seed=3, pictures="without")
    assert set(without.dialogues) == asked["any"] - with_pictures
    plain = {name: replies(mark, 3) for name, mark in MARKS.items()}
    with pytest.raises(UserError, match="no talk that all systems answer is with pictures; set pictures to any"):
        make_study(plain, count=0, seed=3, pictures="with")


def test_more_dialogues_contain_the_fewer():
    systems = {name: replies(mark, 40) for name, mark in MARKS.items()}
    few, many = (make_study(systems, count=count, seed=3) for count in (10, 25))
    assert many.dialogues[:10] == few.dialogues
    assert {pair.key for pair in few.pairs} < {pair.key for pair in many.pairs}
    assert make_study(systems, count=10, seed=4).dialogues != few.dialogues
    assert len(few.pairs) == 30


@given(st.integers(1, 40), st.integers(1, 6), st.data())
def test_pairs_are_shared_evenly(count, people, data):
    votes = data.draw(st.integers(0, people))
    keys = [f"t{number}" for number in range(count)]
    shares = allot(keys, [f"p{number}" for number in range(people)], votes)
    assert all(len(set(share)) == len(share) for share in shares.values())
    assert Counter(key for share in shares.values() for key in share) == dict.fromkeys(keys, votes or people)
    sizes = [len(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1


def test_each_annotator_gets_a_folder_under_a_name(study):
    made, folder = study(annotators=["ann", "ben", "安"], votes=2)
    rows = {name: table(folder / "for_annotators" / name / "pairs.csv") for name in ("ann", "ben", "安")}
    assert all({row["annotator"] for row in some} == {name} for name, some in rows.items())
    given_out = Counter(row["key"] for some in rows.values() for row in some)
    assert given_out == {pair.key: 2 for pair in made.pairs}
    assert not (folder / "for_annotators" / "pairs.csv").exists()


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"others": {}}, "others names no system; give one at least"),
        ({"name": "red"}, "two systems are called 'red'; set name, or call the other one otherwise."),
        ({"annotators": ["../x"]}, "annotators: '../x' can't be the name of a folder"),
        ({"annotators": ["ann", "Ann"]}, "name nobody twice"),
        ({"annotators": ["ann"], "votes": 2}, "votes is 2, but 1 annotators are named; name as many, or lower it."),
        ({"votes": 1}, "votes is 1, but 0 annotators are named"),
        ({"count": -1}, "count is -1; it must be at least 0"),
        ({"member": 3}, "has no output of member 3"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence_and_nothing_is_written(study, tmp_path, changes, sentence):
    with pytest.raises(UserError) as error:
        study(**changes)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "study").exists()


def test_systems_that_can_not_be_compared_are_one_sentence(study, tmp_path):
    same = {"x": str(tmp_path / "red.jsonl"), "y": str(tmp_path / "." / "red.jsonl")}
    with pytest.raises(UserError, match=r"^'x' and 'y' are both .*red\.jsonl; a system can be in a study once\.$"):
        study(others=same)
    one, other = replies("aa", 3), replies("bb", 3)
    with pytest.raises(UserError, match=r"^'x' and 'z' say the same to all 3 records; name a system once"):
        make_study({"ours": one, "x": other, "z": dict(other)}, count=0, seed=0)
    with pytest.raises(UserError, match=r"^there is no record that all 2 systems answer; make their outputs on the sa"):
        make_study({"ours": one, "x": {"other": other["talk-0"]}}, count=0, seed=0)
    third = {id: Reply(reply.response, (Turn("seeker", "Something else."),)) for id, reply in replies("cc", 3).items()}
    with pytest.raises(UserError, match=r"^the talks before the replies to 'talk-\d' differ; take outputs on the same"):
        make_study({"ours": one, "x": other, "y": third}, count=0, seed=0)
    alike = {"talk-0": one["talk-0"]} | {"talk-1": other["talk-1"]}
    alone = next(
        seed for seed in range(9) if "talk-0" in make_study({"ours": one, "x": other}, count=1, seed=seed).dialogues
    )
    with pytest.raises(UserError, match=r"^all systems say the same to the 1 chosen dialogues; take more, or another"):
        make_study({"ours": one, "x": alike}, count=1, seed=alone)
    bare = [{id: Reply(reply.response) for id, reply in some.items()} for some in (one, other)]
    with pytest.raises(UserError, match="is in neither of the two; add 'history' to one"):
        make_study({"ours": bare[0], "x": bare[1]}, count=0, seed=0)


def test_a_study_that_is_given_out_is_never_written_over(study, tmp_path):
    _, folder = study()
    path = folder / "for_annotators" / "pairs.csv"
    path.write_text("begun")
    study()
    assert path.read_text() == "begun"
    with pytest.raises(UserError, match="holds other pairs, which people may be judging; name another output folder"):
        study(count=3)


# What comes back


def test_from_outputs_to_the_chart(study, tmp_path, capsys):
    _, folder = study()
    path = folder / "for_annotators" / "pairs.csv"

    def prefers(row):
        text = row["first"] + row["second"]
        return "aa" if "bb" in text else "tie" if re.search(r"[cd]{2} [345]", text) else "cc" if "cc" in text else "aa"

    files = [judged(path, prefers, who) for who in ("ann", "ben")]
    published = tmp_path / "published.yaml"
    published.write_text("ours against red: {overall_wins: 60}\nother: {overall_kappa: 0.68}\n")
    command = ["eval", "preferences", "--pairs", str(folder), "--imports", *files, f"--published={published}"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "ours against 3 others: 18 of 18 pairs judged by 2 annotators" in printed
    content = json.loads((folder / "preferences.json").read_text())
    found = {one["name"]: one for one in content["comparisons"]}
    counts = {name: [one["row"][part] for part in ("pairs", "wins", "ties", "losses")] for name, one in found.items()}
    # Red loses five, and says the same twice. Blue wins all but three ties. Green says what blue says to talk 2, and
    # loses the others but three ties.
    assert counts == {"red": [7, 5, 2, 0], "blue": [7, 0, 3, 4], "green": [7, 3, 3, 1]}
    assert [found[name]["same"] for name in ("red", "blue", "green")] == [2, 0, 0]
    assert found["red"]["row"]["p"] == pytest.approx(sign_test(5, 0)) == pytest.approx(2 / 32)
    assert found["red"]["holm"] == pytest.approx(6 / 32)
    lines = [line.strip("| ").split(" | ") for line in (folder / "preferences.md").read_text().splitlines()]
    by_name = {line[0]: line[1:] for line in lines if len(line) > 9}
    assert [cell.split(" (")[0] for cell in by_name["ours against red"][:4]] == ["7", "71.4", "28.6", "0.0"]
    assert by_name["ours against red, published"][1] == "60.0"
    assert by_name["other, published"][10] == "0.68"
    assert (folder / CHART).read_bytes().startswith(b"\x89PNG")
    votes = [json.loads(line) for line in (folder / "votes.jsonl").read_text().splitlines()]
    assert sum(len(row["against"]) for row in votes) == 19
    assert [row["against"] for row in votes].count(["blue", "green"]) == 1


def test_what_nobody_has_judged_is_said_and_counts_no_ties(study):
    _, folder = study()
    path = folder / "for_annotators" / "pairs.csv"
    only = judged(path, lambda row: "aa", "ann")
    rows = [row for row in table(path.with_name("filled-ann.csv")) if "bb" not in row["first"] + row["second"]]
    with open(only, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[1:])
    found = count_study(PreferencesConfig(str(folder), [only]))
    red, blue, green = found.comparisons
    assert (red.row.pairs, red.waiting, red.holm) == (0, 5, None)
    assert blue.waiting + green.waiting >= 1
    assert "Not judged yet: 5 against red" in " ".join(found.table.notes)
    assert "| ours against red | 0 | – |" in found.markdown


def test_a_file_of_another_study_is_refused_before_anything_is_written(study):
    _, folder = study()
    _, other = study("other", seed=9)
    path = judged(other / "for_annotators" / "pairs.csv", lambda row: "aa", "ann")
    with pytest.raises(
        UserError, match=r"filled-ann\.csv has none of the pairs in .*: it is of another study; name it"
    ):
        count_study(PreferencesConfig(str(folder), [path]))
    assert sorted(entry.name for entry in folder.iterdir()) == ["for_annotators", "key.json"]


def test_a_damaged_key_is_one_sentence(study):
    _, folder = study()
    whole = json.loads((folder / "key.json").read_text())
    pair = whole["pairs"][0]
    for damage in (
        {"others": []},
        {"same": {}},
        {"pairs": [pair | {"against": ["x"]}]},
        {"pairs": [pair | {"against": []}]},
    ):
        (folder / "key.json").write_text(json.dumps(whole | damage))
        with pytest.raises(UserError, match=r"is no key of pairs, or damaged; take the one that `compeer eval pairs`"):
            read_key(folder)


def test_the_chart_is_of_the_shares(study, tmp_path, monkeypatch):
    _, folder = study()
    files = [
        judged(
            folder / "for_annotators" / "pairs.csv", lambda row: random.Random(row["key"]).choice(["aa", "tie"]), "x"
        )
    ]
    found = count_study(PreferencesConfig(str(folder), files))
    drawn = {}
    monkeypatch.setattr("compeer_jax.report.figures.save_figure", lambda figure, path: drawn.update(figure=figure))
    plot_study(found, tmp_path / "x.png")
    (axes,) = drawn["figure"].axes
    widths = [patch.get_width() for patch in axes.patches]
    expected = [100 * one.row.rates[rate].value for one in found.comparisons for rate in ("wins", "ties", "losses")]
    assert widths == pytest.approx(expected)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["against red", "against blue", "against green"]


# Systems behind servers


def served(tmp_path, server, *more):
    arguments = f"--server.url {server.url} --server.model m --output {tmp_path / 'm'} --data.prompt compeer_brief"
    arguments += " --server.backoff 0.01 --server.patience 0"
    return parse_config(RepliesConfig, [*arguments.split(), *more], command="eval replies", description="")


def test_a_served_model_answers_the_records_of_another_and_its_faults_are_counted(tmp_path):
    records = load_records(DataConfig(prompt="compeer_brief")).test[:4]
    right = COMPEER.render(records[0].reference, "en")
    write_jsonl(tmp_path / "other" / "outputs.jsonl", [{"id": one.id, "member": 0, "text": "x"} for one in records])
    said = {
        records[0].history[-1].content: f"<think><response>no</response></think>\n{right}",
        records[1].history[-1].content: right.removesuffix("</response>"),
        records[2].history[-1].content: "<think>on and on",
        records[3].history[-1].content: completion(right, finish="length"),
    }
    with ChatHTTPServer(lambda body: said.get(body["messages"][-1]["content"], "Hello."), models=["m"]) as server:
        more = ("--records_of", str(tmp_path / "other"))
        found = write_replies(served(tmp_path, server, *more), say=print)
        asked = len(server.asked)
        assert write_replies(served(tmp_path, server, *more), say=print) == found
        assert (asked, len(server.asked)) == (4, 4 + 2)  # answers are kept; what is not whole is none
        with pytest.raises(UserError, match=r'split \("test" there, "valid" now\); name another output folder'):
            write_replies(served(tmp_path, server, *more, "--split", "valid"), say=print)
    assert (found.count, found.well_formed, found.silent) == (4, 1, 1)
    assert found.problems == {"unclosed:response": 1, "cut off": 1}
    replies = read_replies(str(tmp_path / "m"))
    assert {one.id: replies[one.id].response for one in records} == {
        records[0].id: records[0].reference.response,
        records[1].id: "",
        records[2].id: "",
        records[3].id: "",
    }


def test_a_server_that_answers_nothing_is_a_sentence(tmp_path):
    def polite(body):
        return GREETING if last_message(body) == GREETING else ""

    silent, rude = r"^m answered none of 2 records; see what the server says of it\.$", "answers without a word"
    for answer, sentence in ((polite, silent), (lambda body: "", rude)):
        with ChatHTTPServer(answer, models=["m"]) as server, pytest.raises(UserError, match=sentence):
            write_replies(served(tmp_path, server, "--records", "2"), say=print)
    assert not (tmp_path / "m" / "outputs.jsonl").exists()
    with pytest.raises(UserError, match=r"server\.model names no model; give its name there, and server\.url\."):
        RepliesConfig("x")
