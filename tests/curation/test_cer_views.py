"""What each view of CER holds, and that no split knows anything of another."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from cer_rows import candidate_rows, label_row, rewrite_rows, round_rows
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.cer.split import SplitKey, held_out_shares, split_records, talk_key
from compeer_jax.curation.cer.views import (
    Consensus,
    Rewritten,
    draw_extra,
    duplicate,
    joined_provenance,
    judge_record,
    rewritten,
    rewritten_policy,
    right_labels,
    rl_record,
    sft_record,
    views_of,
)
from compeer_jax.curation.rounds.rows import Round
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.reasoning import CARE, COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

ROW = candidate_rows()[0]
CANDIDATE = structured(Candidate, ROW, "here")
ASKED = [{"role": "seeker", "content": "Why?"}]
RIGHT = {"history": True, "emotion": True, "strategy": True}


def consensus(**changes) -> Consensus:
    row = {"id": CANDIDATE.id, "labels": RIGHT, "preference": "second", "provenance": label_row(ROW)["provenance"]}
    return structured(Consensus, {**row, **changes}, "here")


def judged(candidate: Candidate = CANDIDATE, **changes) -> JudgeRecord:
    return judge_record(candidate, consensus(**changes), COMPEER)


# Views


def test_a_judge_record_shows_the_output_as_it_was_written_and_the_reference_first():
    record = judged(critiques={"history": "It fits."})
    assert record.responses == (CANDIDATE.reference.response, CANDIDATE.response)
    assert record.critique("history") == "It fits."
    written = COMPEER.render(CANDIDATE.turn, CANDIDATE.language)
    assert all(f"<{tag}>\n{text}\n</{tag}>" in written for tag, text in record.steps.items())
    assert list(record.steps) == ["history", "emotion", "strategy"]
    assert structured(JudgeRecord, unstructured(record), "here") == record


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
    assert structured(Record, unstructured(record), "here") == record


def test_the_reference_is_learned_only_with_steps_that_lead_to_its_strategy():
    better = judged(preference="first")
    others = "the reference is better, but follows another strategy"
    strategy = CANDIDATE.labels["strategy"]
    for named, fits in ((strategy, True), (None, True), ("Others", False)):
        found = sft_record(replace(CANDIDATE, reference=replace(CANDIDATE.reference, strategy=named)), better)
        assert found == others if not fits else found.reference.response == CANDIDATE.reference.response
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
    candidate = structured(Candidate, candidate_rows(CARE)[0], "here")
    labels = dict.fromkeys(("context", "cognition", "emotion", "plan"), True)
    record = judge_record(candidate, consensus(id=candidate.id, labels=labels), CARE)
    assert list(record.steps) == list(labels)
    assert views_of(record) == ["unifi", "prm", "orm"]
    assert sft_record(candidate, record).reference.steps == candidate.steps


# Variants


def rewrites(**changes) -> list[Rewritten]:
    row = next(row for row in candidate_rows() if len(rewrite_rows(row)) == 2)
    return [structured(Rewritten, one | {"id": CANDIDATE.id} | changes, "here") for one in rewrite_rows(row)]


def test_a_rewritten_record_has_other_words_and_the_same_labels():
    record = judged(critiques={"history": "It fits."})
    for rewrite in rewrites():
        made = rewritten(record, rewrite, CANDIDATE, COMPEER)
        assert (made.history, made.responses) == (rewrite.history, rewrite.responses)
        assert made.id == f"{record.id}~{rewrite.variant}"
        same = replace(made, id=record.id, history=record.history, responses=record.responses)
        assert replace(same, provenance=record.provenance) == record
        assert made.provenance == (*record.provenance, *rewrite.provenance)
    twice = duplicate(record)
    assert twice == replace(record, id=f"{record.id}~d", provenance=twice.provenance)


def test_rewritten_steps_keep_their_labelled_lines():
    steps = {tag: f"As you say in other words: {tag}." for tag in CANDIDATE.steps}
    rewrite = rewrites(steps=steps)[0]
    made = rewritten(judged(), rewrite, CANDIDATE, COMPEER)
    assert made.steps == {**replace(CANDIDATE, steps=steps).sections(COMPEER)}
    assert all(made.steps[tag].startswith(steps[tag]) for tag in steps)
    assert made.steps["strategy"].endswith(f"Strategy: {CANDIDATE.labels['strategy']}")
    learned = rewritten_policy(sft_record(CANDIDATE, judged()), rewrite)
    assert learned.reference.steps == steps
    assert learned.reference.labels == CANDIDATE.labels


@pytest.mark.parametrize("preference, place", [("second", 1), ("similar", 1), ("first", 0)])
def test_fine_tuning_gets_the_rewrite_of_the_answer_that_it_had(preference, place):
    rewrite, candidate = rewrites()[0], replace(CANDIDATE, reference=replace(CANDIDATE.reference, strategy=None))
    record = sft_record(candidate, judged(candidate, preference=preference))
    made = rewritten_policy(record, rewrite)
    assert (made.id, made.history) == (f"{record.id}~{rewrite.variant}", rewrite.history)
    assert made.reference == replace(record.reference, response=rewrite.responses[place])
    assert structured(Record, unstructured(made), "here") == made


COUNTS = st.integers(0, 30)


@given(train=st.sets(COUNTS), plain=st.sets(COUNTS), persona=st.sets(COUNTS), seed=st.integers(0, 3))
def test_each_variant_adds_as_many_of_its_own(train, plain, persona, seed):
    train = {f"t{number}" for number in train | plain | persona}
    pools = {"d": train, "r": {f"t{number}" for number in plain}, "p": {f"t{number}" for number in persona}}
    extra = draw_extra(sorted(train), {name: sorted(pools[name]) for name in ("r", "p")}, seed)
    count = min(len(pools["r"]), len(pools["p"]))
    for name, ids in extra.items():
        assert len(ids) == count
        assert ids <= pools[name]
    rarer = min("rp", key=lambda name: len(pools[name]))
    assert extra[rarer] == pools[rarer], "the rarer kind is used up"
    assert extra == draw_extra(sorted(train, reverse=True), {name: pools[name] for name in ("p", "r")}, seed)


# Prompts


ROUND = structured(Round, round_rows([ROW])[0], "here")


def test_a_prompt_has_the_reply_that_was_given_and_no_reasoning():
    record = rl_record(ROUND, [])
    assert record.id == ROUND.id == CANDIDATE.of_round
    assert (record.history, record.reference.response) == (ROUND.history, ROUND.reference.response)
    assert (record.reference.steps, record.reference.labels) == ({}, {"strategy": "Question"})
    assert structured(Record, unstructured(record), "here") == record
    assert record.provenance[-1]["labels_by"] == {"strategy": "corpus"}


def test_known_is_what_the_corpus_names_and_what_right_steps_agree_on():
    others = replace(CANDIDATE, labels={**CANDIDATE.labels, "stage": "action", "strategy": "Others"})
    assert CANDIDATE.labels["stage"] != "action"
    right = [right_labels(one, consensus(labels=RIGHT), COMPEER) for one in (CANDIDATE, others)]
    assert right[0] == CANDIDATE.labels
    unnamed = replace(ROUND, reference=replace(ROUND.reference, strategy=None))
    agreed = {name: CANDIDATE.labels[name] for name in ("sentiment", "emotion", "intensity")}
    assert rl_record(unnamed, right[:1]).reference.labels == CANDIDATE.labels
    assert rl_record(unnamed, right).reference.labels == agreed, "two right stages: neither is the one"
    assert rl_record(ROUND, right).reference.labels == agreed | {"strategy": "Question"}
    assert right_labels(CANDIDATE, consensus(labels={"emotion": True, "history": False}), COMPEER) == agreed
    assert rl_record(unnamed, right[:1]).lacks(["stage", "nothing"]) == ["nothing"]


@pytest.mark.parametrize(
    "form, changes, said",
    [
        (Consensus, {"labels": {"history": 1}}, "field 'labels.history' must be true or false, found a number"),
        (Consensus, {"critiques": ["a"]}, "field 'critiques' must be an object, found a list"),
        (Consensus, {"preference": "fist"}, "unknown preference 'fist'; did you mean 'first'"),
        (Consensus, {"id": None}, "field 'id'"),
        (Rewritten, {"variant": "d"}, "unknown variant 'd'"),
        (Rewritten, {"variant": "p", "history": ASKED, "responses": ["one"]}, "field 'responses' must be a list of 2"),
        (Rewritten, {"variant": "p", "responses": ["one", "two"], "history": []}, "field 'history'"),
        (
            Rewritten,
            {"variant": "p", "history": ASKED, "responses": ["one", "two"], "steps": [1]},
            "field 'steps' must be an",
        ),
    ],
)
def test_a_spoilt_row_is_named(form, changes, said):
    with pytest.raises(UserError, match=f"^here: {said}"):
        structured(form, {"id": "a", **changes}, "here")


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


@pytest.mark.parametrize("samples, held", [(2_785, 574), (50_000, 574), (1_000, 206), (10, 2)])
def test_the_paper_holds_out_574_samples_or_its_share_of_fewer(samples, held):
    _, share = held_out_shares(0.05, None, samples)
    assert round(share * samples) == held


def test_numbers_of_samples_and_shares_are_told_apart():
    assert held_out_shares(100, 0.25, 1_000) == (0.1, 0.25)
    with pytest.raises(UserError, match=r"^cer.valid 0.5 and cer.test 574 hold out all of the 1,000 samples; lower"):
        held_out_shares(0.5, 574, 1_000)


@given(
    counts=st.lists(st.integers(0, 6), min_size=40, max_size=200), share=st.floats(0.05, 0.3), seed=st.integers(0, 3)
)
def test_shares_are_of_samples_and_dialogues_without_any_are_learned_from(counts, share, seed):
    samples = {key.dialogue: count for key, count in zip(alone(len(counts)), counts, strict=True)}
    splits = split_records(alone(len(counts)), valid=0.1, test=share, seed=seed, samples=samples)
    assert all(splits[dialogue] == "train" for dialogue, count in samples.items() if not count)
    held = sum(count for dialogue, count in samples.items() if splits[dialogue] == "test")
    assert abs(held - share * sum(counts)) <= 6 / 2 + 1 or sum(map(bool, counts)) < 20  # half a dialogue, and rounding


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
