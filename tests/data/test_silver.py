import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.record import Record
from compeer_jax.data.silver.records import LABEL_OF_STEP, corrupt, count_skipped, silver_records
from compeer_jax.data.silver.text import quote_clause
from compeer_jax.dialogue.reasoning import CARE, COMPEER
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS, STAGES, STRATEGIES
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured


def dialogue(supporter_turns=6, **fields):
    """Supporter turns that name their place, each after a seeker's turn."""
    turns = itertools.chain.from_iterable(
        (Turn("seeker", f"I can't sleep before exam {place}."), Turn("supporter", f"Reply {place}", "Question"))
        for place in range(supporter_turns)
    )
    fields = {"emotion_type": "anxiety", "problem_type": "academic pressure"} | fields
    return Dialogue("d", "en", "test", "CC0", tuple(turns), **fields)


def labels(records, name):
    return [record.reference.labels[name] for record in records]


def test_stages_are_the_thirds_of_the_supporters_turns():
    assert labels(silver_records([dialogue()]), "stage") == [stage for stage in STAGES.names() for _ in range(2)]
    assert labels(silver_records([dialogue(1)]), "stage") == ["exploration"]


def test_intensity_goes_straight_from_the_first_survey_score_to_the_last():
    records = silver_records([dialogue(5, initial_intensity=5, final_intensity=1)])
    assert labels(records, "intensity") == ["5", "4", "3", "2", "1"]
    assert labels(records, "sentiment") == ["negative"] * 3 + ["neutral", "positive"]
    records = silver_records([dialogue(3)])  # without a survey: 4 to 2
    assert labels(records, "intensity") == ["4", "3", "2"]
    assert labels(silver_records([dialogue(2, emotion_type="hope")]), "sentiment") == ["positive"] * 2


def test_a_record_holds_what_was_said_before_and_the_real_reply():
    talk = dialogue(3, situation="Exams.")
    second = silver_records([talk])[1]
    assert (second.id, second.source, second.licence, second.situation) == ("d#3", "silver:test", "CC0", "Exams.")
    assert second.history == talk.turns[:3]
    assert second.reference.response == "Reply 1"
    assert second.reference.labels["strategy"] == "Question"
    assert second.reference.labels["emotion"] == "anxiety"


def test_turns_that_give_no_record_are_counted():
    opening = (Turn("supporter", "Hello", "Others"), Turn("seeker", "Hi"), Turn("supporter", "Hm", None))
    talks = [replace(dialogue(), turns=opening), dialogue(2, emotion_type=None), dialogue(3)]
    assert len(silver_records(talks)) == 3
    assert count_skipped(talks) == {"no seeker's turn before it": 1, "no strategy": 1, "no emotion type": 2}


@pytest.mark.parametrize("format", [COMPEER, CARE], ids=lambda format: format.name)
def test_the_text_of_every_sample_record_parses_back_to_it(format):
    for record in silver_records(sample_dialogues(), format):
        turn = format.parse(format.render(record.reference, record.language))
        assert turn.format_ok, record.id
        assert dict(turn.steps) == dict(record.reference.steps)
        assert turn.response == record.reference.response
        shown = {label.name for label in format.labels}
        assert turn.labels == {name: value for name, value in record.reference.labels.items() if name in shown}


def test_steps_are_short_and_varied():
    for language, size in (("en", lambda text: len(text.split())), ("zh", len)):
        records = silver_records(talk for talk in sample_dialogues() if talk.language == language)
        for tag, least in (("history", 0.9 * len(records)), ("emotion", 20), ("strategy", 28)):
            texts = [record.reference.steps[tag] for record in records]
            assert max(map(size, texts)) <= (34 if language == "en" else 60), max(texts, key=size)
            assert len(set(texts)) >= least, (language, tag, len(set(texts)))


def test_the_seed_alone_decides_the_words():
    talks = sample_dialogues()[:5]
    assert silver_records(talks, seed=1) == silver_records(talks, seed=1)
    assert silver_records(talks, seed=1) != silver_records(talks, seed=2)
    assert silver_records(talks[2:], seed=1) == silver_records(talks, seed=1)[-len(silver_records(talks[2:])) :]


def test_every_turn_of_esconv_after_a_seekers_gives_a_record(shared_data):
    dialogues, _ = read_corpus(shared_data / "esconv" / "ESConv.json")
    records = silver_records(dialogues)
    supporter_turns = sum(turn.role == "supporter" for talk in dialogues for turn in talk.turns)
    assert count_skipped(dialogues) == {"no seeker's turn before it": 683}
    assert len(records) == supporter_turns - 683
    assert len({record.id for record in records}) == len(records)
    for record in records[::50]:
        assert COMPEER.parse(COMPEER.render(record.reference)).format_ok, record.id


