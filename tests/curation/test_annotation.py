"""The annotation stage: people's forms are made in the tests, and chat models are scripted."""

import csv
import json
import re
from collections import Counter

import pytest
from annotation_fixture import candidates, work_with
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from compeer_jax.chat.types import Answer, Spent
from compeer_jax.curation.annotation.dealing import deal_all, deal_third
from compeer_jax.curation.annotation.drafts import critique_of, identities
from compeer_jax.curation.annotation.items import is_swapped, make_task, task_key
from compeer_jax.curation.annotation.stage import STAGE
from compeer_jax.curation.config import AnnotationConfig
from compeer_jax.curation.stage import read_card, run_stage
from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.errors import UserError

MADE = candidates(3)
FIELDS = ("history_verdict", "emotion_verdict", "strategy_verdict", "preference")


class Judge:
    """A scripted judge: `say` gives its answer to (item, shown), `item` being a step's tag or "response"."""

    def __init__(self, say):
        self.name, self.say, self.spent, self.asked = "judge", say, Spent(), 0
        self.settings = {"scripted": "judge"}

    def check(self) -> None:
        pass

    def answer(self, requests):
        self.asked += len(requests)
        self.spent += Spent(len(requests), 100 * len(requests), 10 * len(requests))
        return [self._one(request) for request in requests]

    def _one(self, request):
        text = request.messages[-1]["content"]
        item = re.search(r"<(history|emotion|strategy|first)>\n", text)[1].replace("first", "response")
        said = self.say(item, text)
        return None if said is None else Answer(said, 100, 10)

    def close(self) -> None:
        pass


def says(*verdicts, preference="reference", critique="I find it so."):
    """What a judge says that gives these verdicts on the steps, and prefers that reply in either order."""

    def say(item, text):
        if item != "response":
            return f"{critique}\nVerdict: {dict(zip(('history', 'emotion', 'strategy'), verdicts, strict=True))[item]}"
        if preference not in ("reference", "output"):
            return f"Verdict: {preference}"
        first = "reference" if "<first>\nThe reference" in text else "output"
        return f"Verdict: {'first' if first == preference else 'second'}"

    return say


def filled(folder, name, judged) -> str:
    """A table that somebody has filled in.

    `judged` is (candidate id, annotator) -> verdicts; the preference is for the "reference" or the "output".
    """
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["key", "annotator", *FIELDS])
        writer.writeheader()
        for (id, annotator), (*steps, preference) in judged.items():
            order = ("output", "reference") if is_swapped(0, id) else ("reference", "output")
            shown = dict(zip(order, ("first", "second"), strict=True)).get(preference, preference)
            writer.writerow(
                {"key": task_key(0, id), "annotator": annotator, **dict(zip(FIELDS, (*steps, shown), strict=True))}
            )
    return str(path)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def labels(folder) -> dict[str, dict]:
    return {row["id"]: row for row in lines(folder / "annotation" / "labels.jsonl")}


def test_without_votes_it_says_what_to_do(tmp_path):
    said = []
    run_stage(STAGE, work_with(tmp_path, MADE, said=said))
    folder = tmp_path / "annotation"
    assert sorted(path.name for path in folder.iterdir()) == [
        "agreement.json",
        "annotations.csv",
        "guidelines.en.md",
        "guidelines.zh.md",
        "labelling_config.xml",
        "labels.jsonl",
        "rejected.jsonl",
        "stage.json",
        "tasks.json",
        "third.csv",
        "third.json",
        "third_labelling_config.xml",
    ]
    assert labels(tmp_path) == {}
    assert len(json.loads((folder / "tasks.json").read_text(encoding="utf-8"))) == 6
    assert json.loads((folder / "third.json").read_text(encoding="utf-8")) == []
    assert said == [
        "annotation: nobody has judged the 6 tasks. Import tasks.json with labelling_config.xml into Label Studio, or "
        "give copies of annotations.csv to annotators, with the guidelines; then name what comes back in "
        "annotation.imports. Chat models in annotation.drafts can annotate, too."
    ]
    counts = read_card(folder)["counts"]
    assert counts["items"]["history"] == {"unjudged": 6}
    agreement = json.loads((folder / "agreement.json").read_text())
    assert list(agreement) == ["history", "emotion", "strategy", "response", "steps"]
    assert agreement["steps"]["people"]["kappa"] is None


