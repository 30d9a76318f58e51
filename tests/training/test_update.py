"""The optimiser step: the same result whole, in parts, and on any mesh."""

import math

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import random_policy_batch, tiny_model

from compeer_jax.data.batches import TokenBatch, token_batch
from compeer_jax.data.chat import Example
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import place_batch, shardings
from compeer_jax.training.config import LossConfig
from compeer_jax.training.policy_update import count_whole, make_logprobs, make_policy_loss
from compeer_jax.training.supervised import count_trained, make_supervised_loss
from compeer_jax.training.update import deal, init_state, make_update

SAMPLING = SamplingConfig(max_new_tokens=16, temperature=0.7)


def examples(count=8, length=16, seed=0) -> list[Example]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(6, length + 1, count)
    starts = rng.integers(1, 6, count)
    return [
        Example(rng.integers(0, 64, size).astype(np.int32), np.arange(size) >= start)
        for size, start in zip(sizes, starts, strict=True)
    ]


def batch_of(rows: list[list[Example]], length=16) -> TokenBatch:
    return token_batch(rows, length=length, most_trained=length, pad_id=0)


def one_a_row() -> TokenBatch:
    return batch_of([[example] for example in examples()])


def step(loss, whole, batch, *, microbatches=1, mesh=None, updates=2):
    """Parameters and metrics after some updates on `batch`, on a mesh."""
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    mesh = make_mesh(mesh or MeshConfig())
    params = jax.device_put(params, shardings(param_axes(params), mesh))
    optimizer = optax.sgd(0.1, momentum=0.9)
    update = make_update(loss(graphdef), optimizer, microbatches=microbatches, whole=whole)
    with jax.set_mesh(mesh):
        state = init_state(params, optimizer, mesh)
        for _ in range(updates):
            state, metrics = update(state, place_batch(batch, mesh))
    assert int(state.step) == updates
    return jax.device_get(state.params), {name: float(value) for name, value in metrics.items()}


