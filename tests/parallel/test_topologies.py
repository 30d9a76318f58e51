"""Machines by name."""

import pytest

from compeer_jax.errors import UserError
from compeer_jax.parallel.topologies import CHIPS, parse_topology


@pytest.mark.parametrize(
    "name, chip, devices",
    [
        ("v5e:1x1", "v5e", 1),
        ("v5e:8x8", "v5e", 64),
        ("v5p:4x4x4", "v5p", 64),
        ("v6e:16x16", "v6e", 256),
        ("gpu:8xH100-80G", "H100-80G", 8),
        ("gpu:16xA100-40G", "A100-40G", 16),
    ],
)
def test_a_name_says_which_chips_and_how_many(name, chip, devices):
    topology = parse_topology(name)
    assert (topology.name, topology.chip, topology.devices) == (name, CHIPS[chip], devices)


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("v5e:8x9", "There is no topology 'v5e:8x9'; near ones are v5e:8x8, v5e:8x16, v5e:4x8."),
        ("v5p:4x4", "There is no topology 'v5p:4x4'; near ones are v5p:2x2x4, v5p:2x2x2, v5p:2x4x4."),
        ("v6e:huge", "There is no topology 'v6e:huge'; near ones are "),
        ("v5e", "There is no topology 'v5e'; near ones are "),
        ("v5:8x8", "unknown topology 'v5:8x8'; did you mean 'v5e:8x8'?"),
        ("gpu:H100-80G", "The topology 'gpu:H100-80G' does not say how many of which GPU; write it as gpu:8xH100-80G."),
        ("gpu:0xH100-80G", "The topology 'gpu:0xH100-80G' does not say how many of which GPU"),
        ("gpu:8xH100", "gpu:8xH100: unknown GPU 'H100'; did you mean 'H100-80G'?"),
    ],
)
def test_no_such_machine_is_one_sentence_with_the_near_ones(name, sentence):
    with pytest.raises(UserError) as error:
        parse_topology(name)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_every_slice_of_a_chip_is_a_topology(chip):
    for shape in chip.shapes:
        assert parse_topology(f"{chip.name}:{shape}").chip is chip
