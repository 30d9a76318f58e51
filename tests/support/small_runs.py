"""Settings of short SFT and GRPO runs on a very small model, and what is read of a run's folder."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from safetensors.numpy import load_file

from compeer_jax.models.parameters import param_axes
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import make_mesh
from compeer_jax.parallel.sharding import shardings
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.folder import RunFolder
from compeer_jax.training.config import CheckpointConfig, SFTConfig
from compeer_jax.training.export import keep_base
from compeer_jax.training.update import TrainState

COMMON = """
model: {path: START, dtype: float32}
data: {path: sample, prompt: compeer_brief, max_prompt_tokens: 192, max_answer_tokens: 192, limit: 24}
optimizer: {learning_rate: 1.0e-2}
"""
SFT = COMMON + "steps: 6\nbatch_size: 8\neval_every: 3\neval_records: 8\ncheckpoint: {every: 2}\n"
GRPO = COMMON + (
    "sampling: {max_new_tokens: 8}\nsteps: 6\nprompts_per_step: 4\ngroup_size: 4\nsamples_every: 2\n"
    "checkpoint: {every: 2}\n"
)


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model" / "model.safetensors")


def assert_same_weights(one: Path, other: Path):
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def saved_steps(run: Path) -> list[int]:
    return sorted(int(path.name) for path in (run / "checkpoints").iterdir() if path.name.isdecimal())


def run_of(path, model, tokenizer, *, losses=(2.0,), mesh=None, keep_best=1) -> RunFolder:
    """The folder of a run with a checkpoint for each of `losses`; step n has the model's weights times n."""
    source = ModelConfig(path="nowhere", param_dtype=str(model.embedding.dtype), scan_layers=model.scan_layers)
    kept = CheckpointConfig(keep_last=9, keep_best=keep_best)
    folder = RunFolder.open(path, dataclasses.asdict(SFTConfig(output=str(path), model=source, checkpoint=kept)))
    keep_base(folder, model.config, tokenizer)
    params = nnx.state(model, nnx.Param)
    if mesh is not None:
        params = jax.device_put(params, shardings(param_axes(params), make_mesh(mesh)))
    best = {"best_metric": "eval/loss", "best_mode": "min"}
    with Checkpoints(folder.checkpoints, keep_last=9, keep_best=keep_best, **best) as checkpoints:
        for step, loss in enumerate(losses, start=1):
            state = TrainState(jax.tree.map(lambda x, n=step: x * n, params), {"count": np.int32(step)}, np.int32(step))
            checkpoints.save(step, state, {}, {"eval/loss": loss})
    return folder