@pytest.mark.parametrize(
    "language, message, quote",
    [
        ("en", "Hi. I can't sleep before my exams! Help", "I can't sleep before my exams"),
        ("en", "But what should I do?", "what should I do?"),
        ("en", 'He said "go away"\nand left', "He said go away"),
        (
            "en",
            "Not a plan. But the thought comes most nights now, and I'm too tired to argue.",
            "the thought comes most nights now",
        ),
        ("en", "one two three four five six seven eight nine ten", "one two three four five six seven eight nine..."),
        ("en", "Yes. No", "Yes"),
        ("en", "...!?", "...!?"),
        ("zh", "嗯，我最近总是睡不着。怎么办？", "嗯，我最近总是睡不着"),
        ("zh", "……那我现在怎么跟她说？", "那我现在怎么跟她说？"),
        ("zh", "她发上岸通知那天，我打了一串恭喜，然后把手机扣在桌上了。", "她发上岸通知那天"),
        ("zh", "一二三四五六七八九十一二三四五六七八", "一二三四五六七八九十一二三四五六…"),
    ],
)
def test_the_quote_is_a_clause_of_the_last_message(language, message, quote):
    assert quote_clause(message, language) == quote


@given(st.text(min_size=1).filter(str.strip), st.sampled_from(["en", "zh"]))
@example("!\n!", "en")
def test_any_message_has_a_quote(message, language):
    quote = quote_clause(message, language)
    assert quote.strip()
    assert "\n" not in quote
    assert (len(quote.split()) if language == "en" else len(quote)) <= (9 if language == "en" else 17)


@pytest.mark.parametrize("format", [COMPEER, CARE], ids=lambda format: format.name)
def test_corruption_makes_wrong_what_it_says_and_nothing_else(format):
    generator = np.random.default_rng(0)
    tags = [step.tag for step in format.steps]
    records = silver_records(sample_dialogues(), format)
    replies = [record.reference.response for record in records]
    for index, record in enumerate(records[::3]):
        steps = [tag for bit, tag in enumerate([*tags, "response"]) if index >> bit & 1]
        turn, correct = corrupt(record, steps, generator, replies)
        assert correct == {tag: tag not in steps for tag in [*tags, "response"]}
        assert (turn.response == record.reference.response) == ("response" not in steps)
        for tag in tags:
            if tag not in steps:
                assert turn.steps[tag] == record.reference.steps[tag]
        wrong = {LABEL_OF_STEP[tag] for tag in steps if tag != "response"}
        for name in ("stage", "emotion", "strategy"):
            assert (turn.labels[name] == record.reference.labels[name]) == (name not in wrong)
        for name in ("stage", "strategy", "emotion"):
            assert turn.labels[name] in {"stage": STAGES, "strategy": STRATEGIES, "emotion": EMOTIONS}[name].names()
        distance = abs(int(turn.labels["intensity"]) - int(record.reference.labels["intensity"]))
        assert distance >= 2 if "emotion" in wrong else distance == 0
        assert format.parse(format.render(turn, record.language)).format_ok


def test_a_wrong_step_is_written_for_the_wrong_label():
    record = silver_records([dialogue()])[0]
    generator = np.random.default_rng(0)
    seen = Counter()
    for _ in range(60):
        turn, _ = corrupt(record, ["strategy", "emotion"], generator, [])
        seen[turn.labels["strategy"]] += 1
        if turn.labels["emotion"] != "pain":
            assert "anxiety" not in turn.steps["emotion"].lower()
            assert turn.labels["emotion"] in turn.steps["emotion"].lower()
    assert set(seen) == set(STRATEGIES.names()) - {"Question"}


def test_impossible_corruptions_are_named():
    record = silver_records([dialogue()])[0]
    with pytest.raises(UserError, match="d#1: unknown step 'plan'"):
        corrupt(record, ["plan"], np.random.default_rng(0), [])
    with pytest.raises(UserError, match="nothing other than 'Reply 0'"):
        corrupt(record, ["response"], np.random.default_rng(0), ["Reply 0"])


def test_a_record_survives_json():
    for record in silver_records(sample_dialogues())[::7]:
        assert structured(Record, json.loads(json.dumps(unstructured(record))), "here") == record


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda obj: obj.update(id=""), "here: field 'id'"),
        (lambda obj: obj.update(histroy=[]), "here: unknown field 'histroy'; did you mean 'history'"),
        (lambda obj: obj.update(history=[]), "here: field 'history'"),
        (lambda obj: obj["history"].append({"role": "supporter", "content": "x"}), "must end with the seeker"),
        (lambda obj: obj["reference"]["labels"].update(stage="later"), "here: unknown stage 'later'"),
        (lambda obj: obj["reference"]["labels"].update(mood="good"), "here: unknown label 'mood'"),
        (lambda obj: obj["reference"].update(response=None), "here: field 'reference.response'"),
        (lambda obj: obj.update(reference=None), "here: field 'reference'"),
    ],
)
def test_a_bad_record_is_named(change, said):
    obj = unstructured(silver_records([dialogue()])[0])
    change(obj)
    with pytest.raises(UserError, match=said):
        structured(Record, obj, "here")
