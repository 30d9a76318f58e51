"""Bags of tokens against Python's Counter."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.rl.redundancy import token_counts


@given(st.lists(st.tuples(st.integers(-3, 9), st.booleans()), min_size=6, max_size=6))
@settings(max_examples=100)
def test_counts_are_those_of_a_counter_and_ids_out_of_range_count_nowhere(tokens):
    counter = Counter(token for token, real in tokens if real)
    ids, mask = jnp.array([t for t, _ in tokens]), jnp.array([real for _, real in tokens])
    np.testing.assert_array_equal(token_counts(ids, mask, 7), [counter[token] for token in range(7)])


def test_any_leading_shape_and_compilation():
    ids = jax.random.randint(jax.random.key(0), (2, 3, 5), 0, 8)
    mask = jax.random.bernoulli(jax.random.key(1), 0.7, ids.shape)
    counts = jax.jit(token_counts, static_argnums=2)(ids, mask, 8)
    expected = (np.asarray(ids)[..., None] == np.arange(8)) & np.asarray(mask)[..., None]
    np.testing.assert_array_equal(counts, expected.sum(2))
    assert token_counts(ids[:, :0], mask[:, :0], 8).shape == (2, 0, 8)
