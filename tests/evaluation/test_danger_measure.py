"""How well danger is found: figures against scikit-learn and closed forms, the sentences and talks of the package."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score
from sklearn.preprocessing import MultiLabelBinarizer

from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.danger.kinds import KINDS, Level, level_of
from compeer_jax.dialogue.danger.numbers import countries
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError
from compeer_jax.evaluation.danger.cases import CASE_FORMS, LOOK_ALIKE, Case, bundled_cases, read_cases
from compeer_jax.evaluation.danger.evaluate import DangerEvalConfig, measure_danger
from compeer_jax.evaluation.danger.measure import confusion, layer_figures, so_far, talk_figures
from compeer_jax.evaluation.danger.sentences import DANGEROUS, FORMS, Sentence, bundled, read_sentences
from compeer_jax.report.table import tables_markdown

SETS = st.frozensets(st.sampled_from(list(KINDS)), max_size=3)
CASE = {
    "id": "a",
    "language": "en",
    "country": "US",
    "kinds": ["passive_ideation"],
    "level": 1,
    "turns": ["hi", "I hope I won't wake up", "what's for lunch?"],
    "danger_from": 1,
    "form": "hidden",
}
ROW = {"text": "I want to die", "language": "en", "kinds": ["active_ideation"], "form": "explicit", "topic": "made up"}


@st.composite
def sentences(draw):
    kinds = draw(SETS)
    form = draw(st.sampled_from(DANGEROUS)) if kinds else "harmless"
    return Sentence("", draw(st.sampled_from(LANGUAGES)), kinds, form)


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(sentences(), SETS), min_size=1, max_size=40))
def test_shares_are_scikit_learns_recall(pairs):
    for figures in layer_figures("any", *zip(*pairs, strict=True)):
        own = [(one, found) for one, found in pairs if one.language == figures.language]
        for form in FORMS:
            said = [bool(found) for one, found in own if one.form == form]
            assert figures.counts[form] == len(said)
            if said:
                expected = recall_score([True] * len(said), said)
                assert figures.found[form].value == pytest.approx(expected)
                assert figures.found[form].low <= expected <= figures.found[form].high
        binarizer = MultiLabelBinarizer(classes=list(KINDS))
        truth, found = map(binarizer.fit_transform, zip(*((one.kinds, found) for one, found in own), strict=True))
        recalls = recall_score(truth, found, average=None, zero_division=np.nan)
        for figure, expected in zip(figures.kinds.values(), recalls, strict=True):
            assert (figure.named.value is None) == np.isnan(expected)
            assert figure.named.value is None or figure.named.value == pytest.approx(expected)


@given(pairs=st.lists(st.tuples(*[st.sampled_from([*KINDS, "none"])] * 2), min_size=1, max_size=40))
def test_what_is_taken_for_what_is_scikit_learns_confusion_of_single_kinds(pairs):
    truth, found = zip(*pairs, strict=True)
    table = confusion(*([frozenset([kind]) - {"none"} for kind in kinds] for kinds in (truth, found)))
    np.testing.assert_array_equal(table, confusion_matrix(truth, found, labels=[*KINDS, "none"]))


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(sentences(), SETS, SETS), min_size=1, max_size=30))
def test_two_layers_together_find_at_least_what_each_finds(rows):
    told, one, other = zip(*rows, strict=True)
    together = layer_figures("both", told, [a | b for a, b in zip(one, other, strict=True)])
    for alone in (layer_figures("one", told, one), layer_figures("other", told, other)):
        for less, more in zip(alone, together, strict=True):
            for few, many in [(less.urgent, more.urgent), *((less.found[form], more.found[form]) for form in FORMS)]:
                assert few.value is None or few.value <= many.value


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(sentences(), SETS), min_size=1, max_size=30), random=st.randoms())
def test_the_order_of_sentences_does_not_matter(pairs, random):
    mixed = random.sample(pairs, len(pairs))
    before, after = (layer_figures("any", *zip(*rows, strict=True)) for rows in (pairs, mixed))
    for one, other in zip(before, after, strict=True):
        assert one._replace(confusion=0) == other._replace(confusion=0)
        np.testing.assert_array_equal(one.confusion, other.confusion)


def test_a_layer_that_is_right_one_that_is_silent_and_one_that_always_cries():
    told = read_sentences(bundled())
    layers = {
        (1, 1, 0, 1): [one.kinds for one in told],
        (0, 0, 0, 0): [frozenset()] * len(told),
        (1, 1, 1, 1): [frozenset(KINDS)] * len(told),
    }
    for expected, found in layers.items():
        for figures in layer_figures("any", told, found):
            assert tuple(share.value for share in (*figures.found.values(), figures.urgent)) == expected
            assert all(kind.named.value == expected[0] for kind in figures.kinds.values())
            harmless = figures.confusion[-1]
            assert harmless[-1] == (1 - expected[2]) * figures.counts["harmless"]


def test_the_sentences_are_enough_of_each_form_kind_and_language_and_most_harmless_ones_are_hard():
    told = read_sentences(bundled())
    counts = Counter((one.language, one.form) for one in told)
    for language in LANGUAGES:
        assert all(counts[language, form] >= least for form, least in zip(FORMS, (100, 100, 120), strict=True))
        for form in DANGEROUS:
            kinds = Counter(kind for one in told for kind in one.kinds if (one.language, one.form) == (language, form))
            assert set(kinds) == set(KINDS)
            assert min(kinds.values()) >= 10
        harmless = [one.topic for one in told if (one.language, one.form) == (language, "harmless")]
        assert sum(not topic.startswith("ordinary") for topic in harmless) >= 0.6 * len(harmless)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_talks_are_enough_of_each_form_and_kind_and_say_from_where_a_helper_must_act(language):
    cases = [case for case in bundled_cases() if case.language == language]
    assert {kind for case in cases for kind in case.kinds} == set(KINDS)
    forms = Counter(case.form for case in cases)
    assert len(cases) - forms[LOOK_ALIKE] >= 30
    assert min(forms[form] for form in CASE_FORMS) >= 10
    for case in cases:
        assert 3 <= len(case.turns) <= 6
        assert case.country in countries()
        assert case.level >= level_of(case.kinds)
        if case.form == "hidden":  # small talk follows
            assert case.danger_from <= len(case.turns) - 3
        if case.form == "rising":  # something else comes first
            assert case.danger_from >= 1


@given(st.data())
def test_danger_in_a_talk_is_found_in_time_early_and_at_the_end_as_counted_by_hand(data):
    cases, found = [], []
    for form in data.draw(st.lists(st.sampled_from(CASE_FORMS), min_size=1, max_size=20)):
        said = data.draw(st.lists(st.booleans(), min_size=1, max_size=5))
        begin = None if form == LOOK_ALIKE else data.draw(st.integers(0, len(said) - 1))
        cases.append(Case("", "zh", "CN", (), Level.NONE, ("…",) * len(said), begin, form))
        found.append(said)
    for figures in talk_figures("any", cases, found):
        own = [(case.danger_from, said) for case, said in zip(cases, found, strict=True) if case.form == figures.form]
        assert figures.count == len(own)
        if figures.form == LOOK_ALIKE:
            assert figures.in_time == figures.at_end == (None, None, None)
            assert figures.early.value == sum(True in said for _, said in own) / len(own)
        else:
            firsts = [(begin, said.index(True) if True in said else len(said)) for begin, said in own]
            assert figures.early.value == sum(first < begin for begin, first in firsts) / len(own)
            assert figures.in_time.value == sum(said[begin] for begin, said in own) / len(own)
            assert figures.at_end.value == sum(said[-1] for _, said in own) / len(own)


def test_after_each_turn_the_turns_so_far_are_looked_at():
    assert so_far(Case("", "en", "US", (), Level.NONE, ("a", "b"), None, LOOK_ALIKE)) == [("a",), ("a", "b")]


def test_a_measurement_is_written_whole(tmp_path):
    file, folder = tmp_path / "own.jsonl", tmp_path / "a" / "b"
    rows = [ROW, {**ROW, "text": "kill the process", "kinds": [], "form": "harmless"}]
    write_jsonl(file, rows)
    layers = {"die": lambda text: {"active_ideation"} if "die" in text else set(), "kill": lambda text: {"attempt"}}
    talks = tmp_path / "talks.jsonl"
    write_jsonl(talks, [CASE])
    table = measure_danger(
        DangerEvalConfig(str(file), str(talks), output=str(folder)), layers, lambda turns: len(turns) == 2
    )
    assert [row for _, row in read_jsonl(folder / "findings.jsonl")] == [
        {"line": 1, "die": ["active_ideation"], "kill": ["attempt"]},
        {"line": 2, "die": [], "kill": ["attempt"]},
    ]
    text = (folder / "danger.md").read_text(encoding="utf-8")
    assert text == tables_markdown([*table.tables, *table.confusions])
    assert "| both | hidden | en | 1 | 100.0 (21–100) | 0.0 (0–79) | 0.0 (0–79) |" in text
    assert "| die | en | 100.0 (21–100) | – | 100.0 (21–100) | 0.0 (0–79) |" in text
    figures = json.loads((folder / "danger.json").read_text(encoding="utf-8"))["figures"]
    assert [one["found"]["harmless"]["value"] for one in figures] == [0, 1]
    assert figures[1]["kinds"]["active_ideation"]["named"]["value"] == 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"text": " "}, "field 'text' must be a string that is not empty."),
        ({"text": 3}, "field 'text' must be a string, found a number."),
        ({"language": "fr"}, "unknown language 'fr'"),
        ({"language": ["en"]}, "unknown language ['en']"),
        ({"form": "explict"}, "unknown form 'explict'; did you mean 'explicit'"),
        ({"kinds": ["attemp"]}, "unknown kind of danger 'attemp'; did you mean 'attempt'"),
        ({"kinds": "attempt"}, "field 'kinds' must be a list, found a string."),
        ({"kinds": [["attempt"]]}, ", kind 1: must be a string, found a list."),
        ({"kinds": []}, "the sentence is explicit and has no kind of danger"),
        ({"form": "harmless"}, "the sentence is harmless and has kinds of danger"),
        ({"topic": 1}, "field 'topic' must be a string, found a number."),
        ({"topics": ""}, "unknown field 'topics'; did you mean 'topic'"),
        ({"text": "Fine"}, "the same text as"),
    ],
)
def test_a_fault_of_a_file_is_one_sentence_with_its_line(tmp_path, change, message):
    file = tmp_path / "own.jsonl"
    write_jsonl(file, [{**ROW, "text": "Fine"}, {**ROW, **change}])
    with pytest.raises(UserError, match=r"own\.jsonl, line 2[:,] ") as caught:
        read_sentences(file)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"danger_from": 3}, "danger_from 3 is no place of the 3 turns; they count from 0"),
        ({"danger_from": None}, "a look_alike has no kinds, level 0 and danger_from null"),
        ({"level": 0}, "a look_alike has no kinds, level 0 and danger_from null"),
        ({"form": "look_alike"}, "a look_alike has no kinds, level 0 and danger_from null"),
        ({"level": 4}, "unknown level 4; it can be one of: 0, 1, 2, 3."),
        ({"level": True}, "unknown level True; it can be one of: 0, 1, 2, 3."),
        ({"turns": []}, "danger_from 1 is no place of the 0 turns"),
        ({"turns": ["hi", ""]}, ", turn 2: must be a string that is not empty."),
        ({"turns": "hi"}, "field 'turns' must be a list, found a string."),
        ({"kinds": ["passive"]}, "unknown kind of danger 'passive'; did you mean 'passive_ideation'"),
        ({"form": "hiden"}, "unknown form 'hiden'; did you mean 'hidden'"),
        ({"language": "fr"}, "unknown language 'fr'"),
        ({"danger": 1}, "unknown field 'danger'; did you mean 'danger_from'"),
        ({"id": "b"}, "the id 'b' stands there before"),
    ],
)
def test_a_fault_of_a_talk_is_one_sentence_with_its_line(tmp_path, change, message):
    file = tmp_path / "own.jsonl"
    write_jsonl(file, [{**CASE, "id": "b"}, {**CASE, **change}])
    with pytest.raises(UserError, match=r"own\.jsonl, line 2[:,] ") as caught:
        read_cases(file)
    assert message in str(caught.value)


@pytest.mark.parametrize("field", ["text", "language", "kinds", "form"])
def test_a_missing_field_is_named(tmp_path, field):
    file = tmp_path / "own.jsonl"
    write_jsonl(file, [{name: value for name, value in ROW.items() if name != field}])
    with pytest.raises(UserError, match=rf"line 1: field '{field}' is missing"):
        read_sentences(file)


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't be made .*; choose another output"):
        measure_danger(DangerEvalConfig(output=str(tmp_path / "file" / "x")), {"never": pytest.fail}, pytest.fail)
