"""Adapters on a model that sees are on its language model alone, by PEFT's names, and equal PEFT's numbers."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import vision_port
from flax import nnx
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from safetensors.numpy import load_file
from tiny_vision import chats, torch_vl
from transformers import Qwen2_5_VLForConditionalGeneration

from compeer_jax.errors import UserError
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import LoRAConfig, join
from compeer_jax.models.peft_files import read_adapter_config, save_adapters
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

LORA = LoRAConfig(rank=4, alpha=12.0, targets=("q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"))
GIVEN = chats((0,), ())


class NoTokenizer:
    """Has nothing to write."""

    def save_pretrained(self, directory: str) -> None:
        pass


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vl") / "model"
    torch_vl().save_pretrained(path)
    return path


def base_of(path: Path, lora: LoRAConfig) -> FrozenBase:
    config = ModelConfig(str(path), dtype="float32", lora=lora)
    return FrozenBase(config, make_mesh(MeshConfig(), jax.devices()[:1]))


def ours(base: FrozenBase, directory: Path, adapters: nnx.State) -> np.ndarray:
    lm = nnx.merge(base.abstract()[0], join(adapters, base.params))
    return vision_port.logits(vision_port.load(directory)._replace(lm=lm), *GIVEN)


def theirs(directory: Path):
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(directory, attn_implementation="eager")


def same_where_real(ours: np.ndarray, model: torch.nn.Module) -> None:
    with torch.no_grad():
        wanted = model.eval()(**GIVEN.for_torch()).logits.numpy()
    real = GIVEN.mask != 0
    np.testing.assert_allclose(ours[real], wanted[real], atol=5e-5)


def test_peft_loads_our_adapters_over_transformers_with_equal_logits(directory, tmp_path):
    base = base_of(directory, LORA)
    rng = np.random.default_rng(0)
    adapters = jax.tree.map(lambda x: (0.2 * rng.normal(size=x.shape)).astype(x.dtype), base.first_adapters(0))
    save_adapters(tmp_path / "adapters", adapters, LORA, base.name, NoTokenizer(), sees=True)
    model = PeftModel.from_pretrained(theirs(directory), tmp_path / "adapters")
    adapted = {name for name, _ in model.named_parameters() if "lora_" in name}
    assert len(adapted) == 2 * 2 * len(LORA.targets)
    assert all(".language_model.layers." in name for name in adapted)
    same_where_real(ours(base, directory, adapters), model)
    assert read_adapter_config(tmp_path / "adapters") == (LORA, base.name)


@pytest.mark.parametrize("names", ["modules", "older"])
def test_adapters_that_peft_wrote_load_here_with_equal_logits(directory, tmp_path, names):
    targets = ["k_proj", "o_proj"]
    model = get_peft_model(
        theirs(directory), PeftConfig(r=4, lora_alpha=12, init_lora_weights=False, target_modules=targets)
    )
    model.peft_config["default"].base_model_name_or_path = str(directory)
    model.save_pretrained(tmp_path / "adapters")
    if names == "older":  # as PEFT wrote them over transformers before 4.52
        file = tmp_path / "adapters" / "adapter_model.safetensors"
        from safetensors.numpy import save_file

        save_file({name.replace(".language_model", ""): value for name, value in load_file(file).items()}, file)
    lora, _ = read_adapter_config(tmp_path / "adapters")
    base = base_of(tmp_path / "adapters", lora)
    same_where_real(ours(base, directory, base.first_adapters(0)), model)


def test_adapters_on_the_tower_are_refused_by_name(directory, tmp_path):
    model = get_peft_model(theirs(directory), PeftConfig(r=4, lora_alpha=12, target_modules=["q_proj", "gate_proj"]))
    model.peft_config["default"].base_model_name_or_path = str(directory)
    model.save_pretrained(tmp_path)
    lora, _ = read_adapter_config(tmp_path)
    with pytest.raises(UserError, match=r"visual\.blocks\.0\.mlp\.gate_proj\.lora_A\.weight has no place"):
        base_of(tmp_path, lora).first_adapters(0)


def test_other_patterns_are_refused(directory, tmp_path):
    (tmp_path / "adapter_config.json").write_text(
        json.dumps(
            {
                "peft_type": "LORA",
                "r": 4,
                "lora_alpha": 8,
                "base_model_name_or_path": str(directory),
                "target_modules": "^(?!.*visual).*(?:q_proj)$",
            }
        )
    )
    with pytest.raises(UserError, match=r"target_modules has '\^\(\?!\.\*visual\)"):
        read_adapter_config(tmp_path)