def test_people_vote_a_third_settles_and_the_rest_is_left_out(tmp_path):
    ids = [made.id for made in MADE]
    ann = {(id, "ann"): ("True", "True", "False", "output") for id in ids[:5]}
    bob = {
        (ids[0], "bob"): ("True", "True", "False", "output"),
        (ids[1], "bob"): ("True", "False", "False", "reference"),
        (ids[2], "bob"): ("False", "True", "False", "similar"),
        (ids[3], "bob"): ("True", "True", "False", "neither"),
    }
    first = [filled(tmp_path, "in/ann.csv", ann), filled(tmp_path, "in/bob.csv", bob)]
    said = []
    work = work_with(tmp_path, MADE, imports=first, said=said)
    run_stage(STAGE, work)
    found = labels(tmp_path)
    assert found[ids[0]]["labels"] == {"history": True, "emotion": True, "strategy": False}
    assert found[ids[0]]["preference"] == "second"
    assert found[ids[0]]["votes"]["response"] == {"ann": "second", "bob": "second"}
    assert found[ids[1]]["labels"] == {"history": True, "strategy": False}
    assert "preference" not in found[ids[1]]
    assert set(found) == set(ids[:4])
    assert not any(row["drafts"] or row["critiques"] for row in found.values())
    last = found[ids[0]]["provenance"][-1]
    assert [entry["stage"] for entry in found[ids[0]]["provenance"]] == ["corpora", "candidates", "annotation"]
    assert [file["file"] for file in last["files"]] == ["ann.csv", "bob.csv"]
    third = json.loads((tmp_path / "annotation" / "third.json").read_text(encoding="utf-8"))
    asked = {task["data"]["key"]: task["data"]["asked"] for task in third}
    assert asked == {
        task_key(0, ids[1]): "emotion, response",
        task_key(0, ids[2]): "history, response",
        task_key(0, ids[3]): "response",
    }
    assert said == [
        "annotation: on 3 tasks annotators differ; give third.json with third_labelling_config.xml, or third.csv, to "
        "somebody who hasn't judged them, and add what comes back to annotation.imports."
    ]
    counts = read_card(tmp_path / "annotation")["counts"]
    assert counts["items"]["response"] == {"second": 1, "third": 3, "unjudged": 1, "waiting": 1}
    assert counts["items"]["strategy"] == {"False": 4, "unjudged": 1, "waiting": 1}

    # The third judges in Label Studio, what was asked only.
    interface = LabelInterface((tmp_path / "annotation" / "third_labelling_config.xml").read_text(encoding="utf-8"))
    answers = [{"emotion_verdict": "False"}, {"history_verdict": "True"}, {}]
    better = ["output", "reference", "similar"]
    for task, verdicts, preferred in zip(_in_order(third, ids[1:4]), answers, better, strict=True):
        shown = dict(zip(("first", "second"), _kinds(task["data"]), strict=True))
        verdicts["preference"] = next((name for name, kind in shown.items() if kind == preferred), preferred)
        result = [json.loads(region.to_json()) for region in interface.create_regions(verdicts)]
        task["annotations"] = [{"completed_by": 7, "result": result}]
    (tmp_path / "in" / "third.json").write_text(json.dumps(third), encoding="utf-8")
    run_stage(STAGE, work_with(tmp_path, MADE, imports=[*first, str(tmp_path / "in" / "third.json")]))
    found = labels(tmp_path)
    assert lines(tmp_path / "annotation" / "rejected.jsonl") == []
    assert found[ids[1]]["labels"] == {"history": True, "emotion": False, "strategy": False}
    assert found[ids[1]]["preference"] == "second"
    assert found[ids[2]]["labels"]["history"] is True
    assert "preference" not in found[ids[2]]  # output, similar and reference
    assert "preference" not in found[ids[3]]  # output, neither and similar
    counts = read_card(tmp_path / "annotation")["counts"]
    assert counts["items"]["response"] == {"excluded": 2, "second": 2, "unjudged": 1, "waiting": 1}
    assert json.loads((tmp_path / "annotation" / "third.json").read_text(encoding="utf-8")) == []
    agreement = json.loads((tmp_path / "annotation" / "agreement.json").read_text())
    assert agreement["response"]["people"]["items"] == 4
    assert {tuple(pair["annotators"]) for pair in agreement["steps"]["pairs"]} == {("ann", "bob")}


