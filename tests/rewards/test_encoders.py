"""What redundancy is measured on: the cosines of token counts, against scikit-learn's."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gold_records import record
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.evaluation.policy_report import policy_report
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.encoders import encode_token_counts, output_lengths
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Completion, reference_completion
from compeer_jax.rl.redundancy import cosine_redundancy


class WordTokenizer:
    """One id a word, far apart, as in a large vocabulary."""

    def __init__(self):
        self.ids: dict[str, int] = {}

    def encode(self, text, add_special_tokens=True):
        assert not add_special_tokens
        return [self.ids.setdefault(word, 1000 * len(self.ids)) for word in text.split()]


def completion(response: str, history: list[str]) -> Completion:
    gold = record()
    turns = tuple(Turn("seeker", text) for text in history)
    changed = type(gold)(**{**vars(gold), "history": turns})
    return Completion(changed, "", ReasonedTurn({}, {}, response))


GROUPS = {
    ("my exam is near", "i cannot sleep at all"): ["you cannot sleep", "your exam is near", "you cannot sleep"],
    ("they left me",): ["tell me more", "", "they left you and you feel alone"],
}


def test_redundancies_are_those_of_scikit_learns_counts_and_cosines():
    completions = [completion(text, list(history)) for history, texts in GROUPS.items() for text in texts]
    encoded = encode_token_counts(completions, 3, WordTokenizer())
    s_in, s_hi = cosine_redundancy(*map(jnp.asarray, encoded))
    vectorizer = CountVectorizer(token_pattern=r"\S+")
    vectorizer.fit([text for history, texts in GROUPS.items() for text in [*history, *texts]])
    for row, (history, texts) in enumerate(GROUPS.items()):
        outputs = vectorizer.transform(texts)
        among = cosine_similarity(outputs)
        np.testing.assert_allclose(s_in[row], (among.sum(axis=1) - among.diagonal()) / 2, atol=1e-6)
        before = cosine_similarity(outputs, vectorizer.transform(history))
        np.testing.assert_allclose(s_hi[row], before.mean(axis=1), atol=1e-6)


def test_vectors_are_as_small_as_the_words_of_the_batch_allow():
    completions = [completion(text, list(history)) for history, texts in GROUPS.items() for text in texts]
    encoded = encode_token_counts(completions, 3, WordTokenizer())
    words = {word for history, texts in GROUPS.items() for text in [*history, *texts] for word in text.split()}
    assert encoded.outputs.shape == (2, 3, 32)
    assert 16 < len(words) <= 32
    assert encoded.history_mask.tolist() == [[True, True], [True, False]]


def test_whole_outputs_can_be_compared_and_measured():
    """Responses that share no word, behind reasoning that is the same."""
    texts = ["one and the same thought then mine", "one and the same thought then yours"]
    items = [dataclasses.replace(completion(text.split()[-1], ["x"]), text=text) for text in texts]
    mask = np.ones((1, 1), bool)
    for of, expected, lengths in (("response", 0, [1, 1]), ("output", 6 / 7, [7, 7])):
        encoded = encode_token_counts(items, 2, WordTokenizer(), of=of)
        np.testing.assert_array_equal(encoded.history_mask, mask)
        np.testing.assert_allclose(cosine_redundancy(*map(jnp.asarray, encoded))[0], [[expected] * 2], rtol=1e-6)
        assert output_lengths(items, "words", WordTokenizer(), of=of).tolist() == lengths


def test_lengths_are_counted_in_the_unit_asked_for():
    items = [completion("你好 dear friend", ["x"])]
    assert [int(output_lengths(items, unit, WordTokenizer())[0]) for unit in ("tokens", "words", "characters")] == [
        3,
        4,
        14,
    ]


def test_a_report_on_references_is_perfect_where_it_should_be():
    good = reference_completion(record(), COMPEER)
    broken = Completion(good.record, "", COMPEER.parse(""))
    items = [good, good, broken, broken]
    rewards = load_reward(RewardConfig())(items, jax.random.key(0))
    report = policy_report(items, 2, format=COMPEER, judged=None, rules=rewards, entropy=1.5, tokenizer=WordTokenizer())
    assert (report.format, report.stage, report.emotion, report.strategy) == (0.5, 0.5, 0.5, 0.5)
    assert (report.judge, report.rules) == (None, 0)
    assert report.self_bleu == pytest.approx(1)
    assert report.in_group == pytest.approx(0.5)
    assert report.distinct_1 == pytest.approx(0.5)
