import json
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.silver.answers import FLAWS, garble, judging_texts, light_variant
from compeer_jax.data.silver.judging import class_balance, preference_shares, silver_judge_records
from compeer_jax.data.silver.records import LABEL_OF_STEP, silver_records
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.reasoning import CARE, COMPEER, RESPONSE
from compeer_jax.dialogue.taxonomy import EMOTIONS, STAGES, STRATEGIES
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

CATEGORIES = {"stage": STAGES, "emotion": EMOTIONS, "strategy": STRATEGIES}
FORMATS = pytest.mark.parametrize("format", [COMPEER, CARE], ids=lambda format: format.name)


@pytest.fixture(scope="module", params=[True, False], ids=["quoting", "plain"])
def records(request):
    return silver_records(sample_dialogues(), quotes=request.param)


@pytest.fixture(scope="module")
def judged(records):
    """Pairs of a silver record and a judge record made of it."""
    made = silver_judge_records(records, COMPEER, seed=0, per_record=3)
    return list(zip([record for record in records for _ in range(3)], made, strict=True))


def findings(language):
    """Finding -> its name, for answers; a kind of step -> the words that tell it."""
    return {text: name for name, text in judging_texts(language)["answer"].items()}


def test_records_are_called_silver_and_survive_json(judged):
    for record, made in judged:
        assert made.source.startswith("silver:")
        assert made.id.startswith(record.id + "/")
        assert (made.history, made.language, made.licence) == (record.history, record.language, record.licence)
    for _, made in judged[::23]:
        assert structured(JudgeRecord, json.loads(json.dumps(unstructured(made))), "here") == made
    assert len({made.id for _, made in judged}) == len(judged)


def test_the_seed_and_the_id_alone_decide_a_record(records):
    made = {item.id: item for item in silver_judge_records(records, COMPEER, seed=3, per_record=2)}
    again = silver_judge_records(records[::-1], COMPEER, seed=3)  # another order, fewer of each
    assert all(made[item.id] == item for item in again)
    other = silver_judge_records(records, COMPEER, seed=4, per_record=2)
    assert sum(made[item.id] == item for item in other) < 0.02 * len(other)
    assert sum(made[f"{record.id}/0"].steps == made[f"{record.id}/1"].steps for record in records) < 0.7 * len(records)


@FORMATS
@pytest.mark.parametrize("share", [0.0, 0.23, 0.6, 1.0])
def test_as_many_steps_are_false_as_asked_for(format, share):
    records = silver_records(sample_dialogues(), format)
    made = silver_judge_records(records, format, seed=1, false_share=share, per_record=3)
    balance = class_balance(made)
    assert list(balance) == [step.tag for step in format.steps]
    error = 4 * np.sqrt(share * (1 - share) / len(made))  # 4 standard errors
    for tag, found in balance.items():
        assert abs(found - share) <= error
        assert found == pytest.approx(np.mean([not item.labels[tag] for item in made]))


def test_preferences_are_about_equal(judged):
    shares = preference_shares([made for _, made in judged])
    assert list(shares) == list(PREFERENCES)
    assert sum(shares.values()) == pytest.approx(1)
    assert all(abs(share - 0.25) < 0.05 for share in shares.values())
    assert preference_shares([]) == dict.fromkeys(PREFERENCES, 0)


def test_bad_answers_come_with_more_wrong_steps(judged):
    false = defaultdict(list)
    for _, made in judged:
        false[made.preference in ("first", "neither")] += [not right for right in made.labels.values()]
    assert np.mean(false[True]) == pytest.approx(1.5 * 0.23, abs=0.04)
    assert np.mean(false[False]) == pytest.approx(0.5 * 0.23, abs=0.04)


def test_a_true_step_is_the_reference_and_a_false_one_is_not(judged):
    for record, made in judged:
        for tag, right in made.labels.items():
            real = COMPEER.section(record.reference, tag, record.language)
            assert (made.steps[tag] == real) == right


def test_a_steps_critique_names_the_gold_label_and_what_is_wrong(judged):
    seen = Counter()
    for record, made in judged:
        texts = judging_texts(made.language)["step"]
        for tag, shown in made.steps.items():
            category, name = CATEGORIES[LABEL_OF_STEP[tag]], LABEL_OF_STEP[tag]
            gold = category.display(record.reference.labels[name], made.language)
            title = category.titles[made.language]
            critique = made.critique(tag)
            kinds = [
                kind
                for kind, text in texts.items()
                if kind not in ("right", "label") and critique.startswith(text.partition("{title}")[0])
            ]
            fault = texts[kinds[0]].partition("{title}")[0] if kinds else ""
            assert critique.removeprefix(fault).startswith(title)
            assert gold in critique
            whole = "".join(f"<{part}>{made.steps[part]}</{part}>" for part in made.steps)
            labels = COMPEER.parse(whole).labels
            same = labels.get(name) == record.reference.labels[name]
            if made.labels[tag]:
                assert not kinds
                assert same
            elif kinds == ["contradiction"]:  # either the text or the label is the reference's, not both
                free = shown.rpartition("\n")[0]
                assert (free == record.reference.steps[tag]) != same
            elif kinds == ["unlabelled"]:
                assert name not in labels
                assert shown == record.reference.steps[tag]
            elif kinds == ["garbled"]:
                free, real = shown.rpartition("\n")[0], record.reference.steps[tag]
                assert same
                assert set(free.split()) <= set(real.split()) if made.language == "en" else set(free) <= set(real)
            elif kinds == ["pleading"]:
                assert same
                assert any(harmless(plea) in shown for plea in judging_texts(made.language)["pleas"])
            else:
                assert not kinds
                assert not same
                assert category.display(labels[name], made.language) in critique
            seen[kinds[0] if kinds else "label" if not made.labels[tag] else "right"] += 1
    assert set(seen) == set(texts)
    assert min(seen.values()) > 10


