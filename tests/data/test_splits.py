import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.splits import cut_strata, read_split, split_dialogues
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

DIALOGUES = [
    Dialogue(f"{language}-{index}", language, "test", "CC0", (Turn("seeker", "hi"),))
    for language, count in (("en", 40), ("zh", 20))
    for index in range(count)
]


def ids(part):
    return [dialogue.id for dialogue in part]


def test_every_dialogue_is_in_one_part_and_languages_are_split_alike():
    splits = split_dialogues(DIALOGUES, seed=1)
    assert Counter(ids(splits.train + splits.valid + splits.test)) == Counter(ids(DIALOGUES))
    for part, counts in zip(splits, ((28, 14), (6, 3), (6, 3)), strict=True):
        assert Counter(dialogue.language for dialogue in part) == {"en": counts[0], "zh": counts[1]}


def test_the_seed_alone_decides():
    assert split_dialogues(DIALOGUES, seed=1) == split_dialogues(DIALOGUES, seed=1)
    assert split_dialogues(DIALOGUES, seed=1) != split_dialogues(DIALOGUES, seed=2)


def test_fractions_that_can_not_be_are_named():
    with pytest.raises(UserError, match="add up to 1"):
        split_dialogues(DIALOGUES, seed=0, fractions=(0.7, 0.2, 0.2))
    with pytest.raises(UserError, match="nothing is left for 'test'"):
        split_dialogues(DIALOGUES[:2], seed=0)


def test_what_is_alone_in_its_stratum_is_learned_from():
    alone = Dialogue("alone", "zh", "elsewhere", "CC0", (Turn("seeker", "hi"),))
    for seed in range(5):
        assert alone in split_dialogues([*DIALOGUES, alone], seed=seed, fractions=(0.3, 0.4, 0.3)).train


def strata(*sizes: int) -> dict[int, list[tuple[int, int]]]:
    return {key: [(key, unit) for unit in range(size)] for key, size in enumerate(sizes)}


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    shares=st.tuples(st.floats(0.01, 0.4), st.floats(0.01, 0.4)),
)
def test_strata_of_any_size_are_cut_without_loss_and_none_is_only_held_out(sizes, shares):
    parts = cut_strata(strata(*sizes), valid=shares[0], test=shares[1])
    units = [unit for stratum in strata(*sizes).values() for unit in stratum]
    assert Counter(unit for part in parts for unit in part) == Counter(units)
    assert {key for key, _ in parts[0]} == set(range(len(sizes)))
    for part in parts[1:]:
        assert part or max(sizes) < 3


@given(
    sizes=st.lists(st.integers(20, 60), min_size=1, max_size=30),
    shares=st.tuples(st.floats(0.01, 0.2), st.floats(0.01, 0.2)),
)
def test_shares_hold_on_the_whole_and_within_two_in_each_stratum(sizes, shares):
    parts = cut_strata(strata(*sizes), valid=shares[0], test=shares[1])
    for share, part in zip(shares, parts[1:], strict=True):
        assert len(part) == max(1, round(share * sum(sizes)))
        held = Counter(key for key, _ in part)
        assert all(abs(held[key] - share * size) < 2 for key, size in enumerate(sizes))


def test_small_strata_take_turns_where_rounding_would_leave_nothing():
    sizes = [6] * 50
    assert [len(part) for part in cut_strata(strata(*sizes), valid=0.05, test=0.05)] == [270, 15, 15]
    assert [len(part) for part in cut_strata(strata(4), valid=0.05, test=0.05)] == [2, 1, 1]
    assert cut_strata(strata(1, 1, 1), valid=0.4, test=0.4) == ([(0, 0), (1, 0), (2, 0)], [], [])
    assert cut_strata({}, valid=0.1, test=0.1) == ([], [], [])


def test_the_usual_split_of_esconv(shared_data):
    dialogues, _ = read_corpus(shared_data / "esconv" / "ESConv.json")
    path = shared_data / "esconv" / "ESConv_split_seed13.json"
    splits = read_split(path, dialogues)
    assert [len(part) for part in splits] == [910, 195, 195]
    assert len(set(ids(splits.train + splits.valid + splits.test))) == 1_300
    rows = json.loads(path.read_text())
    assert ids(splits.test) == [f"esconv-{row:04d}" for row in sorted(rows["test"])]


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"train": [0], "valid": [1]}', "field 'test' must be a list"),
        ('{"train": [0], "valid": [1], "test": ["2"]}', "field 'test' must be a list"),
        ('{"train": [0], "valid": [1], "test": [60]}', "row 60 in 'test' is not among the 60 dialogues"),
        ('{"train": [0], "valid": [1], "test": [1]}', "row 1 is there twice"),
        ('{"train": [0], "valid": [1], "test": []}', "nothing is left for 'test'"),
        ("[0, 1", "not JSON"),
    ],
)
def test_a_bad_split_file_is_named(tmp_path, text, said):
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(UserError, match=said):
        read_split(tmp_path / "split.json", DIALOGUES)
