"""A Hugging Face directory straight from a checkpoint: the same files as from the model in memory, in little memory."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file
from small_runs import run_of
from tiny import tiny_config, tiny_model

from compeer_jax.errors import UserError
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.training.export import export_run


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("mesh", [MeshConfig(), MeshConfig(fsdp=8), MeshConfig(data=2, tensor=4)], ids=str)
def test_a_sharded_checkpoint_gives_the_files_of_the_model_in_memory(tmp_path, start, mesh, scan_layers):
    tokenizer = load_tokenizer(start)
    config = tiny_config(tie_word_embeddings=False)
    model = Qwen2(config, rngs=nnx.Rngs(0), param_dtype=jnp.bfloat16, scan_layers=scan_layers)
    folder = run_of(tmp_path / "run", model, tokenizer, mesh=mesh)
    model.save_pretrained(tmp_path / "whole", tokenizer, max_shard_size=9000)
    assert export_run(folder.path, tmp_path / "exported", max_shard_size=9000) == 1
    exported = files(tmp_path / "exported")
    assert sum(name.endswith(".safetensors") for name in exported) > 3
    assert exported == files(tmp_path / "whole")


def test_the_last_the_best_or_any_checkpoint_can_be_had(tmp_path, start):
    model = tiny_model()
    folder = run_of(tmp_path / "run", model, load_tokenizer(start), losses=(3.0, 1.0, 2.0))
    norm = np.asarray(model.norm.scale[...])
    for step, expected in (("last", 3), ("best", 2), (1, 1)):
        assert export_run(folder.path, tmp_path / "model", step=step) == expected
        exported = load_file(tmp_path / "model" / "model.safetensors")
        np.testing.assert_array_equal(exported["model.norm.weight"], norm * expected)
    with pytest.raises(UserError, match=r"no checkpoint of step 7 under .*; it has: 1, 2, 3"):
        export_run(folder.path, tmp_path / "model", step=7)


def test_a_run_that_keeps_no_best_has_none(tmp_path, start):
    folder = run_of(tmp_path / "run", tiny_model(), load_tokenizer(start), keep_best=0)
    with pytest.raises(UserError, match=r"run keeps no best checkpoint \(checkpoint.keep_best is 0\); take the last"):
        export_run(folder.path, tmp_path / "model", step="best")


def test_damage_is_named_and_leaves_no_directory(tmp_path, start):
    folder = run_of(tmp_path / "run", tiny_model(), load_tokenizer(start))
    for file in folder.checkpoints.glob("1/state/**/d/*"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"The checkpoint .*/1 is damaged \(.*\); take another\.") as error:
        export_run(folder.path, tmp_path / "model")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_damage_of_a_checkpoints_metrics_is_named(tmp_path, start):
    folder = run_of(tmp_path / "run", tiny_model(), load_tokenizer(start), losses=(2.0, 1.0))
    metrics = folder.checkpoints / "1" / "metrics" / "metrics"
    metrics.write_bytes(b"\xff" + metrics.read_bytes()[1:])
    with pytest.raises(UserError, match=r"The checkpoint .*/1 is damaged \(metrics/metrics: .*\); move it away\."):
        export_run(folder.path, tmp_path / "model")


@pytest.mark.long
def test_memory_holds_a_file_and_a_tensor_but_never_the_model(tmp_path, start):
    """Of 250 MB of stacked layers, the largest array of 80 MiB, files of 25 MB are written; the process tells."""
    shape = {"hidden_size": 256, "intermediate_size": 8192, "num_hidden_layers": 10, "head_dim": 32, "vocab_size": 64}
    model = Qwen2(tiny_config(**shape), rngs=nnx.Rngs(0), scan_layers=True)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
    assert size > 250e6
    folder = run_of(tmp_path / "run", model, load_tokenizer(start))
    program = f"""
from pathlib import Path
from compeer_jax.models.tokenizer import read_tokenizer
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.training.export import export_run

def peak():  # of the memory held so far, in bytes; that of resource.getrusage is inherited from the parent
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])

read_tokenizer({str(folder.base)!r})  # the libraries alone take as much as this model
Checkpoints({str(folder.checkpoints)!r}, read_only=True).close()
before = peak()
export_run({str(folder.path)!r}, {str(tmp_path / "exported")!r}, max_shard_size=25 * 10**6)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sum(path.stat().st_size for path in (tmp_path / "exported").glob("*.safetensors")) > size
    assert int(done.stdout) < 0.6 * size
