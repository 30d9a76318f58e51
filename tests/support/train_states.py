"""A training state with a leaf of each kind, placed on a mesh, and compared bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from compeer_jax.parallel.sharding import shardings


def make_state(seed=0, mesh=None):
    """Weights in two types, an optimiser's moments, a counter, random keys of both kinds."""
    key = jax.random.key(seed)
    params = {
        "embedding": jax.random.normal(key, (16, 8)),
        "layers": [{"kernel": jax.random.normal(key, (8, 4), jnp.bfloat16), "bias": jnp.arange(4.0)}],
    }
    state = {
        "params": params,
        "optimizer": optax.adam(1e-3).init(params),
        "step": jnp.int32(seed),
        "key": jax.random.key(seed + 1),
        "row_keys": jax.random.split(jax.random.key(seed + 2, impl="rbg"), 3),
    }
    if mesh is None:
        return state
    return jax.device_put(state, places(state, mesh))


def places(state, mesh):
    axes = {"embedding": ("vocab", "embed"), "kernel": ("embed", "mlp"), "bias": ("mlp",)}

    def place(path, leaf):
        return shardings(axes.get(getattr(path[-1], "key", None), ()), mesh)

    return jax.tree_util.tree_map_with_path(place, state)


def abstract(state):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state)


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            assert jax.random.key_impl(a) == jax.random.key_impl(b)
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