def _in_order(tasks, ids):
    keys = [task_key(0, id) for id in ids]
    return sorted(tasks, key=lambda task: keys.index(task["data"]["key"]))


def _kinds(data):
    return ["reference" if data[name].startswith("The reference") else "output" for name in ("first", "second")]


def test_drafts_are_un_blinded_marked_and_kept_with_their_critiques(tmp_path):
    models = {
        "one": Judge(says(True, False, True, preference="output", critique="Seen by one.")),
        "two": Judge(says(True, False, False, preference="output", critique="Seen by two.")),
        "three": Judge(says(True, True, False, preference="similar", critique="Seen by three.")),
    }
    run_stage(STAGE, work_with(tmp_path, MADE, models=models))
    found = labels(tmp_path)
    assert set(found) == {made.id for made in MADE}
    swapped = Counter(make_task(made, 0).swapped for made in MADE)
    assert len(swapped) == 2  # else un-blinding is not seen
    for row in found.values():
        assert row["labels"] == {"history": True, "emotion": False, "strategy": False}
        assert row["preference"] == "second"
        assert row["drafts"] is True
        assert row["critiques"] == {"history": "Seen by one.", "emotion": "Seen by one.", "strategy": "Seen by two."}
        assert row["votes"]["response"] == {"model:one": "second", "model:two": "second", "model:three": "similar"}
        last = row["provenance"][-1]
        assert last["critics"] == {"history": "model:one", "emotion": "model:one", "strategy": "model:two"}
        assert last["prompt"] == f"judge v{load_judge_prompt('judge', 'en').version}"
        assert set(last["models"]) == {"one", "two", "three"}
    counts = read_card(tmp_path / "annotation")["counts"]
    assert counts["drafted_rows"] == 6
    assert counts["votes"] == {"people": 0, "models": 72, "repeated": 0}
    assert counts["models"]["two"]["votes"] == 24
    assert counts["models"]["two"]["spent"]["prompt_tokens"] == 2400
    assert "model:one" not in (tmp_path / "annotation" / "tasks.json").read_text(encoding="utf-8")


def test_people_come_before_models(tmp_path):
    ids = [made.id for made in MADE]
    said = {(ids[0], name): ("False", "False", "True", "reference") for name in ("ann", "bob")}
    said |= {(ids[1], "ann"): ("False", "True", "True", "similar")}
    models = {name: Judge(says(True, True, True, preference="output")) for name in ("one", "two")}
    run_stage(STAGE, work_with(tmp_path, MADE, models=models, imports=[filled(tmp_path, "in/a.csv", said)]))
    found = labels(tmp_path)
    assert found[ids[0]]["labels"] == {"history": False, "emotion": False, "strategy": True}
    assert found[ids[0]]["preference"] == "first"
    assert found[ids[0]]["drafts"] is False
    assert set(found[ids[0]]["critiques"]) == {"strategy"}  # the models' critiques of the others are of other verdicts
    assert found[ids[1]]["labels"] == {"history": True, "emotion": True, "strategy": True}  # outvoted by two models
    assert found[ids[1]]["preference"] == "second"
    assert found[ids[1]]["drafts"] is True