def test_findings_on_answers_fit_the_preference(judged):
    seen = Counter()
    for _, made in judged:
        names = [findings(made.language)[made.critiques[position]] for position in ("first", "second")]
        good = [name == "good" for name in names]
        assert {(True, False): "first", (False, True): "second", (True, True): "similar", (False, False): "neither"}[
            tuple(good)
        ] == made.preference
        assert (RESPONSE in made.critiques) == (made.preference == "similar")
        seen.update(names)
    assert set(seen) == {"good", *FLAWS}
    assert max(seen[flaw] for flaw in FLAWS) == seen["elsewhere"]


def test_answers_are_what_the_findings_say(judged, records):
    own = defaultdict(set)  # dialogue -> its replies
    for record in records:
        own[record.id.rpartition("#")[0]].add(record.reference.response)
    for record, made in judged:
        real = record.reference.response
        assert made.responses[0] != made.responses[1]
        for position, answer in zip(("first", "second"), made.responses, strict=True):
            finding = findings(made.language)[made.critiques[position]]
            elsewhere = [talk for talk, replies in own.items() if answer in replies]
            if finding == "good" and position == "first":
                assert answer == real
            elif finding == "elsewhere":
                assert elsewhere
                assert record.id.rpartition("#")[0] not in elsewhere
            elif finding == "echo":
                assert answer in [turn.content for turn in made.history]
            elif finding == "cold":
                assert answer in judging_texts(made.language)["cold"]
            elif finding == "shuffled":
                assert answer not in set().union(*own.values())
            if finding != "good":
                assert answer != real


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_found_in_an_answer_begins_like_nothing_else_and_ends_with_good_or_bad(language):
    """A judge has to choose between findings where it begins to write one, not between good and bad."""
    texts = judging_texts(language)["answer"]
    size = 3 if language == "en" else 1
    assert len({text[:size] for text in texts.values()}) == len(texts) == len({*FLAWS}) + 1
    bad = {"en": "bad.", "zh": "不好。"}[language]
    assert {name for name, text in texts.items() if not text.endswith(bad)} == {"good"}


def test_critiques_are_short(judged):
    for _, made in judged:
        for tag in (*made.steps, RESPONSE):
            critique = made.critique(tag)
            assert len(critique.split() if made.language == "en" else critique) <= (14 if made.language == "en" else 45)


def test_a_light_variant_shares_most_words_and_is_never_the_same(records):
    generator = np.random.default_rng(0)
    for record in records:
        text = record.reference.response
        variant = light_variant(text, record.language, generator)
        assert variant != text
        split = (lambda text: text.split()) if record.language == "en" else list
        kept = (Counter(split(text)) & Counter(split(variant))).total()
        assert kept >= 0.35 * len(split(text))


@pytest.mark.parametrize("language, text", [("en", "one two three four five six seven"), ("zh", "一二三四五六七八九")])
def test_garbled_text_has_its_own_words_out_of_order_or_in_a_loop(language, text):
    split = str.split if language == "en" else list
    generator = np.random.default_rng(0)
    for _ in range(20):
        shuffled = garble(text, language, generator, loop=False)
        assert shuffled != text
        assert sorted(split(shuffled)) == sorted(split(text))
        looped = garble(text, language, generator, loop=True)
        assert set(split(looped)) < set(split(text)) or max(Counter(split(looped)).values()) >= 3
        assert len(split(looped)) <= 3 * len(split(text))
    assert garble("too short", "en", generator, loop=False) is None
    assert garble("太短", "zh", generator, loop=True) is None


def test_wrong_steps_quote_where_right_ones_do(records, judged):
    quoting = any('"' in record.reference.steps["history"] for record in records)
    wrong = [made.steps["history"] for _, made in judged if not made.labels["history"] and made.language == "en"]
    assert any('"' in text for text in wrong) == quoting


def test_nothing_to_borrow_and_bad_settings_are_named(records):
    talk = sample_dialogues()[0]
    alone = silver_records([replace(talk, id="alone")])
    with pytest.raises(UserError, match=r"alone#\d+: silver judge records borrow replies of other dialogues"):
        silver_judge_records(alone, COMPEER, seed=0, per_record=4)
    with pytest.raises(UserError, match=r"false_share is 1\.5"):
        silver_judge_records(records, COMPEER, seed=0, false_share=1.5)
    with pytest.raises(UserError, match="per_record is 0"):
        silver_judge_records(records, COMPEER, seed=0, per_record=0)


def test_every_record_of_esconv_can_be_judged(shared_data):
    dialogues, _ = read_corpus(shared_data / "esconv" / "ESConv.json")
    records = silver_records(dialogues[::25])
    made = silver_judge_records(records, COMPEER, seed=0)
    assert len(made) == len(records)
    assert all(abs(share - 0.23) < 0.05 for share in class_balance(made).values())
