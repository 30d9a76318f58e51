"""Checkpoints come back bit for bit, on any mesh, and a kill or damage costs at most the newest one."""

import logging
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from train_states import abstract, assert_same, make_state, places

from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import replicated, shardings
from compeer_jax.runs.checkpoints import Checkpoints

POSITION = {"data": {"epoch": 1, "rows": [3, 1]}, "note": "支持"}


def test_everything_comes_back_bit_for_bit(tmp_path):
    state = make_state()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore(abstract(state)) is None
        assert checkpoints.latest_step() is None
        checkpoints.save(7, state, POSITION)
    with Checkpoints(tmp_path) as checkpoints:  # as another process would
        assert checkpoints.latest_step() == 7
        step, restored, position = checkpoints.restore(abstract(state))
    assert (step, position) == (7, POSITION)
    assert_same(restored, state)
    np.testing.assert_array_equal(jax.random.uniform(restored["key"]), jax.random.uniform(state["key"]))


def test_the_state_of_a_flax_module_comes_back(tmp_path):
    params = nnx.state(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.Param)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"params": params}, {})
        _, restored, _ = checkpoints.restore({"params": jax.eval_shape(lambda: params)})
        with pytest.raises(UserError, match=r"params\.bias is \[2\] there and \[3\] here"):
            checkpoints.restore({"params": nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Param)})
    assert_same(restored["params"], params)


@pytest.mark.parametrize("before", [MeshConfig(), MeshConfig(fsdp=8), MeshConfig(fsdp=2, tensor=4)])
def test_a_checkpoint_goes_onto_another_mesh(tmp_path, before):
    state = make_state(mesh=make_mesh(before))
    after = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, {})
        target = jax.tree.map(
            lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
            state,
            places(state, after),
        )
        _, restored, _ = checkpoints.restore(target)
    assert_same(restored, state)
    assert restored["params"]["embedding"].sharding == shardings(("vocab", "embed"), after)
    assert restored["params"]["embedding"].addressable_shards[0].data.shape == (8, 4)
    assert restored["key"].sharding.is_equivalent_to(replicated(after), 0)


def test_a_saved_state_may_be_donated_while_it_is_written(tmp_path):
    overwrite = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 0 - 1, tree), donate_argnums=0)
    state = {"w": jnp.arange(2_000_000.0), "b": jnp.ones(3, jnp.bfloat16)}
    expected = jax.tree.map(np.array, state)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, {})
        for _ in range(3):
            state = overwrite(state)
        jax.block_until_ready(state)
        _, restored, _ = checkpoints.restore(state)
    assert_same(restored, expected)


def test_the_newest_and_the_best_are_kept(tmp_path):
    state = {"w": jnp.zeros(2)}
    rewards = {10: 1.0, 20: 5.0, 30: 2.0, 40: float("nan"), 50: 3.0}
    with Checkpoints(tmp_path, keep_last=2, keep_best=1, best_metric="reward") as checkpoints:
        for step in (10, 20, 30):
            checkpoints.save(step, {"w": jnp.full(2, step)}, {}, {"reward": rewards[step]})
    with Checkpoints(tmp_path, keep_last=2, keep_best=1, best_metric="reward") as checkpoints:  # remembers the best
        for step in (40, 50):
            checkpoints.save(step, {"w": jnp.full(2, step)}, {}, {"reward": rewards[step]})
        checkpoints.wait()
        assert checkpoints.all_steps() == [20, 40, 50]
        assert checkpoints.best_step() == 20
        _, best, _ = checkpoints.restore(jax.tree.map(lambda leaf: leaf.astype(jnp.int32), state), step=20)
    np.testing.assert_array_equal(best["w"], [20, 20])


def test_low_is_best_when_asked(tmp_path):
    with Checkpoints(tmp_path, keep_last=1, keep_best=1, best_metric="loss", best_mode="min") as checkpoints:
        for step, loss in ((1, 0.9), (2, 0.1), (3, 0.5)):
            checkpoints.save(step, {"w": jnp.zeros(1)}, {}, {"loss": loss})
        checkpoints.wait()
        assert checkpoints.all_steps() == [2, 3]


def test_saving_a_step_again_replaces_it(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"w": jnp.zeros(2)}, {})
        checkpoints.save(1, {"w": jnp.ones(2)}, {"second": True})
        _, state, position = checkpoints.restore({"w": jnp.zeros(2)})
    np.testing.assert_array_equal(state["w"], 1)
    assert position == {"second": True}