def test_drafts_without_a_verdict_are_set_aside(tmp_path):
    def say(item, text):
        return {"history": "I can't say.", "emotion": None}.get(item, says(True, True, True)(item, text))

    said = []
    judge = Judge(say)
    run_stage(STAGE, work_with(tmp_path, MADE[:1], models={"one": judge}, tries=3, said=said))
    rejected = lines(tmp_path / "annotation" / "rejected.jsonl")
    assert [(row["where"], row["reason"], row["row"]) for row in rejected] == [
        ("talk-0#1/red, history, model:one", "a draft without a verdict: no verdict", {"text": "I can't say."}),
        ("talk-0#1/red, emotion, model:one", "a draft without a verdict: no reply", {"text": ""}),
    ]
    assert judge.asked == 4 + 2 + 2
    assert said == [
        "annotation: no item has enough votes yet, so there are no labels; it takes annotation.annotators (2) of "
        "people or models on an item."
    ]


def test_the_same_inputs_give_the_same_files(tmp_path):
    ids = [made.id for made in MADE]
    people = {(id, name): ("True", "False", "True", "output") for id in ids for name in ("ann", "bob")}
    contents = []
    for name, made in (("a", MADE), ("b", MADE)):
        models = {"one": Judge(says(True, True, False))}
        imports = [filled(tmp_path, "in/people.csv", people)]
        run_stage(STAGE, work_with(tmp_path / name, made, models=models, imports=imports))
        folder = tmp_path / name / "annotation"
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_what_depends_on_what(tmp_path):
    """A verdict that somebody changes makes the stage run again; a model's waiting time would not."""
    people = {(MADE[0].id, name): ("True", "False", "True", "output") for name in ("ann", "bob")}
    work = work_with(tmp_path, MADE, imports=[filled(tmp_path, "in/people.csv", people)])
    assert run_stage(STAGE, work)
    assert not run_stage(STAGE, work)
    filled(tmp_path, "in/people.csv", people | {(MADE[0].id, "bob"): ("False", "False", "True", "output")})
    assert run_stage(STAGE, work)
    assert "history" not in labels(tmp_path)[MADE[0].id]["labels"]


def test_faults_of_imports_land_in_rejected(tmp_path):
    path = filled(tmp_path, "in/people.csv", {("talk-9#1/red", "ann"): ("True", "True", "True", "output")})
    run_stage(STAGE, work_with(tmp_path, MADE, imports=[path]))
    (row,) = lines(tmp_path / "annotation" / "rejected.jsonl")
    assert row["where"] == "people.csv, row 1"
    assert row["reason"] == f"a task that was not given out: '{task_key(0, 'talk-9#1/red')}'"
    assert read_card(tmp_path / "annotation")["rejected"] == {"a task that was not given out": 1}


def test_imports_that_can_not_be(tmp_path):
    run_stage(STAGE, work_with(tmp_path, MADE))
    inside = tmp_path / "annotation" / "annotations.csv"
    one, two = filled(tmp_path, "in/a.csv", {}), filled(tmp_path, "too/a.csv", {})
    for imports, sentence in [
        ([str(inside)], f"{inside} is where the annotation stage writes; keep filled-in copies in another folder."),
        ([one, two], "annotation.imports: two files are called a.csv; give each a name of its own."),
        (["none.csv"], "none.csv, which the annotation stage reads, is not there; check it."),
    ]:
        with pytest.raises(UserError) as caught:
            run_stage(STAGE, work_with(tmp_path, MADE, imports=imports))
        assert str(caught.value) == sentence


def test_no_candidates(tmp_path):
    said = []
    run_stage(STAGE, work_with(tmp_path, [], models={"one": Judge(None)}, said=said))
    assert labels(tmp_path) == {}
    assert said == []


