"""The shipped classifier of danger: its numbers are scikit-learn's, its cost is linear, its sentences are as agreed."""

import importlib.util
import io
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.dialogue.danger import classifier
from compeer_jax.dialogue.danger.classifier import (
    NONE,
    classified_kinds,
    decision,
    from_arrays,
    kind_scores,
    probabilities,
    to_arrays,
)
from compeer_jax.dialogue.danger.features import blocks, concepts, features, sentences
from compeer_jax.dialogue.danger.kinds import KINDS

ROOT = Path(__file__).parents[2]
SENTENCES = ROOT / "scripts" / "danger"


@pytest.fixture(scope="module")
def train():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("danger_train", SENTENCES / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows():
    return [
        json.loads(line)
        for language in ("en", "zh")
        for line in (SENTENCES / f"sentences_{language}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_numpy_decides_as_scikit_learn_does(train, rows):
    some = rows[::29]
    texts, classes = train.examples(some)
    weighers, model = train.fitted(train.counted(texts), classes)
    unseen = [row["text"] for row in rows[5::60]] + ["", "?!", "a" * 300, "我 ❤ u", "one\ttwo\n\nthree"]
    theirs = model.decision_function(train.weighed(train.counted(unseen), weighers))
    order = [list(model.classes_).index(name) for name in (NONE, *KINDS)]
    weights = train.to_weights(weighers, model)
    ours = np.stack([decision(features(text), weights) for text in unseen])
    np.testing.assert_allclose(ours, theirs[:, order], atol=1e-5)
    shipped = from_arrays(to_arrays(weights))
    rounded = np.stack([probabilities(text, shipped) for text in unseen])
    np.testing.assert_allclose(rounded, [probabilities(text, weights) for text in unseen], atol=2e-3)


def test_the_same_sentences_give_the_same_bytes(train, rows):
    def written():
        texts, classes = train.examples(rows[::60])
        file = io.BytesIO()
        np.savez_compressed(file, **to_arrays(train.to_weights(*train.fitted(train.counted(texts), classes))))
        return file.getvalue()

    assert written() == written()


def test_what_is_shipped_fits_the_features_and_the_kinds():
    weights = classifier.shipped()
    again = from_arrays(to_arrays(weights))
    np.testing.assert_array_equal(again.coefficients, weights.coefficients)
    assert weights.classes == (NONE, *KINDS)
    assert weights.blocks == blocks()
    assert set(weights.thresholds) == {"en", "zh"}
    assert all(0.05 < threshold < 0.95 for threshold in weights.thresholds.values())


def test_the_file_is_small_and_holds_no_objects():
    path = Path(classifier.__file__).with_name("classifier.npz")
    assert path.stat().st_size <= 2 * 1024 * 1024
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"header", "idf", "coefficients", "intercepts"}


@given(st.text(max_size=200))
def test_any_text_has_probabilities(text):
    scores = kind_scores(text)
    assert set(scores) == set(KINDS)
    assert all(0 <= score <= 1 for score in scores.values())
    assert sum(scores.values()) <= 1 + 1e-6
    assert classified_kinds(text) <= set(KINDS)


@given(st.text(max_size=100), st.text(max_size=100))
def test_more_said_before_and_after_never_hides_a_sentence_that_stands_alone(before, after):
    """Each sentence is read alone."""
    plea = "I'm going to kill myself tonight."
    alone = sum(kind_scores(plea).values())
    around = sum(kind_scores(f"{before}\n{plea}\n{after}").values())
    assert around >= alone - 1e-6


def test_sentences_leave_nothing_out():
    text = "One. Two?! Three…四。五\nsix"
    assert sentences(text) == ["One.", "Two?!", "Three…", "四。", "五", "six"]
    assert sentences(" \n ") == [""]


def test_words_of_one_meaning_are_one_concept_in_both_languages():
    _, block, _ = blocks()
    names = concepts().names

    def named(text):
        return {names[place - block.start] for place in features(text) if block.start <= place < block.stop}

    assert named("a noose") == named("绳子") == named("a rope") == {"rope"}
    assert "suicide" in named("I have been thinking of ending my life")
    assert "idiom" in named("笑死我了")


def test_time_is_linear_in_length():
    def seconds(text):
        started = time.process_time()
        classified_kinds(text)
        return time.process_time() - started

    classified_kinds("warm")
    for unit in ("a ", "死", "i want to die. ", "!" * 50, "k i l l ", "\n"):
        assert seconds(unit * (32_000 // len(unit))) < 10


def test_sentences_are_as_agreed(rows):
    """Enough of each kind and form in each language, each said once, harmless ones without a kind."""
    assert len({row["text"] for row in rows}) == len(rows)
    for language in ("en", "zh"):
        mine = [row for row in rows if row["language"] == language]
        assert len(mine) >= 850
        counts = Counter((kind, row["form"]) for row in mine for kind in row["kinds"])
        for kind in KINDS:
            assert counts[kind, "explicit"] >= 20
            assert counts[kind, "indirect"] >= 20
        assert 0.35 <= sum(row["form"] == "harmless" for row in mine) / len(mine) <= 0.6
    for row in rows:
        assert set(row) == {"text", "language", "kinds", "form", "topic"}
        assert set(row["kinds"]) <= set(KINDS)
        assert (row["form"] == "harmless") == (not row["kinds"])
