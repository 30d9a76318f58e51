import json
from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest

from compeer_jax.data.batches import shuffled_batches, token_batch
from compeer_jax.data.chat import Example
from compeer_jax.errors import UserError

PAD = 0


def example(number):
    """`number` tokens, all equal to it; the last two train."""
    return Example(np.full(number, number, np.int32), np.arange(number) >= number - 2)


ITEMS = [f"record {index}" for index in range(10)]


def batches(seed=0, epochs=None, batch_size=4):
    return shuffled_batches(ITEMS, batch_size=batch_size, seed=seed, epochs=epochs)


def test_rows_hold_examples_side_by_side_and_are_padded_on_the_right():
    batch = token_batch([[example(3)], [example(2), example(4)], []], length=7, most_trained=4, pad_id=9)
    np.testing.assert_array_equal(batch.tokens, [[3, 3, 3, 9, 9, 9, 9], [2, 2, 4, 4, 4, 4, 9], [9, 9, 9, 9, 9, 9, 9]])
    np.testing.assert_array_equal(
        batch.segment_ids, [[1, 1, 1, 0, 0, 0, 0], [1, 1, 2, 2, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0]]
    )
    # The first of the two tokens in the second row has none before it, so only the other trains.
    np.testing.assert_array_equal(batch.trained, [[1, 2, 0, 0], [1, 4, 5, 0], [0, 0, 0, 0]])
    assert [array.dtype for array in batch[:3]] == [np.int32] * 3
    assert batch[3:] == (None, None)  # no pictures


def test_each_epoch_has_every_item_once_in_a_new_order():
    drawn = list(chain.from_iterable(islice(batches(), 10)))  # 40 items: four epochs
    epochs = [drawn[start : start + 10] for start in range(0, 40, 10)]
    for epoch in epochs:
        assert Counter(epoch) == Counter(ITEMS)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_seed_decides_the_order():
    assert list(islice(batches(seed=3), 5)) == list(islice(batches(seed=3), 5))
    assert len({tuple(next(batches(seed=seed))) for seed in range(5)}) > 1


@pytest.mark.parametrize("done", [0, 1, 4, 7])
def test_a_run_that_resumes_gets_the_very_batches_that_were_to_come(done):
    iterator = batches()
    for _ in range(done):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = list(islice(iterator, 6))
    resumed = batches()
    resumed.set_state(state)
    assert list(islice(resumed, 6)) == expected
    assert {len(batch) for batch in expected} == {4}


def test_only_the_end_of_the_last_epoch_is_dropped():
    assert len(list(batches(epochs=1))) == 2  # 10 items in fours
    assert len(list(batches(epochs=2))) == 5
    assert len(list(batches(epochs=3, batch_size=10))) == 3


def test_a_batch_may_be_larger_than_the_data():
    assert len(next(batches(batch_size=25))) == 25


@pytest.mark.parametrize(
    "options, said",
    [
        ({"batch_size": 0}, "a batch of 0"),
        ({"batch_size": 11, "epochs": 1}, "10 examples can't fill a batch of 11"),
        ({"epochs": 0}, "0 epochs"),
        ({"items": []}, "0 examples can't fill"),
    ],
)
def test_mistakes_are_named(options, said):
    options = {"items": ITEMS, "batch_size": 2, "seed": 0} | options
    with pytest.raises(UserError, match=said):
        shuffled_batches(options.pop("items"), **options)
