"""Meshes: the sizes a user writes, and one clear sentence when the devices do not fit them."""

import logging

import jax
import pytest
from jax.sharding import AxisType

from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.compile_tpu import topology_devices


@pytest.mark.parametrize(
    "config, sizes",
    [
        (MeshConfig(data=8), (8, 1, 1)),
        (MeshConfig(data=2, fsdp=2, tensor=2), (2, 2, 2)),
        (MeshConfig(data=-1), (8, 1, 1)),
        (MeshConfig(data=1, fsdp=-1, tensor=2), (1, 4, 2)),
        (MeshConfig(data=2, fsdp=4, tensor=-1), (2, 4, 1)),
    ],
)
def test_every_device_gets_one_place(config, sizes):
    mesh = make_mesh(config)
    assert mesh.axis_names == ("data", "fsdp", "tensor")
    assert mesh.devices.shape == sizes
    assert mesh.axis_types == (AxisType.Auto,) * 3
    assert {device.id for device in mesh.devices.flat} == {device.id for device in jax.devices()}


def test_the_default_is_one_device_and_the_log_says_what_stays_idle(caplog):
    with caplog.at_level(logging.WARNING):
        mesh = make_mesh(MeshConfig())
    assert mesh.devices.item() == jax.devices()[0]
    assert "uses 1 of 8 devices" in caplog.text


def test_given_devices_are_the_ones_used():
    chosen = jax.devices()[4:8]
    mesh = make_mesh(MeshConfig(fsdp=2, tensor=-1), devices=chosen)
    assert set(mesh.devices.flat) == set(chosen)
    assert mesh.shape == {"data": 1, "fsdp": 2, "tensor": 2}


@pytest.mark.parametrize("sizes", [(2, 2, 8), (1, 32, 1)])
def test_a_torus_is_split_where_the_mesh_needs_it(sizes):
    """v5p:2x4x4 has no axes whose product is 8 besides two more of 2: one of 4 is split."""
    devices = topology_devices(parse_topology("v5p:2x4x4"))
    mesh = make_mesh(MeshConfig(*sizes), devices)
    assert mesh.devices.shape == sizes
    assert set(mesh.devices.flat) == set(devices)


@pytest.mark.parametrize(
    "config, sentence",
    [
        (MeshConfig(data=3, fsdp=-1), r"data=3 x fsdp=-1 x tensor=1 does not divide the 8 devices .* take 3"),
        (MeshConfig(data=16), r"needs 16 devices and there are 8"),
        (MeshConfig(data=4, tensor=4), r"data=4 x fsdp=1 x tensor=4 needs 16 devices"),
    ],
)
def test_a_mesh_that_does_not_fit_the_devices_is_refused_with_both_numbers(config, sentence):
    with pytest.raises(UserError, match=sentence):
        make_mesh(config)


@pytest.mark.parametrize("size", [0, -2, 1.5, "2", True])
def test_sizes_are_whole_numbers_from_one(size):
    with pytest.raises(UserError, match=r"mesh\.fsdp is"):
        MeshConfig(fsdp=size)


def test_only_one_axis_can_take_the_rest():
    with pytest.raises(UserError, match="more than one axis"):
        MeshConfig(data=-1, fsdp=-1)
