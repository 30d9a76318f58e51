"""Rollouts drawn one step ahead: the right weights, the right order, and runs that go on bit for bit."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from small_runs import COMMON

from compeer_jax.cli.configure import parse_config
from compeer_jax.data.batches import shuffled_batches
from compeer_jax.errors import UserError
from compeer_jax.generation.rollout import Rollout
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.sampler import Sampler

GRPO = COMMON + (
    "sampling: {max_new_tokens: 8}\nsteps: 4\nprompts_per_step: 4\ngroup_size: 4\nloss: {importance_cap: 2}\n"
    "checkpoint: {every: 2}\nreward: {judge: user_rewards.brevity}\n"
)


def lengths_rollout(weights, chosen, step):
    """A rollout that tells what it was drawn for, by weights that have seen so many updates; rows differ in length."""
    lengths = np.array([record % 3 for record in chosen])
    mask = np.arange(4) < lengths[:, None]
    tokens = np.where(mask, 100 * step + weights, 7).astype(np.int32)
    return Rollout(jnp.array(tokens), jnp.array(mask), jnp.where(mask, -1 / 3, 0.0), jnp.array(lengths < 2))


def run(ahead: bool, steps: range, last: int, state=None) -> tuple[list, dict]:
    """What each step was given, and the state after the last of `steps`."""
    batches, mesh = shuffled_batches(range(10), batch_size=4, seed=3), make_mesh(MeshConfig(), jax.devices()[:1])
    options = {"read": lambda rollout, records: [], "group_size": 1, "mesh": mesh, "overlap": ahead, "last_step": last}
    sampler, given = Sampler(batches, lengths_rollout, **options), []
    if state is not None:
        sampler.set_state(json.loads(json.dumps(state)))
    for step in steps:
        sampled = sampler.sample(step - 1, step)
        given.append((step, sampled.records, sampled.rollout))
    return given, sampler.get_state()


def test_steps_get_the_same_records_ahead_or_not_and_weights_at_most_one_update_old():
    for (step, chosen, rollout), (_, same, ahead) in zip(
        run(False, range(1, 7), 6)[0], run(True, range(1, 7), 6)[0], strict=True
    ):
        assert chosen == same
        np.testing.assert_array_equal(rollout.mask, ahead.mask)
        assert (rollout.tokens[rollout.mask] == 100 * step + step - 1).all()
        assert (ahead.tokens[ahead.mask] == 100 * step + max(0, step - 2)).all()


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_state_holds_all_that_the_next_steps_need(ahead, cut):
    whole, _ = run(ahead, range(1, 7), 6)
    _, state = run(ahead, range(1, cut + 1), 6)
    rest, _ = run(ahead, range(cut + 1, 7), 6, state)
    for (_, chosen, rollout), (_, same, again) in zip(whole[cut:], rest, strict=True):
        assert chosen == same
        for array, other in zip(rollout, again, strict=True):
            np.testing.assert_array_equal(array, other)
            assert np.asarray(array).dtype == np.asarray(other).dtype


@pytest.fixture
def train(tmp_path, start):
    def train(output: str, *changes: str):
        path = tmp_path / "config.yaml"
        path.write_text(GRPO.replace("START", str(start)))
        arguments = ["--config", str(path), "--output", str(tmp_path / output), *changes]
        return train_grpo(parse_config(GRPOConfig, arguments, command="", description=""))

    return train


@pytest.mark.long
def test_a_run_with_overlap_draws_with_older_weights_and_goes_on_bit_for_bit(train):
    whole = train("whole", "--overlap", "true")
    rows = read_metrics(whole / "metrics.jsonl")
    assert rows[0]["importance/mean"] == pytest.approx(1, abs=1e-4)
    assert rows[0]["sampling/logp_difference"] < 1e-4
    assert all(row["sampling/logp_difference"] > 1e-3 for row in rows[1:])
    assert all(row["importance/mean"] != pytest.approx(1, abs=1e-4) for row in rows[1:])

    part = train("part", "--overlap", "true")
    assert sorted(path.name for path in (part / "checkpoints").iterdir()) == ["2", "4"]
    (part / "model" / "model.safetensors").unlink()
    shutil.rmtree(part / "checkpoints" / "4")
    again = train("part", "--overlap", "true")
    assert read_metrics(again / "metrics.jsonl")[-1]["reward"] == rows[-1]["reward"]
    first, second = (load_file(path / "model" / "model.safetensors") for path in (whole, again))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.long
def test_without_overlap_the_cap_changes_nothing_that_counts(train):
    plain = read_metrics(train("plain", "--loss.importance_cap", "null", "--steps", "2") / "metrics.jsonl")
    capped = read_metrics(train("capped", "--loss.importance_cap", ".inf", "--steps", "2") / "metrics.jsonl")
    for one, other in zip(plain, capped, strict=True):
        assert one["reward"] == other["reward"]
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)
        assert other["importance/capped"] == 0


def test_overlap_without_a_cap_is_refused(train):
    with pytest.raises(UserError, match=r"one step old; set loss\.importance_cap \(such as 2\)"):
        train("run", "--overlap", "true", "--loss.importance_cap", "null")
    with pytest.raises(UserError, match=r"loss\.importance_cap is 0\.5; it must be at least 1, or null for none"):
        train("run", "--loss.importance_cap", "0.5")
