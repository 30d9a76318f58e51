"""Positions of words and pictures are those of transformers' get_rope_index; tokens and pictures must agree."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_vision import torch_vl

from compeer_jax.errors import UserError
from compeer_jax.models.picture_positions import SeenPicture, place_pictures, stack_states
from compeer_jax.models.vision_inputs import Grid, window_count, window_slots

IMAGE = 9
THEIRS = torch_vl().model


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)), max_size=4), st.integers(0, 5))
def test_positions_are_those_of_transformers(pictures, before):
    ids, grids = [1] * before, [Grid(rows, columns) for rows, columns, _ in pictures]
    for grid, (_, _, after) in zip(grids, pictures, strict=True):
        ids += [IMAGE] * grid.tokens + [2] * after
    if not ids:
        return
    placed = place_pictures(ids, grids, IMAGE)
    positions, delta = THEIRS.get_rope_index(
        torch.tensor([ids]),
        torch.tensor([[int(token == IMAGE) for token in ids]]),
        image_grid_thw=torch.tensor([(1, 2 * rows, 2 * columns) for rows, columns in grids]) if grids else None,
    )
    np.testing.assert_array_equal(placed.positions, positions[:, 0].T.numpy())
    assert placed.next_position - len(ids) == int(delta)
    assert placed.index[placed.index >= 0].tolist() == list(range(sum(grid.tokens for grid in grids)))
    assert ((placed.index >= 0) == (np.array(ids) == IMAGE)).all()


def test_neighbouring_pictures_stand_one_after_the_other():
    placed = place_pictures([1, *[IMAGE] * 6, 2], [Grid(1, 2), Grid(2, 2)], IMAGE)
    assert placed.positions.tolist() == [
        *([0] * 3, [1, 1, 1], [1, 1, 2], [3, 3, 3], [3, 3, 4], [3, 4, 3], [3, 4, 4], [5] * 3),
    ]
    assert placed.next_position == 6


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, IMAGE, IMAGE], "has 2 image tokens for 1 pictures of 4 tokens"),
        ([1, *[IMAGE] * 5], "has 5 image tokens for 1 pictures of 4 tokens"),
        ([IMAGE, IMAGE, 1, IMAGE, IMAGE], "are not beside each other"),
    ],
)
def test_image_tokens_that_are_not_those_of_the_pictures_are_refused(ids, said):
    with pytest.raises(UserError, match=said):
        place_pictures(ids, [Grid(2, 2)], IMAGE)


@given(st.integers(1, 13), st.integers(1, 13), st.integers(1, 4))
def test_every_token_has_a_slot_of_its_own_in_the_window_that_it_lies_in(rows, columns, side):
    grid = Grid(rows, columns)
    slots = window_slots(grid, side)
    assert len(set(slots.tolist())) == grid.tokens
    assert slots.max() < window_count(grid, side) * side**2
    row, column = np.divmod(np.arange(grid.tokens), columns)
    windows = {}
    for window, where in zip(slots // side**2, zip(row // side, column // side, strict=True), strict=True):
        assert windows.setdefault(window, where) == where
    assert len(windows) == window_count(grid, side)


def test_states_of_a_rows_pictures_lie_one_after_another():
    a, b = (np.arange(n * 2, dtype=np.float32).reshape(n, 2) for n in (2, 4))
    stacked = stack_states([[SeenPicture(Grid(1, 2), a), SeenPicture(Grid(2, 2), b)], []], 2, 7)
    np.testing.assert_array_equal(stacked[0], np.concatenate([a, b, np.zeros((1, 2))]))
    assert not stacked[1].any()
