import json
from collections import Counter

import pytest

from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.splits import read_split, split_dialogues
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
