import json
import re

import pytest

from compeer_jax.data.judge_record import JudgeRecord, check_labelled, read_judge_records
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured


def obj(**changes):
    """A line as an annotator would write it."""
    return {
        "id": "r1",
        "language": "en",
        "source": "CER",
        "licence": "CC-BY-4.0",
        "situation": "Exams.",
        "history": [{"role": "seeker", "content": "I can't sleep."}],
        "steps": {
            "history": "They can't sleep.\nStage: exploration",
            "emotion": "Sentiment: negative ; Emotion: anxiety ; Intensity: 4",
            "strategy": "",
        },
        "labels": {"history": True, "emotion": True, "strategy": False},
        "responses": ["Since when?", "Sleep more."],
        "preference": "first",
        "critiques": {"history": "Stage: exploration.", "first": "asks.", "second": "lectures.", "response": "Clear."},
    } | changes


def record(**changes):
    return structured(JudgeRecord, obj(**changes), "here")


def test_a_record_survives_json():
    assert structured(JudgeRecord, json.loads(json.dumps(unstructured(record()))), "here") == record()
    bare = {name: value for name, value in obj().items() if name not in ("situation", "critiques")}
    assert unstructured(structured(JudgeRecord, bare, "here")) == bare


def test_the_case_shows_what_the_record_holds():
    case = record().case()
    assert case.history == (Turn("seeker", "I can't sleep."),)
    assert case.steps == obj()["steps"]
    assert case.responses == ("Since when?", "Sleep more.")


def test_swapping_changes_answers_preference_and_findings_together():
    assert record().case(swapped=True).responses == ("Sleep more.", "Since when?")
    assert [record().verdict("response", swapped) for swapped in (False, True)] == ["first", "second"]
    assert record().critique("response") == "First: asks. Second: lectures. Clear."
    assert record().critique("response", swapped=True) == "First: lectures. Second: asks. Clear."
    for preference in ("similar", "neither"):
        assert record(preference=preference).verdict("response", swapped=True) == preference


def test_swapping_leaves_steps_as_they_are():
    for swapped in (False, True):
        assert record().case(swapped).steps == obj()["steps"]
        assert [record().verdict(tag, swapped) for tag in obj()["steps"]] == [True, True, False]
        assert record().critique("history", swapped) == "Stage: exploration."


def test_what_is_not_known_is_not_said():
    assert record(critiques={}).critique("response") == record().critique("strategy") == ""
    assert record(critiques={"second": "lectures."}).critique("response") == "Second: lectures."
    assert record(critiques={"second": "lectures."}).critique("response", swapped=True) == "First: lectures."
    assert record(critiques={"response": "Both ask."}).critique("response", swapped=True) == "Both ask."


def test_chinese_findings_have_chinese_names():
    critiques = {"first": "合适。", "second": "冷漠。", "response": "差别很大。"}
    chinese = record(language="zh", critiques=critiques)
    assert chinese.critique("response", swapped=True) == "第一个：冷漠。第二个：合适。差别很大。"


def test_a_record_of_either_format_is_read():
    steps = {"context": "a", "cognition": "b", "emotion": "c", "plan": "d"}
    care = record(steps=steps, labels=dict.fromkeys(steps, True), critiques={})
    assert list(care.steps) == ["context", "cognition", "emotion", "plan"]


@pytest.mark.parametrize(
    "said, preference",
    [
        ("The first sentence is better", "first"),
        ("The second sentence is better", "second"),
        ("The two sentences are almost good", "similar"),
        ("Neither sentence is acceptable", "neither"),
    ],
)
def test_a_preference_may_be_the_papers_phrase(said, preference):
    assert record(preference=said).preference == preference


def test_a_record_may_lack_labels_or_the_preference():
    labels = {"strategy": False, "history": True}
    steps = record(labels=labels, preference=None)
    assert list(steps.labels) == ["history", "strategy"], "in the order of the steps"
    assert [steps.verdict(tag) for tag in ("history", "emotion", "response")] == [True, None, None]
    assert steps.verdict("response", swapped=True) is None
    assert "preference" not in unstructured(steps)
    assert structured(JudgeRecord, unstructured(steps), "here") == steps
    answers = record(labels={})
    assert answers.verdict("response", swapped=True) == "second"
    assert structured(JudgeRecord, unstructured(answers), "here") == answers


