"""From a run's checkpoint to a Hugging Face directory.

A run keeps the config and the tokenizer of the model that it started from under `base/`, so that it can be exported
when that model is gone; the run of a judge keeps the judge's card there too.
"""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import yaml
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.models.config import Qwen2Config
from compeer_jax.models.qwen2 import Qwen2, abstract
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.rewards.judge_card import CARD
from compeer_jax.training.checkpoints import Checkpoints
from compeer_jax.training.run_folder import RunFolder, replacing
from compeer_jax.training.update import TrainState


def keep_base(folder: RunFolder, config: Qwen2Config, tokenizer) -> None:
    """Writes what an export needs besides the weights."""
    folder.base.mkdir(exist_ok=True)
    with replacing(folder.base / "config.json") as temporary:
        temporary.write_text(json.dumps(config.to_hf(), indent=2), encoding="utf-8")
    tokenizer.save_pretrained(folder.base)


def export_run(run: str | Path, output: str | Path, *, step: int | None = None) -> int:
    """Writes the weights of a checkpoint, in the type they were trained in; returns the checkpoint's step.

    Args:
        run: run folder.
        output: directory to write.
        step: which checkpoint; None takes the last.

    Raises:
        UserError: no run there, no such checkpoint, or the output can't be written.
    """
    folder = RunFolder(Path(run).expanduser())
    if not folder.config.is_file() or not (folder.base / "config.json").is_file():
        raise UserError(f"{run} is no run folder of `compeer sft`, `grpo` or `reward train` that has begun to train.")
    settings = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    graphdef, params = abstract(
        Qwen2Config.from_json(folder.base),
        param_dtype=jnp.dtype(settings["model"]["param_dtype"]),
        scan_layers=settings["model"]["scan_layers"],
    )
    # In the host's memory: a chip of the mesh that trained the model may not hold all of it.
    host = jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=host), params)
    with Checkpoints(folder.checkpoints, read_only=True) as checkpoints:
        restored = checkpoints.restore(TrainState(params, None, None), step, partial=True)
    if restored is None:
        raise UserError(f"{run} has no checkpoint yet; let it train on, then export.")
    step, state, _ = restored
    write_model(folder, nnx.merge(graphdef, state.params), load_tokenizer(folder.base), output)
    return step


def write_model(folder: RunFolder, model: Qwen2, tokenizer, output: str | Path) -> None:
    """Writes a model of the run, with its tokenizer; a judge's with its card."""
    model.save_pretrained(output, tokenizer)
    if (folder.base / CARD).is_file():
        shutil.copyfile(folder.base / CARD, Path(output) / CARD)
