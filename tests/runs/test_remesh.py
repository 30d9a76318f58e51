"""A run's state goes onto another mesh bit for bit, there and back, and the run goes on there."""

from itertools import pairwise

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import load_file
from tiny import tiny_model
from train_states import abstract, assert_same

from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import shardings
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import SFTConfig
from compeer_jax.training.sft import train_sft
from compeer_jax.training.update import init_state

ONE, EIGHT, TWO_BY_FOUR = MeshConfig(), MeshConfig(fsdp=8), MeshConfig(fsdp=2, tensor=4)


def state_on(mesh: MeshConfig):
    """A model with its optimiser, as a run lays them out."""
    mesh = make_mesh(mesh)
    params = nnx.state(tiny_model(), nnx.Param)
    return init_state(jax.device_put(params, shardings(param_axes(params), mesh)), optax.adam(1e-3), mesh)


def randomised(state):
    """Other numbers in every float of the state, each on its device still."""

    def draw(leaf):
        if not np.issubdtype(leaf.dtype, np.floating):
            return leaf
        numbers = np.random.default_rng(leaf.size).normal(size=leaf.shape).astype(leaf.dtype)
        return jax.device_put(numbers, leaf.sharding)

    return jax.tree.map(draw, state)


@pytest.mark.long
def test_from_one_device_to_eight_to_two_by_four_and_back(tmp_path):
    meshes = [ONE, EIGHT, TWO_BY_FOUR, ONE, TWO_BY_FOUR, EIGHT, ONE]
    first = state = randomised(state_on(ONE))
    with Checkpoints(tmp_path, keep_last=1) as checkpoints:
        for step, (_, after) in enumerate(pairwise(meshes), start=1):
            checkpoints.save(step, state, {})
            wanted = state_on(after)
            _, state, _ = checkpoints.restore(abstract(wanted))
            assert_same(state, first)
            for leaf, place in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
                assert leaf.sharding.is_equivalent_to(place.sharding, leaf.ndim)
    assert (tmp_path / "6" / "state" / "manifest.ocdbt").exists()


@pytest.mark.long
def test_a_run_goes_on_from_mesh_to_mesh_as_on_one(configure):
    def train(steps: int, mesh: MeshConfig, output: str, *changes: str):
        sizes = [text for name in ("data", "fsdp", "tensor") for text in (f"--mesh.{name}", str(getattr(mesh, name)))]
        return train_sft(configure(SFTConfig, "--steps", str(steps), *sizes, *changes, output=output))

    whole = train(6, ONE, "whole", "--eval_every", "0")
    for steps, mesh in ((2, ONE), (4, EIGHT), (6, TWO_BY_FOUR)):
        run = train(steps, mesh, "moved", "--eval_every", "0")
    for row, other in zip(*(read_metrics(one / "metrics.jsonl") for one in (run, whole)), strict=True):
        for name in ("loss", "grad_norm"):
            assert row[name] == pytest.approx(other[name], rel=1e-4), (row["step"], name)
    exported, expected = (load_file(one / "model" / "model.safetensors") for one in (run, whole))
    for name, array in expected.items():
        np.testing.assert_allclose(exported[name], array, atol=1e-3, err_msg=name)
