import json
from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest

from compeer_jax.data.batches import pad_examples, prompt_batches, sft_batches
from compeer_jax.data.chat import Example
from compeer_jax.errors import UserError

PAD = 0


def example(number):
    """`number` tokens, all equal to it; the last two train."""
    return Example(np.full(number, number, np.int32), np.arange(number) >= number - 2)


EXAMPLES = [example(number) for number in range(2, 12)]


def batches(seed=0, epochs=None, batch_size=4):
    return sft_batches(EXAMPLES, batch_size=batch_size, length=16, pad_id=PAD, seed=seed, epochs=epochs)


def assert_same(batch, other):
    for array, expected in zip(batch, other, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_a_batch_is_padded_on_the_right():
    batch = pad_examples([example(3), example(5)], length=6, pad_id=9)
    np.testing.assert_array_equal(batch.tokens, [[3, 3, 3, 9, 9, 9], [5, 5, 5, 5, 5, 9]])
    np.testing.assert_array_equal(batch.loss_mask, [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]])
    np.testing.assert_array_equal(batch.segment_ids, [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]])
    assert [array.dtype for array in batch] == [np.int32, bool, np.int32]


def test_each_epoch_has_every_example_once_in_a_new_order():
    numbers = [batch.tokens[:, 0].tolist() for batch in islice(batches(), 10)]  # 40 rows: four epochs
    numbers = list(chain.from_iterable(numbers))
    epochs = [numbers[start : start + 10] for start in range(0, 40, 10)]
    for epoch in epochs:
        assert Counter(epoch) == Counter(range(2, 12))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_seed_decides_the_order():
    for batch, same in zip(islice(batches(seed=3), 5), batches(seed=3), strict=False):
        assert_same(batch, same)
    orders = {tuple(next(batches(seed=seed)).tokens[:, 0].tolist()) for seed in range(5)}
    assert len(orders) > 1


@pytest.mark.parametrize("done", [0, 1, 4, 7])
def test_a_run_that_resumes_gets_the_very_batches_that_were_to_come(done):
    iterator = batches()
    for _ in range(done):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = list(islice(iterator, 6))
    resumed = batches()
    resumed.set_state(state)
    for batch, same in zip(islice(resumed, 6), expected, strict=True):
        assert_same(batch, same)


def test_prompts_resume_too_and_stay_whole():
    records = [f"record {index}" for index in range(7)]
    iterator = prompt_batches(records, batch_size=3, seed=5)
    first = [next(iterator) for _ in range(7)]
    assert Counter(chain.from_iterable(first)) == Counter(records * 3)
    assert all(isinstance(batch, list) and len(batch) == 3 for batch in first)
    resumed = prompt_batches(records, batch_size=3, seed=5)
    resumed.set_state(iterator.get_state())
    assert next(resumed) == next(iterator)


def test_only_the_end_of_the_last_epoch_is_dropped():
    assert len(list(batches(epochs=1))) == 2  # 10 rows in fours
    assert len(list(batches(epochs=2))) == 5
    assert len(list(prompt_batches(range(10), batch_size=10, seed=0, epochs=3))) == 3


def test_a_batch_may_be_larger_than_the_data():
    assert next(batches(batch_size=25)).tokens.shape == (25, 16)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"length": 8}, "an example has 11 tokens, but batches are 8 long"),
        ({"batch_size": 0}, "a batch of 0"),
        ({"batch_size": 11, "epochs": 1}, "10 examples can't fill a batch of 11"),
        ({"epochs": 0}, "0 epochs"),
        ({"examples": []}, "0 examples can't fill"),
    ],
)
def test_mistakes_are_named(options, said):
    options = {"examples": EXAMPLES, "batch_size": 2, "length": 16, "pad_id": PAD, "seed": 0} | options
    with pytest.raises(UserError, match=said):
        sft_batches(options.pop("examples"), **options)