def test_where_a_record_comes_from_is_kept():
    provenance = [{"stage": "corpora", "file": "ESConv.json", "record": 3}, {"stage": "privacy", "masked": {"url": 1}}]
    assert unstructured(record(provenance=provenance))["provenance"] == provenance
    assert record().provenance == ()


@pytest.mark.parametrize(
    "changes, kinds, lacks",
    [
        ({}, ("unifi", "prm", "orm"), {}),
        (
            {"labels": {"history": True, "strategy": True}},
            ("prm", "orm"),
            {"unifi": "record 'r1' has no label for step 'emotion', which kind 'unifi' learns from; leave the record "},
        ),
        ({"preference": None}, ("prm",), {"unifi": "has no preference", "orm": "has no preference"}),
        ({"labels": {}}, ("orm",), {"unifi": "no label for step 'history'", "prm": "no label for any step"}),
    ],
)
def test_each_kind_of_judge_needs_its_labels(changes, kinds, lacks):
    for kind in kinds:
        assert check_labelled(record(**changes), kind) == record(**changes)
    for kind, sentence in lacks.items():
        with pytest.raises(UserError, match=sentence):
            check_labelled(record(**changes), kind)
    assert {*kinds, *lacks} == {"unifi", "prm", "orm"}


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"labels": {}, "preference": None}, "no step has a label and there is no preference; give one of them"),
        (
            {"labels": obj()["labels"] | {"emotion": "yes"}},
            "field 'labels.emotion' must be true or false, found a string",
        ),
        ({"labels": obj()["labels"] | {"emotion": 1}}, "field 'labels.emotion' must be true or false, found a number"),
        ({"labels": obj()["labels"] | {"emotions": True}}, "labels: unknown step 'emotions'; did you mean 'emotion'"),
        ({"labels": None}, "field 'labels' must be an object"),
        ({"steps": obj()["steps"] | {"stratgy": ""}}, "unknown step 'stratgy'; did you mean 'strategy'"),
        ({"steps": {"history": "a", "emotion": "b"}}, "the steps history, emotion are not those of a format"),
        ({"steps": obj()["steps"] | {"plan": ""}}, "are not those of a format"),
        ({"steps": {}}, r"the steps \(none\)"),
        ({"steps": obj()["steps"] | {"history": None}}, "field 'steps.history' must be a string"),
        ({"preference": "output"}, "unknown preference 'output'; .*first, second, similar, neither"),
        ({"preference": 2}, "field 'preference'"),
        ({"responses": ["a"]}, "field 'responses' must be a list of 2"),
        ({"responses": ["a", " "]}, "a response is empty"),
        ({"critiques": {"firts": "a"}}, "unknown critique 'firts'; did you mean 'first'"),
        ({"critiques": {"first": 1}}, "field 'critiques.first' must be a string, found a number"),
        ({"history": []}, "field 'history'"),
        ({"history": [*obj()["history"], {"role": "supporter", "content": "x"}]}, "must end with the seeker"),
        ({"language": "fr"}, "unknown language 'fr'"),
        ({"label": {}}, "unknown field 'label'; did you mean 'labels'"),
        ({"provenance": ["ESConv"]}, "provenance 1: must be an object, found a string"),
        ({"id": ""}, "field 'id'"),
    ],
)
def test_a_bad_record_is_named_by_file_line_and_field(tmp_path, changes, said):
    path = tmp_path / "cer.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in (obj(id="r0"), obj() | changes)))
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}, line 2.*{said}"):
        read_judge_records(path)


def test_a_file_is_read_in_its_order_and_without_doubles(tmp_path):
    path = tmp_path / "cer.jsonl"
    path.write_text("\n".join(json.dumps(obj(id=name)) for name in "bac"))
    assert [record.id for record in read_judge_records(path)] == ["b", "a", "c"]
    path.write_text("\n".join(json.dumps(obj()) for _ in range(2)))
    with pytest.raises(UserError, match="line 2: the id 'r1' is there twice"):
        read_judge_records(path)
    with pytest.raises(UserError, match="can't be read"):
        read_judge_records(tmp_path / "none.jsonl")
