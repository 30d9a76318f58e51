import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.curation.filter.near_duplicates import FOUND, NearDuplicates, bands, shingles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def said(*texts):
    return [Turn("supporter" if n % 2 else "seeker", text) for n, text in enumerate(texts)]


def test_english_is_compared_by_three_words_whatever_case_and_punctuation():
    assert shingles(said("I lost my job.", "Oh NO!"), "en") == {
        "i lost my",
        "lost my job",
        "my job oh",
        "job oh no",
    }
    assert shingles(said("Don’t go"), "en") == {"don’t go"}
    assert shingles(said("..."), "en") == {""}


def test_chinese_is_compared_by_four_characters():
    assert shingles(said("我失业了。", "真的？"), "zh") == {"我失业了", "失业了真", "业了真的"}
    assert shingles(said("好"), "zh") == {"好"}


def test_an_unknown_language_is_an_error():
    with pytest.raises(UserError, match="unknown language 'fr'"):
        shingles(said("Bonjour."), "fr")


def exact(one, other):
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("similarity", (0.5, 0.7, 0.8, 0.9))
def test_finds_agree_with_exact_jaccard_similarity(similarity):
    """128 permutations err by less than 0.15 in all but one of ten thousand cases."""
    generator = np.random.default_rng(0)
    sets = {}
    for group in range(30):
        whole = [f"{group}/{n}" for n in range(400)]
        for copy, kept in enumerate((1.0, 0.98, 0.93, 0.85, 0.7, 0.4)):
            sets[f"{group}-{copy}"] = {word for word in whole if generator.random() < kept}
    found = NearDuplicates(similarity)
    stayed = []
    for id, words in sets.items():
        earlier = found.earlier(id, sorted(words))
        if earlier is None:
            assert all(exact(words, sets[other]) < similarity + 0.15 for other in stayed)
            stayed.append(id)
        else:
            assert earlier in stayed
            assert exact(words, sets[earlier]) > similarity - 0.15
    assert len(found) == len(stayed)
    assert 30 < len(stayed) < len(sets)


@pytest.mark.parametrize("similarity", (0.05, 0.3, 0.5, 0.8, 0.95, 1.0))
@pytest.mark.parametrize("permutations", (16, 128, 200))
def test_bands_compare_nearly_all_pairs_that_are_similar_enough_with_rows_as_long_as_can_be(similarity, permutations):
    def compared(count, rows):
        return 1 - (1 - similarity**rows) ** count

    count, rows = bands(similarity, permutations)
    assert count * rows <= permutations
    assert compared(count, rows) >= FOUND or rows == 1
    assert all(compared(permutations // more, more) < FOUND for more in range(rows + 1, permutations // 2 + 1))
    found = NearDuplicates(similarity, permutations)
    assert found.earlier("a", ["x", "y"]) is None
    assert found.earlier("b", ["x", "y"]) == "a"


@given(st.lists(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1), max_size=12))
def test_a_copy_repeats_the_first_that_it_equals_and_order_within_makes_no_difference(sets):
    found = NearDuplicates(1.0)
    stayed: dict[frozenset, str] = {}
    for n, words in enumerate(sets):
        earlier = found.earlier(str(n), sorted(words, reverse=bool(n % 2)))
        assert earlier == stayed.get(frozenset(words))
        stayed.setdefault(frozenset(words), str(n))


def test_the_corpora_at_hand_have_no_near_duplicates_but_those_made(shared_data):
    from compeer_jax.data.corpora import iter_corpus
    from compeer_jax.data.corpora.config import CorpusConfig

    talks = list(itertools.islice(iter_corpus(CorpusConfig(path=str(shared_data / "esconv/ESConv.json"))), 150))
    talks += iter_corpus(CorpusConfig(path=str(shared_data / "smile/smile_300.jsonl"), limit=50))
    found = NearDuplicates()
    assert [found.earlier(talk.id, shingles(talk.turns, talk.language)) for talk in talks] == [None] * len(talks)
    # The same talks without their last turn, and in capitals, are told again.
    for talk in talks:
        turns = [Turn(turn.role, turn.content.upper()) for turn in talk.turns]
        assert found.earlier("copy", shingles(turns, talk.language)) == talk.id