def test_a_critique_is_what_comes_before_the_verdict():
    assert critique_of("history", "First this.\nThen that.\n\n**Verdict:** True\n") == "First this.\nThen that."
    assert critique_of("history", "No stage fits.\nVerdict:\nFalse") == "No stage fits."
    assert critique_of("history", "Verdict: True") == ""
    assert critique_of("history", "阶段不对。\n结论：错误") == "阶段不对。"
    assert critique_of("response", "The first listens.\nVerdict: first") == ""  # "the first" is nobody, once un-blinded


# Who judges what


class Named(Judge):
    """A judge with a name at its server."""

    def __init__(self, model):
        super().__init__(says(True, True, True))
        self.settings = {"url": "http://here/v1", "model": model}


def test_a_model_does_not_judge_what_it_wrote_under_whatever_name(tmp_path):
    """The candidates' models are known by the card of the stage that asked them."""
    said, models = [], {"first": Named("Owner/Big-7B"), "second": Named("Other-8B"), "third": Named("third")}
    work = work_with(tmp_path, MADE, models=models, said=said)
    settings = {"red": {"model": "big-7b", "url": "http://elsewhere/v1"}, "blue": {"model": "Big-14B"}}
    card = {"counts": {"models": {name: {"settings": one} for name, one in settings.items()}}}
    (tmp_path / "candidates" / "stage.json").write_text(json.dumps(card))
    run_stage(STAGE, work)
    assert said[0] == "annotation: first wrote 3 of the candidates, and doesn't judge these."
    counts = read_card(tmp_path / "annotation")["counts"]["models"]
    assert {name: (count["wrote"], count["votes"]) for name, count in counts.items()} == {
        "first": (["red"], 12),
        "second": ([], 24),
        "third": ([], 24),
    }
    votes = {id: row["votes"]["history"].keys() for id, row in labels(tmp_path).items()}
    assert votes["talk-0#1/red"] == {"model:second", "model:third"}
    assert votes["talk-0#1/blue"] == {"model:first", "model:second", "model:third"}


def test_too_few_other_models_are_told_before_they_are_asked(tmp_path):
    said, models = [], {"red": Named("red"), "blue": Named("blue")}
    run_stage(STAGE, work_with(tmp_path, MADE, models=models, said=said))
    assert said[2] == (
        "annotation: too few of annotation.drafts are other models than red, so what it wrote gets no label; it takes "
        "2. Add other models, or have people judge."
    )
    assert labels(tmp_path) == {}


@pytest.mark.parametrize(
    "one, other, same",
    [
        ({"model": "Qwen/Qwen2.5-7B-Instruct"}, {"model": "qwen2.5-7b-instruct"}, True),
        ({"model": "gpt-4o"}, {"model": "gpt-4o-mini"}, False),
        ({"model": "/data/runs/a/model"}, {"model": "a/model"}, True),
        ({"model": "/data/runs/a/model"}, {"model": "/data/runs/b/model"}, False),
        ({"model": "model", "weights": "ab"}, {"model": "copy", "weights": "ab"}, True),
        ({"model": "model", "weights": "ab"}, {"model": "model", "weights": "cd"}, False),
        ({"model": "Qwen2.5-7B", "weights": "ab"}, {"model": "Qwen2.5-7B", "url": "http://there/v1"}, True),
    ],
)
def test_a_model_is_known_by_its_name_there_or_its_weights(one, other, same):
    assert bool(identities(one, "x") & identities(other, "y")) is same


PEOPLE = [f"p{number:02}" for number in range(20)]


