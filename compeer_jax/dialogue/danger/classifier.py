"""A small linear classifier of danger: probabilities of each kind for what somebody says, in NumPy alone.

It is a multinomial logistic regression over `features`, trained by `scripts/danger/train.py` on sentences of our own
writing and shipped as numbers (`classifier.npz`). It reads each sentence alone, and the highest danger counts, so that
a plan said in one sentence is not drowned by ten about the weather.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from jaxtyping import Float, Int

from compeer_jax.dialogue.danger.features import Block, features, sentences
from compeer_jax.dialogue.language import has_chinese
from compeer_jax.dialogue.taxonomy import Language

NONE = "none"


@dataclass(frozen=True)
class Weights:
    """A trained classifier: F features in blocks, K classes, the first of them `none`."""

    classes: tuple[str, ...]
    blocks: tuple[Block, ...]
    block_weights: tuple[float, ...]
    idf: Float[np.ndarray, " F"]
    coefficients: Float[np.ndarray, "F K"]
    intercepts: Float[np.ndarray, " K"]
    thresholds: Mapping[Language, float]  # the probability of any danger from which it is told
    share: float  # of the likeliest kind's probability, from which another kind is told beside it


def kind_scores(text: str) -> dict[str, float]:
    """Probability of each kind of danger, in that sentence of `text` where danger is likeliest; the rest is none."""
    weights = shipped()
    read = max((probabilities(part, weights) for part in sentences(text)), key=lambda each: 1 - each[0])
    return {kind: float(probability) for kind, probability in zip(weights.classes[1:], read[1:], strict=True)}


def classified_kinds(text: str) -> frozenset[str]:
    """The kinds of danger in `text`; empty where danger is less likely than the shipped thresholds."""
    return likely_kinds(kind_scores(text), threshold(text))


def threshold(text: str) -> float:
    """The probability of danger from which the classifier alone is believed, in the language of `text`."""
    return shipped().thresholds["zh" if has_chinese(text) else "en"]


def likely_kinds(scores: Mapping[str, float], least: float) -> frozenset[str]:
    """The likeliest kind, and those near it; empty where danger of any kind is less likely than `least`."""
    if sum(scores.values()) < least:
        return frozenset()
    likeliest = max(scores.values())
    return frozenset(kind for kind, score in scores.items() if score >= shipped().share * likeliest)


def probabilities(text: str, weights: Weights) -> Float[np.ndarray, " K"]:
    """Of each class for `text` read as a whole, summing to 1."""
    logits = decision(features(text), weights)
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def decision(found: Int[np.ndarray, " N"], weights: Weights) -> Float[np.ndarray, " K"]:
    """What scikit-learn's `decision_function` gives for these features: sublinear tf-idf, each block of length 1."""
    places, counts = np.unique(found, return_counts=True)
    values = (1 + np.log(counts)) * weights.idf[places]
    ends = np.searchsorted(places, [block.stop for block in weights.blocks])
    total, start = weights.intercepts.copy(), 0
    for end, weight in zip(ends, weights.block_weights, strict=True):
        length = np.sqrt(np.square(values[start:end]).sum())
        if length > 0:
            total += weight / length * (values[start:end] @ weights.coefficients[places[start:end]])
        start = end
    return total


@cache
def shipped() -> Weights:
    """The classifier that comes with the package."""
    with resources.files(__package__).joinpath("classifier.npz").open("rb") as file:
        return from_arrays(np.load(file, allow_pickle=False))


def to_arrays(weights: Weights) -> dict[str, np.ndarray]:
    """`weights` as arrays to be saved: numbers in half precision, the rest as JSON in bytes."""
    header = {
        "classes": weights.classes,
        "blocks": [[block.start, block.size] for block in weights.blocks],
        "block_weights": weights.block_weights,
        "thresholds": dict(weights.thresholds),
        "share": weights.share,
    }
    return {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "idf": weights.idf.astype(np.float16),
        "coefficients": weights.coefficients.astype(np.float16),
        "intercepts": weights.intercepts.astype(np.float64),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Weights:
    """The classifier that `to_arrays` wrote."""
    header = json.loads(arrays["header"].tobytes())
    return Weights(
        tuple(header["classes"]),
        tuple(Block(start, size) for start, size in header["blocks"]),
        tuple(header["block_weights"]),
        arrays["idf"].astype(np.float32),
        arrays["coefficients"].astype(np.float32),
        arrays["intercepts"].astype(np.float64),
        header["thresholds"],
        header["share"],
    )
