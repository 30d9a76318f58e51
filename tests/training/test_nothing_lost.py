"""What a run does about numbers that are not finite, signals, a full disk and a clock that jumps: it loses no step."""

import resource
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_runs import assert_same_weights, saved_steps
from user_rewards import Calls

from compeer_jax.cli.main import STOPPED, main
from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import replicated
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.runs.signals import SIGNALS
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
from compeer_jax.training.sft import train_sft
from compeer_jax.training.update import init_state, make_update


def numbers(run: Path) -> list[dict]:
    """The metrics of all steps but how long they took."""
    rows = read_metrics(run / "metrics.jsonl")
    return [{name: value for name, value in row.items() if not name.startswith("time/")} for row in rows]


# Numbers that are not finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("parts", [1, 2])
def test_an_update_that_is_not_finite_changes_nothing_and_the_next_goes_on_as_if_it_had_not_been(bad, parts):
    def loss(params, rows, _):
        return jnp.sum(jnp.square(params["w"][...] @ rows.T)), {}

    optimizer = make_optimizer(OptimizerConfig(learning_rate=0.1, warmup_steps=2, weight_decay=0.1), 10)
    update = make_update(loss, optimizer, microbatches=parts)
    good = jnp.linspace(-1, 1, 8).reshape(4, 2)

    def after(*batches):
        mesh = make_mesh(MeshConfig())
        params = jax.device_put(nnx.State({"w": nnx.Param(jnp.ones((3, 2)))}), replicated(mesh))
        state, skipped = init_state(params, optimizer, mesh), []
        for batch in batches:
            state, metrics = update(state, batch)
            skipped.append(float(metrics["skipped"]))
        return jax.device_get(state), skipped

    spoiled, skipped = after(good, good.at[1, 0].set(bad), good)
    whole, _ = after(good, good)
    assert skipped == [0, 1, 0]
    for a, b in zip(jax.tree.leaves(spoiled), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(spoiled.step) == 2


@pytest.mark.long
def test_rewards_beyond_all_numbers_cost_one_step(configure, capsys):
    changes = ("--steps", "4", "--reward.judge", "user_rewards.boundless", "--loss.scale", "none")
    # Which step is the best one depends on the words drawn, so only the newest are kept.
    changes += ("--checkpoint.every", "1", "--checkpoint.keep_best", "0", "--export", "false")
    Calls.made, Calls.last = 0, 3  # in step 2, after a look at references
    run = train_grpo(configure(GRPOConfig, *changes))
    assert [row["skipped"] for row in read_metrics(run / "metrics.jsonl")] == [0, 1, 0, 0]
    assert saved_steps(run) == [3, 4]
    assert "Step 2: grad_norm is not finite; that update is skipped" in capsys.readouterr().err


@pytest.mark.long
def test_weights_that_spoil_every_gradient_stop_the_run_at_the_checkpoint_before(configure, tmp_path):
    changes = ("--optimizer.max_grad_norm", "0", "--optimizer.max_skipped", "2", "--checkpoint.every", "1")
    train_sft(configure(SFTConfig, *changes, "--steps", "1", "--optimizer.learning_rate", "1e30"))
    sentence = (
        r"loss was not finite in 2 steps in a row, up to step 3 \(optimizer.max_skipped\); the checkpoint of step 1 is "
        r"whole: lower the learning rate \(in a new output folder\), or look at the data of these steps\."
    )
    for _ in range(2):  # now, and when it is tried again
        with pytest.raises(UserError, match=sentence):
            train_sft(configure(SFTConfig, *changes, "--steps", "6", "--optimizer.learning_rate", "1e30"))
        assert saved_steps(tmp_path / "run") == [1]
        assert [row["skipped"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [0, 1, 1]


# Signals


@pytest.mark.long
def test_a_signal_ends_a_run_with_its_own_status_after_a_save(configure, tmp_path, capsys):
    configure(GRPOConfig)
    arguments = ["grpo", "--config", str(tmp_path / "GRPOConfig.yaml"), "--steps", "4", "--checkpoint.every", "50"]
    arguments += ["--reward.judge", "user_rewards.asks_to_stop", "--output"]
    handlers = [signal.getsignal(number) for number in SIGNALS]

    Calls.made, Calls.last = 0, None
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    Calls.made, Calls.last = 0, 3  # in step 2, after a look at references
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "stopped")]) == STOPPED
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line == "compeer grpo: SIGTERM came; the steps done are saved, and the same command goes on after them."
    assert saved_steps(tmp_path / "stopped") == [1]
    assert [signal.getsignal(number) for number in SIGNALS] == handlers

    assert main([*arguments, str(tmp_path / "stopped")]) == 0
    assert numbers(tmp_path / "stopped") == numbers(tmp_path / "whole")
    assert_same_weights(tmp_path / "stopped", tmp_path / "whole")


# The machine


@contextmanager
def files_no_larger_than(size: int):
    """As on a full disk, writing beyond fails; the error is the system's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# At the first write that fails Orbax closes the event loop that the others would report to, each of which then says so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Exception ignored.*:pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_stops_the_run_in_a_sentence_and_costs_nothing_else(configure, tmp_path):
    saves = ("--checkpoint.every", "3")
    whole = train_sft(configure(SFTConfig, *saves, output="whole"))
    train_sft(configure(SFTConfig, *saves, "--steps", "3", "--export", "false"))
    with files_no_larger_than(100_000), pytest.raises(UserError, match=r"A checkpoint under .* can't be written: "):
        train_sft(configure(SFTConfig, *saves))
    assert saved_steps(tmp_path / "run") == [3]
    run = train_sft(configure(SFTConfig, *saves))
    assert saved_steps(run) == saved_steps(whole)
    assert numbers(run) == numbers(whole)
    assert_same_weights(run, whole)


@pytest.mark.long
def test_a_clock_that_jumps_to_and_fro_changes_nothing(configure, monkeypatch):
    saves = ("--checkpoint.every", "3")
    whole = train_sft(configure(SFTConfig, *saves, output="whole"))
    real, days = time.time, iter(range(10**9))

    def jumping() -> float:
        return real() + 86_400 * (-1) ** next(days) * 3

    monkeypatch.setattr(time, "time", jumping)
    train_sft(configure(SFTConfig, *saves, "--steps", "3", "--export", "false"))
    run = train_sft(configure(SFTConfig, *saves))
    monkeypatch.undo()
    assert saved_steps(run) == saved_steps(whole)
    assert numbers(run) == numbers(whole)
    assert_same_weights(run, whole)
