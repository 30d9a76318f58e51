"""The quickstart of a packaged model, whole, with a tiny Llama in the place of the real one."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from flax import nnx

from compeer_jax.cli.quickstart import QuickstartConfig, config_file, quickstart
from compeer_jax.models import packaged
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Llama
from compeer_jax.models.tokenizer import load_tokenizer

pytestmark = pytest.mark.long


@pytest.fixture
def in_place_of_smollm2(untrained, tmp_path, monkeypatch):
    """As if pip had fetched it: a directory, packed, in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shape = dataclasses.replace(DecoderConfig.from_json(untrained), model_type="llama", max_position_embeddings=2048)
    Llama(shape, rngs=nnx.Rngs(0)).save_pretrained(tmp_path / "tiny", load_tokenizer(untrained))
    packaged.cache_folder().mkdir(parents=True)
    file = shutil.make_archive(str(packaged.cache_folder() / "smollm2"), "zip", tmp_path / "tiny")
    with open(file, "rb") as packed:
        checksum = hashlib.file_digest(packed, "sha256").hexdigest()
    monkeypatch.setitem(packaged.PACKAGES, "smollm2", packaged.Package("none==0", "a/smollm2.zip", checksum))


def test_every_stage_runs_on_adapters_and_replies_before_and_after_are_written(in_place_of_smollm2):
    # A judge after two steps says nothing that can be read, which ends a run; those of adapters have runs of their own.
    # And what a model after two steps writes has no parts: all of it is told apart by how it repeats itself.
    few = {"sft_steps": 2, "grpo_steps": 2, "eval_records": 2, "judge": "rules"}
    settings = config_file("smollm2_grpo.yaml").read_text()
    Path("grpo.yaml").write_text(settings.replace("  sign: aware\n", "  sign: aware\n  encoder: {compares: output}\n"))
    config = QuickstartConfig(model="smollm2", grpo_config="grpo.yaml", **few)
    report = quickstart(config)
    output = report.parent
    assert str(output) == "runs/quickstart-smollm2-sample-0"
    text = report.read_text()
    assert "GRPO, reweighted" in text
    assert "| SFT" in text
    for run in ("sft", "grpo_reweighted"):
        settings = json.loads((output / run / "model" / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == str(packaged.cache_folder() / "smollm2")
    replies = (output / "replies.md").read_text()
    prompts = [line for line in replies.splitlines() if line.startswith("## `sample-en-")]
    assert len(prompts) == len(set(prompts)) == 4
    for name in ("Before", "After SFT", "After GRPO, reweighted"):
        assert replies.count(f"\n**{name}**") == 4
    written = (output / "replies.md").stat().st_mtime_ns
    assert quickstart(config).read_text() == text
    assert (output / "replies.md").stat().st_mtime_ns == written
