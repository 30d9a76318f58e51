"""What each view of CER holds, and that no split knows anything of another."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from cer_rows import candidate_rows, label_row, rewrite_rows
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.build.candidate_rows import Candidate
from compeer_jax.data.cer.split import SPLITS, SplitKey, split_records, talk_key
from compeer_jax.data.cer.views import (
    Consensus,
    Rewritten,
    extra_records,
    joined_provenance,
    judge_record,
    sft_record,
    views_of,
)
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import CARE, COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

ROW = candidate_rows()[0]
CANDIDATE = Candidate.from_json(ROW, "here")
RIGHT = {"history": True, "emotion": True, "strategy": True}


def consensus(**changes) -> Consensus:
    row = {"id": CANDIDATE.id, "labels": RIGHT, "preference": "second", "provenance": label_row(ROW)["provenance"]}
    return Consensus.from_json({**row, **changes}, "here")


def judged(candidate: Candidate = CANDIDATE, **changes) -> JudgeRecord:
    return judge_record(candidate, consensus(**changes), COMPEER)


# Views


def test_a_judge_record_shows_the_output_as_it_was_written_and_the_reference_first():
    record = judged(critiques={"history": "It fits."})
    assert record.responses == (CANDIDATE.reference, CANDIDATE.response)
    assert record.critique("history") == "It fits."
    written = COMPEER.render(CANDIDATE.turn, CANDIDATE.language)
    assert all(f"<{tag}>\n{text}\n</{tag}>" in written for tag, text in record.steps.items())
    assert list(record.steps) == ["history", "emotion", "strategy"]
    assert JudgeRecord.from_json(record.to_json(), "here") == record


def test_a_record_tells_once_where_it_comes_from():
    stages = [entry["stage"] for entry in judged().provenance]
    assert stages == ["corpora", "candidates", "annotation"]
    assert joined_provenance([{"a": 1}], [{"a": 1}, {"b": 2}]) == ({"a": 1}, {"b": 2})


@pytest.mark.parametrize(
    "changes, views",
    [
        ({}, ["unifi", "prm", "orm"]),
        ({"preference": None}, ["prm"]),
        ({"labels": {"emotion": False}}, ["prm", "orm"]),
        ({"labels": {}}, ["orm"]),
        ({"labels": {"emotion": False}, "preference": None}, ["prm"]),
    ],
)
def test_a_view_has_the_records_that_its_kind_of_judge_can_learn_from(changes, views):
    assert views_of(judged(**changes)) == views


def test_fine_tuning_learns_right_steps_with_the_better_answer():
    for preference in ("second", "similar"):
        record = sft_record(CANDIDATE, judged(preference=preference))
        assert record.reference.response == CANDIDATE.response
        assert record.provenance[-1] == {"stage": "cer", "response": "output"}
    assert COMPEER.parse(COMPEER.render(record.reference, record.language)) == record.reference
    assert Record.from_json(record.to_json(), "here") == record


def test_the_reference_is_learned_only_with_steps_that_lead_to_its_strategy():
    better = judged(preference="first")
    others = "the reference is better, but follows another strategy"
    strategy = CANDIDATE.labels["strategy"]
    for named, fits in ((strategy, True), (None, True), ("Others", False)):
        found = sft_record(replace(CANDIDATE, strategy=named), better)
        assert found == others if not fits else found.reference.response == CANDIDATE.reference
    assert strategy != "Others"
    assert found != sft_record(CANDIDATE, judged(preference="second"))


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"labels": RIGHT | {"emotion": False}}, "a step is false"),
        ({"labels": {"history": True, "emotion": True}}, "a step without a label"),
        ({"preference": None}, "no preference"),
        ({"preference": "neither"}, "neither answer is good"),
    ],
)
def test_fine_tuning_leaves_out_what_is_not_known_to_be_good(changes, why):
    assert sft_record(CANDIDATE, judged(**changes)) == why


def test_care_has_its_own_steps():
    candidate = Candidate.from_json(candidate_rows(CARE)[0], "here")
    labels = dict.fromkeys(("context", "cognition", "emotion", "plan"), True)
    record = judge_record(candidate, consensus(id=candidate.id, labels=labels), CARE)
    assert list(record.steps) == list(labels)
    assert views_of(record) == ["unifi", "prm", "orm"]
    assert sft_record(candidate, record).reference.steps == candidate.steps


# Variants


def rewrites() -> list[Rewritten]:
    row = next(row for row in candidate_rows() if len(rewrite_rows(row)) == 2)
    return [Rewritten.from_json(one | {"id": CANDIDATE.id}, "here") for one in rewrite_rows(row)]


def test_a_record_with_both_rewrites_is_added_once_to_each_variant():
    record, (plain, persona) = judged(), rewrites()
    extra = extra_records(record, [persona, plain])
    assert {variant: one.id.removeprefix(record.id) for variant, one in extra.items()} == {
        "d": "~d",
        "r": "~r",
        "p": "~p",
    }
    assert extra["d"] == replace(record, id=extra["d"].id, provenance=extra["d"].provenance)
    for variant, rewrite in (("r", plain), ("p", persona)):
        made = extra[variant]
        assert (made.history, made.responses) == (rewrite.history, rewrite.responses)
        same = replace(made, id=record.id, history=record.history, responses=record.responses)
        assert replace(same, provenance=record.provenance) == record
        assert made.provenance == (*record.provenance, *rewrite.provenance)


def test_a_record_with_one_rewrite_is_added_to_none():
    assert extra_records(judged(), rewrites()[:1]) == extra_records(judged(), rewrites()[1:]) == {}


@pytest.mark.parametrize(
    "form, changes, said",
    [
        (Consensus, {"labels": {"history": 1}}, "field 'labels' must be an object with true or false"),
        (Consensus, {"critiques": ["a"]}, "field 'critiques' must be an object of texts"),
        (Consensus, {"preference": "fist"}, "unknown preference 'fist'; did you mean 'first'"),
        (Consensus, {"id": None}, "field 'id'"),
        (Rewritten, {"variant": "d"}, "unknown variant 'd'"),
        (Rewritten, {"variant": "p", "responses": ["one"]}, "field 'responses' must be a list of two"),
        (Rewritten, {"variant": "p", "responses": ["one", "two"], "history": []}, "field 'history'"),
    ],
)
def test_a_spoilt_row_is_named(form, changes, said):
    with pytest.raises(UserError, match=f"^here: {said}"):
        form.from_json({"id": "a", **changes}, "here")


# Splits


TALKS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 25), st.sampled_from(["a", "b"])),  # dialogue, history, source
    min_size=1,
    max_size=80,
)


def keys(talks) -> list[SplitKey]:
    sources = {dialogue: source for dialogue, _, source in talks}
    return [
        SplitKey(f"d{dialogue:02}", sources[dialogue], "en" if dialogue % 3 else "zh", f"talk {history}")
        for dialogue, history, _ in talks
    ]


@given(talks=TALKS, seed=st.integers(0, 5))
def test_no_dialogue_and_no_history_is_in_two_splits(talks, seed):
    splits = split_records(keys(talks), valid=0.2, test=0.2, seed=seed)
    assert splits.keys() == {key.dialogue for key in keys(talks)}
    places = defaultdict(set)
    for key in keys(talks):
        places[key.history].add(splits[key.dialogue])
    assert all(len(names) == 1 for names in places.values())
    assert set(splits.values()) <= set(SPLITS)
    assert "train" in splits.values()


@given(talks=TALKS, seed=st.integers(0, 5), shuffle=st.randoms())
def test_the_order_of_records_makes_no_difference(talks, seed, shuffle):
    shuffled = keys(talks)
    shuffle.shuffle(shuffled)
    settings = {"valid": 0.2, "test": 0.1, "seed": seed}
    assert split_records(shuffled, **settings) == split_records(keys(talks), **settings)


def alone(count: int) -> list[SplitKey]:
    """Dialogues of two languages and two sources with nothing in common."""
    return [
        SplitKey(f"d{number:03}", "ab"[number % 2], ("en", "zh")[number % 3 > 0], str(number))
        for number in range(count)
    ]


def test_each_language_of_each_source_gives_its_shares():
    splits = split_records(alone(600), valid=0.1, test=0.05, seed=1)
    kinds = {key.dialogue: (key.source, key.language) for key in alone(600)}
    counts = Counter((kinds[dialogue], name) for dialogue, name in splits.items())
    for kind, size in Counter(kinds.values()).items():
        assert abs(counts[kind, "valid"] - 0.1 * size) <= 1
        assert abs(counts[kind, "test"] - 0.05 * size) <= 1
    assert Counter(splits.values()) == {"train": 510, "valid": 60, "test": 30}


def test_another_seed_is_another_split_and_more_dialogues_change_little():
    settings = {"valid": 0.1, "test": 0.1}
    before = split_records(alone(600), **settings, seed=1)
    assert before != split_records(alone(600), **settings, seed=2)
    after = split_records(alone(660), **settings, seed=1)
    moved = sum(after[dialogue] != name for dialogue, name in before.items())
    assert moved < 30, "only those near the edges of the shares"


def test_talks_differ_by_their_words_alone():
    talk = (Turn("seeker", "I can't\n sleep."),)
    assert talk_key(talk) == talk_key((Turn("seeker", "i can't sleep. "),))
    assert talk_key(talk) != talk_key((Turn("supporter", "I can't sleep."),))
    asked = (*talk, Turn("supporter", "Why?", "Question"), *talk)
    assert talk_key(asked) == talk_key((*talk, Turn("supporter", "Why?"), *talk))
    assert talk_key(asked) != talk_key(talk)
