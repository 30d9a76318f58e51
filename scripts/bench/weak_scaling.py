"""Weak scaling on simulated devices: what a step compiles to, for each device, when batch and devices grow together.

python scripts/bench/weak_scaling.py [--axis fsdp|data] [--devices 1 2 4 8]

The programs are those of a GRPO step with a small model, compiled for CPU devices that JAX simulates; nothing runs.
Perfect weak scaling is one and the same number of operations and bytes a device at every size; what is more with more
devices is what scaling costs, and so are the bytes over the links.
"""

import argparse
import json
import tempfile
from pathlib import Path

import jax

from compeer_jax.data.policy_data import DataConfig
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.planning.compile_tpu import Compiled, compile_program
from compeer_jax.planning.programs import grpo_step
from compeer_jax.training.config import GRPOConfig

SHAPE = DecoderConfig(4096, 256, 1024, 4, 8, 8, tie_word_embeddings=True, max_position_embeddings=2048)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axis", choices=("data", "fsdp"), default="fsdp")
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 2, 4, 8])
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", max(options.devices))
    print("| devices | program | phase | GFLOP | memory MB | links MB | memory in use MB |")
    print("| ---: | --- | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as directory:
        write_shape(Path(directory))
        for devices in options.devices:
            for program in programs(small_run(directory, MeshConfig(**{options.axis: devices}), 4 * devices)):
                used = (program.arguments + program.temporaries + program.outputs) / 1e6
                for phase, counts in program.phases.items():
                    done = f"{counts.flops / 1e9:,.2f} | {counts.bytes / 1e6:,.1f} | {counts.received / 1e6:,.2f}"
                    print(f"| {devices} | {program.name} | {phase or '-'} | {done} | {used:,.1f} |")


def write_shape(directory: Path) -> None:
    """A model's directory without weights."""
    (directory / "config.json").write_text(json.dumps(SHAPE.to_hf()))


def small_run(directory: str, mesh: MeshConfig, prompts: int) -> GRPOConfig:
    """GRPO with the model in `directory`, four outputs of each of so many prompts a step."""
    return GRPOConfig(
        output="",
        model=ModelConfig(path=directory, dtype="float32", scan_layers=True),
        mesh=mesh,
        data=DataConfig(max_prompt_tokens=128),
        sampling=SamplingConfig(max_new_tokens=64),
        prompts_per_step=prompts,
    )


def programs(config: GRPOConfig) -> list[Compiled]:
    """A step's programs, compiled for simulated devices."""
    step = grpo_step(config, make_mesh(config.mesh, jax.devices()[: max(config.mesh.sizes)]))
    return [compile_program(planned) for planned in step.programs]


if __name__ == "__main__":
    main()
