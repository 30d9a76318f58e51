"""RMS normalisation and its own backward pass against PyTorch's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from compeer_jax.models.layers import rms_norm

EPSILON = 1e-6


def in_torch(x, scale, weights):
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, scale)]
    normal = torch.nn.functional.rms_norm(tensors[0], scale.shape, tensors[1], EPSILON)
    (torch.sin(normal) * torch.tensor(weights)).sum().backward()
    return normal.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)


def ours(x, scale, weights):
    def total(x, scale):
        normal = rms_norm(x, scale, EPSILON)
        return (jnp.sin(normal) * weights).sum(), normal

    gradients, normal = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))(x, scale)
    return normal, *gradients


@pytest.mark.parametrize("lead", [(3, 5), (4,), (), (2, 1, 3), (5, 100)], ids=str)
def test_values_and_gradients_are_those_of_pytorch_in_float64(lead):
    rng = np.random.default_rng(0)
    x, weights, scale = rng.normal(size=(*lead, 6)), rng.normal(size=(*lead, 6)), rng.normal(size=6)
    x[..., :3] *= 1e-3  # so that epsilon counts in some rows
    with jax.enable_x64(True):
        for mine, known in zip(ours(x, scale, weights), in_torch(x, scale, weights), strict=True):
            np.testing.assert_allclose(mine, known, rtol=1e-10, atol=1e-12)


def test_rows_of_half_precision_are_normalised_in_float32():
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(7, 512)) * 30, jnp.bfloat16)
    scale, weights = np.float32(rng.normal(size=512)), np.float32(rng.normal(size=(7, 512)))
    normal, to_x, to_scale = ours(x, jnp.asarray(scale), weights)
    assert normal.dtype == to_x.dtype == jnp.bfloat16
    assert to_scale.dtype == jnp.float32
    known = in_torch(np.asarray(x, np.float32), scale, weights)
    np.testing.assert_allclose(np.asarray(normal, np.float32), known[0], rtol=2**-8)
    np.testing.assert_allclose(to_scale, known[2], atol=0.05 * np.abs(known[2]).max())
    np.testing.assert_allclose(np.asarray(to_x, np.float32), known[1], atol=0.02 * np.abs(known[1]).max())