def assert_same(one, other):
    for a, b in zip(jax.tree.leaves(one[0]), jax.tree.leaves(other[0]), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    assert one[1].keys() == other[1].keys()
    for name in one[1]:
        assert one[1][name] == pytest.approx(other[1][name], rel=2e-4, abs=2e-6), name


@pytest.mark.parametrize(
    "settings",
    [
        {"reduction": "sequence_mean"},
        {"reduction": "token_mean"},
        {"reduction": "fixed_length"},
        {"reduction": "sequence_mean", "ratio": "sequence"},
    ],
    ids=lambda settings: "-".join(settings.values()),
)
def test_a_policy_batch_in_parts_gives_the_update_of_the_whole(settings):
    def loss(graphdef):
        return make_policy_loss(graphdef, LossConfig(**settings), SAMPLING)

    batch = random_policy_batch()
    assert_same(step(loss, count_whole, batch), step(loss, count_whole, batch, microbatches=4))


def test_importance_weights_change_nothing_where_the_sampler_is_the_policy():
    batch = random_policy_batch()._replace(old_logps=None)
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    batch = batch._replace(sampler_logps=np.asarray(make_logprobs(graphdef, SAMPLING.temperature, 1)(params, batch)))

    def loss(cap):
        return lambda graphdef: make_policy_loss(graphdef, LossConfig(importance_cap=cap), SAMPLING)

    without, weighted = (step(loss(cap), count_whole, batch, updates=1) for cap in (None, math.inf))
    assert weighted[1].pop("importance/mean") == pytest.approx(1, abs=1e-5)
    assert weighted[1].pop("importance/capped") == 0
    assert_same(without, weighted)


def test_importance_weights_of_parts_are_those_of_the_whole_and_reach_the_loss():
    def loss(cap):
        return lambda graphdef: make_policy_loss(graphdef, LossConfig(importance_cap=cap), SAMPLING)

    batch = random_policy_batch()
    noise = np.random.default_rng(1).normal(size=batch.mask.shape).astype(np.float32)
    batch = batch._replace(sampler_logps=batch.old_logps + noise)  # of other weights
    whole = step(loss(1.5), count_whole, batch)
    assert_same(whole, step(loss(1.5), count_whole, batch, microbatches=4))
    assert 0 < whole[1]["importance/capped"] < 1
    assert whole[1]["importance/mean"] <= 1.5
    assert whole[1]["loss"] != pytest.approx(step(loss(None), count_whole, batch)[1]["loss"], rel=0.01)


def test_an_sft_batch_in_parts_gives_the_update_of_the_whole():
    batch = one_a_row()
    whole = step(make_supervised_loss, count_trained, batch)
    assert_same(whole, step(make_supervised_loss, count_trained, batch, microbatches=4))


@pytest.mark.parametrize(
    "mesh", [MeshConfig(data=8), MeshConfig(fsdp=8), MeshConfig(data=2, fsdp=2, tensor=2)], ids=str
)
def test_eight_devices_give_the_updates_of_one(mesh):
    def policy(graphdef):
        return make_policy_loss(graphdef, LossConfig(kl_coefficient=0.1), SAMPLING)

    batch = random_policy_batch()
    batch = batch._replace(ref_logps=batch.old_logps - 0.1)
    assert_same(step(policy, count_whole, batch), step(policy, count_whole, batch, mesh=mesh))

    tokens = one_a_row()
    whole = step(make_supervised_loss, count_trained, tokens)
    assert_same(whole, step(make_supervised_loss, count_trained, tokens, mesh=mesh))


def test_parts_on_a_mesh_give_the_update_of_the_whole_on_one_device():
    def loss(graphdef):
        return make_policy_loss(graphdef, LossConfig(), SAMPLING)

    batch = random_policy_batch(rows=16)
    mesh = MeshConfig(data=2, fsdp=4)
    assert_same(step(loss, count_whole, batch), step(loss, count_whole, batch, microbatches=2, mesh=mesh))


def test_the_optimiser_moments_lie_where_their_weights_lie():
    mesh = make_mesh(MeshConfig(fsdp=4, tensor=2))
    _, params = nnx.split(tiny_model(), nnx.Param)
    params = jax.device_put(params, shardings(param_axes(params), mesh))
    state = init_state(params, optax.adamw(1e-3), mesh)
    for moments in (state.opt_state[0].mu, state.opt_state[0].nu):
        for moment, param in zip(jax.tree.leaves(moments), jax.tree.leaves(params), strict=True):
            assert moment.sharding == param.sharding


def test_supervised_loss_is_the_mean_over_trained_tokens_of_the_dense_computation():
    model = tiny_model()
    graphdef, params = nnx.split(model, nnx.Param)
    batch = jax.tree.map(jax.numpy.asarray, one_a_row())
    loss, _ = jax.jit(make_supervised_loss(graphdef))(params, batch, count_trained(batch))
    logits = model.logits(model(batch.tokens, segment_ids=batch.segment_ids))
    logps = np.asarray(jax.nn.log_softmax(logits), np.float64)[:, :-1]
    picked = np.take_along_axis(logps, np.asarray(batch.tokens)[:, 1:, None], axis=2)[:, :, 0]
    trained = [np.pad(example.loss_mask, (0, 16 - len(example.loss_mask))) for example in examples()]
    expected = -picked[np.stack(trained)[:, 1:]].mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_examples_side_by_side_in_a_row_give_the_update_of_one_a_row():
    one, *others = examples()
    packed = batch_of([[one, *others[:2]], others[2:4], others[4:], []], length=64)
    assert_same(
        step(make_supervised_loss, count_trained, packed), step(make_supervised_loss, count_trained, one_a_row())
    )


def test_log_probs_part_by_part_are_those_of_the_whole_in_the_same_order():
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    batch = random_policy_batch()
    whole = make_logprobs(graphdef, 0.7, microbatches=1)(params, batch)
    parts = make_logprobs(graphdef, 0.7, microbatches=4)(params, batch)
    np.testing.assert_allclose(np.where(batch.mask, whole, 0), np.where(batch.mask, parts, 0), atol=1e-5)


def test_dealing_gives_every_row_once():
    rows = np.arange(12)
    dealt = np.asarray(deal(jax.numpy.asarray(rows), 3))
    assert dealt.shape == (3, 4)
    assert sorted(dealt.ravel().tolist()) == rows.tolist()