@given(count=st.integers(0, 120), people=st.integers(3, 20), each=st.integers(2, 3), seed=st.integers(0, 3))
def test_tasks_are_dealt_evenly_and_thirds_to_those_who_have_not_seen_them(count, people, each, seed):
    people, keys = PEOPLE[: max(people, each + 1)], [f"t{number}" for number in range(count)]
    dealt = deal_all(keys, people, each, seed)
    assert dealt == deal_all(keys, people, each, seed)
    assert all(len(set(names)) == each for names in dealt.values())
    loads = Counter(name for names in dealt.values() for name in names)
    assert max(loads[name] for name in people) - min(loads[name] for name in people) <= 1
    voted = {key: {PEOPLE[0]} for key in keys[::3]}
    third = deal_third(keys, dealt, voted, people, seed)
    for key, name in third.items():
        assert name not in dealt[key]
        assert name not in voted.get(key, ())
    assert set(third) == set(keys) or len(people) == each + 1, "somebody is always left"


def test_everybody_works_with_everybody():
    dealt = deal_all([f"t{number}" for number in range(2_000)], PEOPLE, 2, 0)
    assert len(Counter(dealt.values())) == 190
    assert Counter(name for pair in dealt.values() for name in pair) == dict.fromkeys(PEOPLE, 200)


def test_people_get_files_of_their_own_and_their_votes_are_theirs(tmp_path):
    """Tables for some and Label Studio, under an account of any number, for another; a third has seen neither."""
    people = ["ann", "ben", "小明", "dee"]
    run_stage(STAGE, work_with(tmp_path, MADE, people=people))
    folder, back, imports, said = tmp_path / "annotation", tmp_path / "back", [], []
    given_out = {name: table(folder / "people" / name / "annotations.csv") for name in people}
    assert {name: len(rows) for name, rows in given_out.items()} == dict.fromkeys(people, 3)
    assert Counter(row["key"] for rows in given_out.values() for row in rows) == dict.fromkeys(
        (task_key(0, one.id) for one in MADE), 2
    )
    assert all(row["annotator"] == name for name, rows in given_out.items() for row in rows)
    back.mkdir()
    for place, name in enumerate(people):
        verdicts = dict.fromkeys(FIELDS[:3], str(place % 2 == 0)) | {"preference": "similar"}
        if name == "ben":
            tasks = json.loads((folder / "people" / name / "tasks.json").read_text(encoding="utf-8"))
            path = back / "ben.json"
            path.write_text(json.dumps([one["data"] | verdicts | {"annotator": 1} for one in tasks]))
        else:
            path = back / f"{name}.csv"
            with path.open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.DictWriter(file, list(given_out[name][0]))
                writer.writeheader()
                writer.writerows(row | verdicts for row in given_out[name])
        imports.append(str(path))
    run_stage(STAGE, work_with(tmp_path, MADE, people=people, imports=imports, said=said))
    counts = read_card(folder)["counts"]
    assert (counts["annotators"], counts["votes"]["people"]) == (4, 48)
    assert counts["dealt"] == dict.fromkeys(people, 3)
    thirds = [
        (name, row["key"])
        for name in people
        if (folder / "people" / name / "third.csv").exists()
        for row in table(folder / "people" / name / "third.csv")
    ]
    assert sorted(key for _, key in thirds) == sorted(row["key"] for row in table(folder / "third.csv"))
    assert thirds
    assert not set(thirds) & {(name, row["key"]) for name, rows in given_out.items() for row in rows}
    assert "to those in people/ who have one" in said[-1]


def table(path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "people, why",
    [
        (["ann", "ben"], r"^annotation.people names 2, and annotation.annotators is 2; name at least 3, as somebody"),
        (["ann", "ben", "Ann"], r"^annotation.people names 'ann' twice"),
        (["ann", "ben", "../x"], r"^annotation.people names '../x'; a name is of letters, digits"),
        (["ann", "ben", ""], r"^annotation.people names ''; a name is of letters"),
    ],
)
def test_names_that_can_not_be(people, why):
    with pytest.raises(UserError, match=why):
        AnnotationConfig(people=people)
