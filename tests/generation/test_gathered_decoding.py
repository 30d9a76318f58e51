"""`gather`: weights that a mesh splits are gathered once before generation's loops, not at every turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from compeer_jax.generation.engine import Engine
from compeer_jax.generation.padding import pad_left
from compeer_jax.generation.rollout import rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import shardings
from compeer_jax.planning.counts import Counts, count
from compeer_jax.planning.hlo import parse

CONFIG = DecoderConfig(512, 64, 128, 2, 4, 2)
PROMPTS = [[3, 4, 5, 6]] * 3 + [[7, 8, 9]]
NEW = 9


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(MeshConfig(fsdp=4, tensor=2))


def split_model(mesh, *, gather: bool, scan_layers: bool):
    model = Qwen2(CONFIG, rngs=nnx.Rngs(0), gather=gather, scan_layers=scan_layers)
    graphdef, params = nnx.split(model, nnx.Param)
    return graphdef, jax.device_put(params, shardings(param_axes(params), mesh))


@pytest.mark.long
@pytest.mark.parametrize("scan_layers, slots", [(False, 0), (True, 0), (True, 2)])
def test_gathered_weights_draw_the_same_tokens(mesh, scan_layers, slots):
    drawn = {}
    for gather in (False, True):
        graphdef, params = split_model(mesh, gather=gather, scan_layers=scan_layers)
        engine = Engine(graphdef, sampling=SamplingConfig(NEW), stop_ids=(1,), pad_id=0, slots=slots)
        with jax.set_mesh(mesh):
            drawn[gather] = engine.generate(params, PROMPTS, jax.random.key(0))
    np.testing.assert_array_equal(drawn[True].tokens, drawn[False].tokens)
    np.testing.assert_allclose(drawn[True].logps, drawn[False].logps, atol=1e-5)


@pytest.mark.parametrize("slots", [0, 2])
def test_prompts_that_the_mesh_cannot_split_draw_what_they_draw_on_one_device(mesh, slots):
    drawn = []
    for where in (mesh, make_mesh(MeshConfig(), jax.devices()[:1])):
        graphdef, params = split_model(where, gather=True, scan_layers=False)
        engine = Engine(graphdef, sampling=SamplingConfig(NEW), stop_ids=(1,), pad_id=0, slots=slots)
        with jax.set_mesh(where):
            drawn.append(engine.generate(params, PROMPTS[1:], jax.random.key(0), group_size=4))
    np.testing.assert_array_equal(drawn[0].tokens, drawn[1].tokens)
    np.testing.assert_allclose(drawn[0].logps, drawn[1].logps, atol=1e-5)


def decoding(mesh, *, gather: bool) -> Counts:
    """What the loop of a rollout does in all."""
    graphdef, params = split_model(mesh, gather=gather, scan_layers=True)
    tokens, mask = pad_left(PROMPTS, 0)

    def draw(params, key):
        options = {"group_size": 1, "sampling": SamplingConfig(NEW), "stop_ids": (1,), "pad_id": 0}
        return rollout(nnx.merge(graphdef, params), jnp.asarray(tokens), jnp.asarray(mask), key, **options)

    with jax.set_mesh(mesh):
        program = jax.jit(draw).lower(params, jax.random.key(0)).compile().as_text()
    return count(parse(program), {"decode": NEW})["decode"]


def test_the_loop_gathers_no_weights(mesh):
    a_layer = 64 * (64 + 64 + 32 + 32 + 3 * 128)
    weights = 4 * 2 * a_layer / 2  # bytes of a tensor shard's layers
    gathered, split = decoding(mesh, gather=True), decoding(mesh, gather=False)
    assert split.received > NEW * weights * 3 / 4  # of four shards a device has its own
    assert gathered.received < split.received / 10
