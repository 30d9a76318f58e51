"""The optimiser takes the steps that PyTorch's AdamW takes, at the rates that transformers' schedules give."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
import transformers
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.training.optimizer import OptimizerConfig, decayed, learning_rate_at, make_optimizer


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.5, 100.0])
def test_three_steps_equal_torch_adamw_with_clipping(max_grad_norm):
    rng = np.random.default_rng(0)
    start = {"query.kernel": rng.normal(size=(5, 4)), "query.bias": rng.normal(size=4), "norm": rng.normal(size=4)}
    start = {name: array.astype(np.float32) for name, array in start.items()}
    gradients = [{k: rng.normal(size=v.shape).astype(np.float32) for k, v in start.items()} for _ in range(3)]
    config = OptimizerConfig(0.01, weight_decay=0.1, beta2=0.95, max_grad_norm=max_grad_norm)

    theirs = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in start.items()}
    groups = [
        {"params": [theirs["query.kernel"]], "weight_decay": 0.1},
        {"params": [theirs["query.bias"], theirs["norm"]], "weight_decay": 0.0},
    ]
    torch_optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8)
    optimizer = make_optimizer(config, total_steps=3)
    ours = jax.tree.map(jnp.asarray, start)
    state = optimizer.init(ours)
    for step in gradients:
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(step[name])
        if max_grad_norm:
            torch.nn.utils.clip_grad_norm_(theirs.values(), max_grad_norm)
        torch_optimizer.step()
        updates, state = optimizer.update(step, state, ours)
        ours = optax.apply_updates(ours, updates)
    for name, parameter in theirs.items():
        np.testing.assert_allclose(ours[name], parameter.detach().numpy(), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 4])
def test_rates_equal_those_of_transformers(schedule, warmup):
    total = 12
    torch_optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    name = {"constant": "constant_with_warmup"}.get(schedule, schedule)
    scheduler = transformers.get_scheduler(name, torch_optimizer, num_warmup_steps=warmup, num_training_steps=total)
    theirs = []
    for _ in range(total + 1):
        theirs.append(scheduler.get_last_lr()[0])
        torch_optimizer.step()
        scheduler.step()
    config = OptimizerConfig(3e-4, schedule, warmup)
    ours = [learning_rate_at(config, total, step) for step in range(total + 1)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_falls_to_the_final_fraction_and_stays(schedule):
    config = OptimizerConfig(1e-3, schedule, warmup_steps=2, final_fraction=0.1)
    rates = np.array([learning_rate_at(config, 10, step) for step in range(13)])
    assert rates.max() == rates[2] == np.float32(1e-3)
    np.testing.assert_allclose(rates[10:], 1e-4, rtol=1e-5)
    assert np.all(np.diff(rates[2:11]) < 0)


def test_the_optimiser_follows_the_schedule():
    config = OptimizerConfig(1e-2, "linear", warmup_steps=2, max_grad_norm=0.0)
    optimizer = make_optimizer(config, total_steps=6)
    params = {"kernel": jnp.zeros(3)}
    state = optimizer.init(params)
    for step in range(6):
        # A constant gradient makes Adam's direction exactly -1, so that the update is the rate.
        updates, state = optimizer.update({"kernel": jnp.ones(3)}, state, params)
        np.testing.assert_allclose(-updates["kernel"], learning_rate_at(config, 6, step), rtol=1e-4)


def test_norms_and_biases_do_not_decay_wherever_they_stand():
    class Block(nnx.Module):
        def __init__(self, rngs):
            self.query = nnx.Linear(3, 3, rngs=rngs)
            self.input_norm = nnx.RMSNorm(3, rngs=rngs)
            self.embedding = nnx.Embed(5, 3, rngs=rngs)

    params = nnx.state(Block(nnx.Rngs(0)), nnx.Param)
    flags = {path: flag.get_value() for path, flag in nnx.to_flat_state(decayed(params))}
    assert flags == {
        ("query", "kernel"): True,
        ("query", "bias"): False,
        ("input_norm", "scale"): False,
        ("embedding", "embedding"): True,
    }


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"learning_rate": 0.0}, "optimizer.learning_rate is 0.0; it must be above 0"),
        ({"learning_rate": float("nan")}, "optimizer.learning_rate is nan"),
        ({"beta2": 1.0}, "optimizer.beta2 is 1.0; it must be at least 0 and below 1"),
        ({"warmup_steps": -1}, "optimizer.warmup_steps is -1; it must be at least 0"),
        ({"final_fraction": 2.0}, "optimizer.final_fraction is 2.0; it must be between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        OptimizerConfig(**settings)
