import copy
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

ORIGINAL = {
    "experience_type": "Previous Experience",
    "emotion_type": "anxiety",
    "problem_type": "job crisis",
    "situation": " I hate my job.\n",
    "survey_score": {
        "seeker": {"initial_emotion_intensity": "5", "empathy": "5", "final_emotion_intensity": "2"},
        "supporter": {"relevance": "5"},
    },
    "dialog": [
        {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "Hello, how are you?\n"},
        {"speaker": "seeker", "annotation": {}, "content": "Hello "},
        {"speaker": "seeker", "annotation": {"feedback": "4"}, "content": "My job scares me."},
        {"speaker": "supporter", "annotation": {"strategy": "Others"}, "content": "I see."},
        {"speaker": "supporter", "annotation": {"strategy": "Reflection of feelings"}, "content": "You are afraid."},
    ],
    "seeker_question1": "",
}

COPY = {
    "emotion_type": "Anxiety",
    "problem_type": "job crisis",
    "situation": "I hate my job.",
    "survey_score": {"seeker": {"initial_emotion_intensity": 5, "final_emotion_intensity": 2}},
    "dialog": [
        {"speaker": "sys", "strategy": "[Questions]", "text": "Hello, how are you?"},
        {"speaker": "usr", "text": "Hello"},
        {"speaker": "usr", "text": "My job scares me."},
        {"speaker": "sys", "strategy": "Other", "text": "I see."},
        {"speaker": "sys", "strategy": "reflection of Feelings", "text": "You are afraid."},
    ],
}

DIALOGUE = Dialogue(
    id="esconv-0000",
    language="en",
    source="esconv",
    licence="CC BY-NC 4.0",
    situation="I hate my job.",
    emotion_type="anxiety",
    problem_type="job crisis",
    initial_intensity=5,
    final_intensity=2,
    turns=(
        Turn("supporter", "Hello, how are you?", "Question"),
        Turn("seeker", "Hello\nMy job scares me."),
        Turn("supporter", "I see.\nYou are afraid.", "Reflection of feelings"),
    ),
)


def write(path, rows):
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_the_original_and_its_copies_give_the_same_dialogue(tmp_path):
    original, report = read_corpus(write(tmp_path / "original.json", [ORIGINAL]), form="esconv")
    write_jsonl(tmp_path / "copy.jsonl", [COPY])
    assert original == read_corpus(tmp_path / "copy.jsonl", form="esconv")[0] == [DIALOGUE]
    assert (report.dialogues, report.utterances, report.merged) == (1, 5, 2)
    assert report.strategies == {"Question": 1, "Others": 1, "Reflection of feelings": 1}


def test_the_real_file_has_its_known_counts(shared_data):
    dialogues, report = read_corpus(shared_data / "esconv" / "ESConv.json")
    assert (report.dialogues, report.utterances, report.merged) == (1_300, 38_365, 7_973)
    assert report.strategies == {
        "Question": 3801,
        "Others": 3341,
        "Providing Suggestions": 2954,
        "Affirmation and Reassurance": 2827,
        "Self-disclosure": 1713,
        "Reflection of feelings": 1436,
        "Information": 1215,
        "Restatement or Paraphrasing": 1089,
    }
    assert len(dialogues) == 1_300
    assert dialogues[-1].id == "esconv-1299"
    assert sum(len(dialogue.turns) for dialogue in dialogues) == 38_365 - 7_973
    for dialogue in dialogues:
        roles = [turn.role for turn in dialogue.turns]
        assert all(role != following for role, following in itertools.pairwise(roles))


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda row: row["dialog"][3]["annotation"].update(strategy="Hugging"), "row 1, utterance 3: .*'Hugging'"),
        (lambda row: row["dialog"][1].update(speaker="judge"), "row 1, utterance 1: unknown role 'judge'"),
        (lambda row: row["dialog"][2].update(content=" "), "row 1, utterance 2: field 'content'"),
        (lambda row: row["dialog"][2].update(content=3), "row 1, utterance 2: field 'content'"),
        (lambda row: row.update(dialog=[]), "row 1: field 'dialog'"),
        (lambda row: row["dialog"].append("hi"), "row 1, utterance 5: expected"),
        (lambda row: row.update(emotion_type="hunger"), "row 1: unknown emotion 'hunger'"),
        (lambda row: row["survey_score"]["seeker"].update(final_emotion_intensity="9"), "row 1: survey score .*'9'"),
    ],
)
def test_a_bad_record_is_named(tmp_path, change, said):
    bad = copy.deepcopy(ORIGINAL)
    change(bad)
    with pytest.raises(UserError, match=said):
        read_corpus(write(tmp_path / "bad.json", [ORIGINAL, bad]))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ORIGINAL)), json_values, json_values)
def test_any_field_of_any_kind_is_read_or_refused_in_one_sentence(tmp_path_factory, name, value, speech):
    row = ORIGINAL | {"dialog": [*ORIGINAL["dialog"], {"speaker": "seeker", "content": speech, "annotation": value}]}
    path = write(tmp_path_factory.mktemp("fuzz") / "rows.json", [row | {name: value}])
    try:
        dialogues, _ = read_corpus(path, form="esconv")
    except UserError:
        return
    assert Dialogue.from_json(dialogues[0].to_json(), "here") == dialogues[0]


def test_our_own_form_is_told_by_its_content(tmp_path):
    write_jsonl(tmp_path / "own.jsonl", [DIALOGUE.to_json()])
    dialogues, report = read_corpus(tmp_path / "own.jsonl")
    assert dialogues == [DIALOGUE]
    assert (report.source, report.utterances, report.merged) == ("esconv", 3, 0)


def test_neighbours_of_one_role_are_merged_in_our_own_form_too(tmp_path):
    turns = [{"role": "seeker", "content": "a"}, {"role": "seeker", "content": "b"}]
    write_jsonl(tmp_path / "own.jsonl", [DIALOGUE.to_json() | {"turns": turns}])
    dialogues, report = read_corpus(tmp_path / "own.jsonl")
    assert dialogues[0].turns == (Turn("seeker", "a\nb"),)
    assert (report.utterances, report.merged) == (2, 1)


def test_other_forms_and_double_ids_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.json, row 0: of no form that we read; name its form, one of: "):
        read_corpus(write(tmp_path / "nothing.json", [{"talks": []}]))
    with pytest.raises(UserError, match=r"row 1: id 'esconv-0000' is that of .*row 0"):
        read_corpus(write(tmp_path / "twice.json", [DIALOGUE.to_json()] * 2))