def test_a_part_can_be_read_alone_and_in_another_type(tmp_path):
    state = make_state()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, {})
        wanted = {"params": {"embedding": jax.ShapeDtypeStruct((16, 8), jnp.bfloat16)}}
        _, restored, _ = checkpoints.restore(wanted, partial=True)
    np.testing.assert_array_equal(restored["params"]["embedding"], state["params"]["embedding"].astype(jnp.bfloat16))


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"embedding": jnp.zeros((32, 8))}, r"embedding is \[16, 8\] there and \[32, 8\] here"),
        ({"embedding": jnp.zeros((16, 8), jnp.bfloat16)}, r"embedding is float32 there and bfloat16 here"),
        ({"head": jnp.zeros(3)}, r"it has no tensor params\.head"),
        ({"layers": []}, r"it has params\.layers\.0\.bias, which is absent here"),
    ],
)
def test_the_checkpoint_of_another_model_is_refused_by_its_first_difference(tmp_path, change, sentence):
    params = make_state()["params"]
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, {"params": params}, {})
        with pytest.raises(UserError, match=rf"checkpoint .*/3 is of another model or setup: .*{sentence}"):
            checkpoints.restore({"params": {**params, **change}})
        assert checkpoints.all_steps() == [3]


def empty_small_files(path):
    (path / "state" / "_METADATA").write_text("")


def lose_the_position(path):
    shutil.rmtree(path / "position")


def cut_the_arrays(path):
    for file in path.glob("state/**/d/*"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_bits(path):
    for file in path.glob("state/**/d/*"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        file.write_bytes(content)


def lose_half_the_sums(path):
    lines = (path / "SHA256SUMS").read_text().splitlines(keepends=True)
    (path / "SHA256SUMS").write_text("".join(lines[: len(lines) // 2]))


def lose_all(path):
    shutil.rmtree(path)
    path.mkdir()


DAMAGES = [empty_small_files, lose_the_position, cut_the_arrays, flip_bits, lose_half_the_sums, lose_all]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # TensorStore's reads that came too late
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_skipped_with_a_line_and_the_run_goes_on(tmp_path, caplog, damage):
    with Checkpoints(tmp_path) as checkpoints:
        for step in (10, 20):
            checkpoints.save(step, make_state(step), {"at": step})
    damage(tmp_path / "20")
    with caplog.at_level(logging.WARNING), Checkpoints(tmp_path) as checkpoints:
        step, state, position = checkpoints.restore(make_state())
        assert (step, position) == (10, {"at": 10})
        assert_same(state, make_state(10))
        assert f"Checkpoint {tmp_path / '20'} can't be read" in caplog.text
        checkpoints.save(20, make_state(20), {"at": 20})
        assert_same(checkpoints.restore(make_state())[1], make_state(20))


def test_a_hidden_file_of_a_file_manager_damages_no_checkpoint(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(10, make_state(10), {})
    (tmp_path / "10" / ".DS_Store").write_bytes(b"x")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore(make_state())[0] == 10


def test_a_run_does_not_start_over_when_no_checkpoint_can_be_read(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(10, {"w": jnp.zeros(2)}, {})
    cut_the_arrays(tmp_path / "10")
    for _ in range(2):  # now, and when it is tried again
        with (
            Checkpoints(tmp_path) as checkpoints,
            pytest.raises(UserError, match=r"No checkpoint under .*unreadable-10"),
        ):
            checkpoints.restore({"w": jnp.zeros(2)})


@pytest.mark.long
def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path):
    program = f"""
import os, signal
import jax.numpy as jnp
from compeer_jax.runs.checkpoints import Checkpoints
checkpoints = Checkpoints({str(tmp_path)!r})
checkpoints.save(1, {{"w": jnp.full(3_000_000, 1.0)}}, {{"at": 1}})
checkpoints.wait()
checkpoints.save(2, {{"w": jnp.full(3_000_000, 2.0)}}, {{"at": 2}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Checkpoints(tmp_path) as checkpoints:
        step, state, position = checkpoints.restore({"w": jnp.zeros(3_000_000)})
        assert step in (1, 2)
        assert position == {"at": step}
        assert (np.asarray(state["w"]) == step).all()
        checkpoints.save(3, {"w": jnp.zeros(3_000_000)}, {})
        checkpoints.wait()
        assert {path.name for path in tmp_path.iterdir()} <= {"1", "2", "3"}


def test_a_step_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(4, {"w": jnp.zeros(1)}, {})
        with pytest.raises(UserError, match=r"no checkpoint of step 5 under .*; it has: 4"):
            checkpoints.restore({"w": jnp.zeros(1)}, step=5)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"checkpoint folder .*file/c can't be written"):
        Checkpoints(tmp_path / "file" / "c")
