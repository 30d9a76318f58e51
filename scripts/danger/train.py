"""Train the classifier of danger on `sentences_en.jsonl` and `sentences_zh.jsonl` beside this file.

    python scripts/danger/train.py                     # writes compeer_jax/dialogue/danger/classifier.npz
    python scripts/danger/train.py --cross-validate    # prints what it finds in sentences held out

A harmless text is harmless in each of its sentences, so each is an example; of one that tells of danger, only the whole
is known to. Many people write without full stops, so texts run together are examples, too: harmless if all of them are,
else of the danger that one of them tells of. What is held out is read as the package reads it: sentence by sentence,
the highest danger counting.

The thresholds are the lowest ones at which, of the harmless sentences held out in turn, at most FALSE_ALARMS are taken
for danger: at a higher share, too much of usual talk is. The same sentences give the same bytes.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from compeer_jax.dialogue.danger import classifier
from compeer_jax.dialogue.danger.classifier import NONE, Weights
from compeer_jax.dialogue.danger.features import blocks, features, sentences
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.files import replacing

HERE = Path(__file__).parent
LANGUAGES, FORMS = ("en", "zh"), ("explicit", "indirect", "harmless")
FALSE_ALARMS = 0.015
JOINED = 0.3  # as many texts run together as this share of the examples, harmless and not
JOINTS = {"en": (", ", " ", " and ", " but ", " so "), "zh": ("，", " ", "、")}
BLOCK_WEIGHTS = (1.0, 1.0, 1.0)  # letters and words, concepts, pairs of concepts
INVERSE_REGULARISATION = 3.0
SHARE = 0.5
FOLDS = 3


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--cross-validate", action="store_true", help="print figures on held-out sentences; write nothing"
    )
    rows = [json.loads(line) for language in LANGUAGES for line in _lines(language)]
    told = held_out(rows)
    thresholds = chosen_thresholds(told, rows)
    if options.parse_args().cross_validate:
        print(report(told, thresholds, rows))
        return
    texts, classes = examples(rows)
    weights = replace(to_weights(*fitted(counted(texts), classes)), thresholds=thresholds)
    target = Path(classifier.__file__).with_name("classifier.npz")
    with replacing(target) as path, path.open("wb") as file:
        np.savez_compressed(file, **classifier.to_arrays(weights))
    print(f"{target}: {target.stat().st_size:,} bytes, {len(rows):,} sentences, thresholds {thresholds}")


def _lines(language: str) -> list[str]:
    return (HERE / f"sentences_{language}.jsonl").read_text(encoding="utf-8").splitlines()


def examples(rows: Sequence[dict]) -> tuple[list[str], np.ndarray]:
    """Texts to learn from, and the class of each: its first kind, or none."""
    pairs = [
        (text, row["kinds"][0] if row["kinds"] else NONE, row["language"])
        for row in rows
        for text in ([row["text"]] if row["kinds"] else sentences(row["text"]))
    ]
    texts, classes, _ = zip(*pairs, *joined(pairs, random.Random(0)), strict=True)
    return list(texts), np.array(classes)


def joined(pairs: Sequence[tuple[str, str, str]], draw: random.Random) -> list[tuple[str, str, str]]:
    """Texts of one to three harmless sentences with one more somewhere among them, run together; class and language."""
    found = []
    for language in LANGUAGES:
        known = [pair for pair in pairs if pair[2] == language]
        harmless = [text for text, name, _ in known if name == NONE]
        for text, name, _ in draw.sample(known, round(JOINED * len(known))):
            parts = draw.sample(harmless, draw.randint(1, 3))
            parts.insert(draw.randint(0, len(parts)), text)
            run = parts[0].rstrip(".!?。！？")
            for part in parts[1:]:
                run += draw.choice(JOINTS[language]) + part.rstrip(".!?。！？")
            found.append((run, name, language))
    return found


def counted(texts: Sequence[str]) -> scipy.sparse.csr_matrix:
    """How often each feature stands in each text."""
    found = [_counts(text) for text in texts]
    ends = np.cumsum([0, *(len(places) for places, _ in found)])
    shape = (len(texts), blocks()[-1].stop)
    places, counts = (np.concatenate(each) for each in zip(*found, strict=True))
    return scipy.sparse.csr_matrix((counts.astype(np.float32), places, ends), shape)


@cache
def _counts(text: str) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(features(text), return_counts=True)


def fitted(counts: scipy.sparse.csr_matrix, classes: np.ndarray) -> tuple[list[TfidfTransformer], LogisticRegression]:
    """A tf-idf for each block of features, and a regression over all of them."""
    weighers = [TfidfTransformer(sublinear_tf=True).fit(counts[:, block.start : block.stop]) for block in blocks()]
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300, tol=1e-3).fit(weighed(counts, weighers), classes)
    return weighers, model


def weighed(counts: scipy.sparse.csr_matrix, weighers: Sequence[TfidfTransformer]) -> scipy.sparse.csr_matrix:
    """What the regression reads: each block's tf-idf of length 1, times the block's weight."""
    parts = [
        weight * weigher.transform(counts[:, block.start : block.stop])
        for block, weigher, weight in zip(blocks(), weighers, BLOCK_WEIGHTS, strict=True)
    ]
    return scipy.sparse.hstack(parts, format="csr")


def to_weights(weighers: Sequence[TfidfTransformer], model: LogisticRegression) -> Weights:
    """The numbers that `classifier` needs of what was fitted, classes in the order of the kinds, none first."""
    classes = [NONE, *KINDS]
    order = [list(model.classes_).index(name) for name in classes]
    return Weights(
        tuple(classes),
        blocks(),
        BLOCK_WEIGHTS,
        np.concatenate([weigher.idf_ for weigher in weighers]),
        model.coef_[order].T,
        model.intercept_[order],
        dict.fromkeys(LANGUAGES, 0.5),
        SHARE,
    )


def held_out(rows: Sequence[dict]) -> np.ndarray:
    """Probabilities for each text by a classifier trained without its fold, none first."""
    strata = [f"{row['language']} {row['form']} {row['kinds'][:1]}" for row in rows]
    told = np.zeros((len(rows), len(KINDS) + 1))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(strata, strata):
        texts, classes = examples([rows[i] for i in train])
        weighers, model = fitted(counted(texts), classes)
        order = [list(model.classes_).index(name) for name in (NONE, *KINDS)]
        for i in test:
            read = model.predict_proba(weighed(counted(sentences(rows[i]["text"])), weighers))[:, order]
            told[i] = read[read[:, 0].argmin()]
    return told


def chosen_thresholds(told: np.ndarray, rows: Sequence[dict]) -> dict[str, float]:
    """For each language the lowest threshold at which at most FALSE_ALARMS of the harmless ones reach it."""
    danger = 1 - told[:, 0]
    found = {}
    for language in LANGUAGES:
        harmless = np.sort(danger[_where(rows, language, "harmless")])
        allowed = int(FALSE_ALARMS * len(harmless))
        found[language] = round(float(harmless[-allowed - 1]) + 1e-4, 4)
    return found


def report(told: np.ndarray, thresholds: dict[str, float], rows: Sequence[dict]) -> str:
    """A table of what is told of held-out sentences, by language and form, then by language and kind."""
    danger, lines = 1 - told[:, 0], []
    named = np.array([*KINDS])[told[:, 1:].argmax(1)]
    for language in LANGUAGES:
        flagged = danger >= thresholds[language]
        for form in FORMS:
            at = _where(rows, language, form)
            lines.append(f"{language}  {form:18} {len(at):5}  told {flagged[at].mean():6.1%}")
        for kind in KINDS:
            at = np.array([i for i in range(len(rows)) if rows[i]["language"] == language and kind in rows[i]["kinds"]])
            right = (named[at] == kind)[flagged[at]].mean() if flagged[at].any() else float("nan")
            lines.append(
                f"{language}  {kind:18} {len(at):5}  told {flagged[at].mean():6.1%}  of these as such {right:6.1%}"
            )
    return "\n".join(lines)


def _where(rows: Sequence[dict], language: str, form: str) -> np.ndarray:
    return np.array([i for i, row in enumerate(rows) if (row["language"], row["form"]) == (language, form)])


if __name__ == "__main__":
    main()
