"""Pictures are seen once: what is kept is what the tower gave, whatever else was in the batch, and within bounds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from compeer_jax.data.seen_pictures import SeenPictures, SeenPicturesConfig
from compeer_jax.errors import UserError
from compeer_jax.models.vision import VisionTower
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.models.vision_inputs import Grid, PictureInput, tower_inputs, window_count, window_slots
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

SHAPE = VisionConfig(
    hidden_size=16,
    out_hidden_size=8,
    depth=2,
    intermediate_size=8,
    num_heads=2,
    fullatt_block_indexes=(1,),
    patch_size=2,
    window_size=8,
)
GRIDS = (Grid(1, 1), Grid(2, 3), Grid(4, 2), Grid(3, 5), Grid(2, 3))
MIB = 1 << 20


@pytest.fixture(scope="module")
def tower() -> VisionTower:
    return VisionTower(SHAPE, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(MeshConfig(), jax.devices()[:1])


def picture(number: int, grid: Grid, read: list | None = None) -> PictureInput:
    def patches():
        if read is not None:
            read.append(number)
        return np.random.default_rng(number).normal(size=(grid.tokens, 4, 3, 2, 2)).astype(np.float32)

    return PictureInput(f"digest{number}", grid, patches)


def pictures(read: list | None = None) -> list[PictureInput]:
    return [picture(number, grid, read) for number, grid in enumerate(GRIDS)]


def alone(tower: VisionTower, one: PictureInput) -> np.ndarray:
    side = SHAPE.window_side
    inputs = tower_inputs([(one.grid, one.patches())], SHAPE, rows=1, windows=window_count(one.grid, side))
    return np.asarray(tower(*map(jnp.asarray, inputs)))[0, window_slots(one.grid, side)]


def test_a_picture_has_the_states_that_it_has_alone_and_is_read_and_seen_once(tower, mesh):
    see, read = SeenPictures(tower, mesh=mesh, config=SeenPicturesConfig(batch_size=2)), []
    first = see([*pictures(read), picture(1, GRIDS[1], read)])
    for one, seen in zip([*pictures(), picture(1, GRIDS[1])], first, strict=True):
        assert seen.grid == one.grid
        np.testing.assert_allclose(seen.states, alone(tower, one), atol=2e-6)
    assert sorted(read) == [0, 1, 2, 3, 4]
    again = see(pictures(read)[::-1])
    assert sorted(read) == [0, 1, 2, 3, 4]
    assert see.seen == 5
    for one, other in zip(first[:5], again[::-1], strict=True):
        np.testing.assert_array_equal(one.states, other.states)
    compiled = see.compilations
    see([picture(number, GRIDS[number % 5]) for number in range(10, 30)])
    assert see.compilations <= compiled + 2


def test_a_picture_seen_in_another_size_is_another(tower, mesh):
    see = SeenPictures(tower, mesh=mesh)
    same = "digest"
    small, large = (PictureInput(same, grid, picture(0, grid).patches) for grid in (Grid(1, 2), Grid(2, 2)))
    assert [len(seen.states) for seen in see([small, large])] == [2, 4]


def test_memory_is_bounded_and_what_was_used_longest_ago_goes_first(mesh):
    tower = VisionTower(
        dataclasses.replace(SHAPE, hidden_size=256, depth=1, fullatt_block_indexes=()), rngs=nnx.Rngs(0)
    )
    grid = Grid(16, 16)  # a MiB of states
    see, read = SeenPictures(tower, mesh=mesh, config=SeenPicturesConfig(memory_mib=2, batch_size=1)), []
    see([picture(0, grid, read), picture(1, grid, read)])
    see([picture(0, grid, read)])
    see([picture(2, grid, read)])  # in the place of the second
    see([picture(0, grid, read)])
    assert sorted(read) == [0, 1, 2]
    see([picture(1, grid, read)])
    assert sorted(read) == [0, 1, 1, 2]
    assert sum(states.nbytes for states in see._kept.values()) <= 2 * MIB


def test_a_folder_keeps_states_for_the_same_tower_and_for_no_other(tower, mesh, tmp_path):
    config = SeenPicturesConfig(folder=str(tmp_path / "seen"))
    first = SeenPictures(tower, mesh=mesh, config=config)(pictures())
    read: list = []
    later = SeenPictures(tower, mesh=mesh, config=config)
    for one, other in zip(first, later(pictures(read)), strict=True):
        np.testing.assert_array_equal(one.states, other.states)
    assert not read
    assert later.seen == 0
    for other in (VisionTower(SHAPE, rngs=nnx.Rngs(1)), VisionTower(SHAPE, rngs=nnx.Rngs(0), dtype="bfloat16")):
        see = SeenPictures(other, mesh=mesh, config=config)
        assert see(pictures())[1].states.dtype == other.dtype
        assert see.seen == len(GRIDS)
    damaged = next((tmp_path / "seen").glob("*-digest1-*"))
    for file in (tmp_path / "seen").iterdir():
        if "digest1" in file.name:
            file.write_bytes(b"damaged")
    assert damaged.read_bytes() == b"damaged"
    again = SeenPictures(tower, mesh=mesh, config=config)(pictures(read))
    np.testing.assert_allclose(again[1].states, first[1].states, atol=2e-6)  # in a batch of its own now
    assert read == [1]


def test_a_folder_that_can_not_be_made_is_refused_before_any_picture_is_seen(tower, mesh, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't be made .* choose another pictures\.seen\.folder"):
        SeenPictures(tower, mesh=mesh, config=SeenPicturesConfig(folder=str(tmp_path / "file" / "seen")))
