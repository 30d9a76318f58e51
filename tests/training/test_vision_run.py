"""A run that starts from a model that sees ends in one that sees as before: its export has the tower, unchanged."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

from compeer_jax.training.config import SFTConfig
from compeer_jax.training.sft import train_sft


@pytest.mark.long
def test_supervised_fine_tuning_on_texts_trains_the_language_model_and_exports_the_tower(configure, shared_vl):
    start = shared_vl / "golden" / "tiny"
    lengths = ("--data.max_prompt_tokens", "600", "--data.max_answer_tokens", "400", "--data.limit", "8")
    run = train_sft(configure(SFTConfig, "--model.path", str(start), *lengths, "--steps", "2", "--batch_size", "2"))
    _, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(run / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert (run / "model" / "preprocessor_config.json").is_file()
    before, after = load_file(start / "model.safetensors"), load_file(run / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    for name in before:
        if "visual" in name and "merger" not in name:
            np.testing.assert_array_equal(after[name], before[name], name)
    assert np.abs(after["model.layers.0.mlp.up_proj.weight"] - before["model.layers.0.mlp.up_proj.weight"]).max() > 1e-4
