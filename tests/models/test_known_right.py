"""What is nearly a model or nearly plain adapters: computed as `transformers` and `peft` do, or refused by name."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from safetensors.numpy import load_file
from safetensors.torch import save_file
from tiny_decoder import torch_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from compeer_jax.errors import UserError
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import LoRAConfig
from compeer_jax.models.source import ModelConfig, load_model
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

TOKENS = np.random.default_rng(0).integers(0, 64, (2, 10))
VALUES = [True, False, None, 0, 1, 2, 0.5, "all", "x", [], {}, [0], [1, 2], [[0, 2]], ["lm_head"], ["embed_tokens"]]
FUZZ = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture], "derandomize": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model"
    torch_model(tie_word_embeddings=False).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def tied(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tied") / "model"
    torch_model(tie_word_embeddings=True).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def adapters(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("adapters") / "adapters"
    config = PeftConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "o_proj", "down_proj"])
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_" in name:
                weight.add_(0.1 * torch.randn_like(weight))
    theirs.save_pretrained(path)
    return path


@jax.jit
def logits(model: Qwen2):
    return model.logits(model(jnp.asarray(TOKENS)))


def ours(directory) -> np.ndarray:
    return np.asarray(logits(load_model(ModelConfig(path=str(directory), dtype="float32"), None)))


def theirs(model) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(torch.tensor(TOKENS)).logits.numpy()


def with_config(directory: Path, copy: Path, file: str, changes: dict) -> Path:
    """A copy of a directory, whose config in `file` has some keys changed."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    (copy / file).write_text(json.dumps(json.loads((copy / file).read_text()) | changes))
    return copy


def equal_or_refused(directory: Path, key: str, peer) -> None:
    """Ours computes what the peer does; or ours says, in one line, which key it does not know."""
    said = ""
    try:
        found = ours(directory)
    except UserError as error:
        said = str(error)
    if said:
        assert key in said or "the tensor" in said  # one that does not fit the key
        assert "\n" not in said
        return
    try:
        wanted = theirs(peer(directory))
    except Exception:  # what the peer can't read either is of no concern
        return
    np.testing.assert_allclose(found, wanted, atol=2e-4, rtol=1e-4)


STARTS = ["gaussian", "eva", "orthogonal", "pissa", "pissa_niter_2", "olora", "corda", "loftq", "lora_ga", "mica"]
UNREAD = {"peft_type", "base_model_name_or_path", "r", "lora_alpha", "target_modules"}  # those are no switches
PEFT_KEYS = [*sorted({field.name for field in dataclasses.fields(PeftConfig)} - UNREAD), "use_what_comes_later"]


@settings(max_examples=25, **FUZZ)
@given(
    st.one_of(
        st.tuples(st.sampled_from(PEFT_KEYS), st.sampled_from([*VALUES, {"q_proj": 2}])),
        st.tuples(st.just("init_lora_weights"), st.sampled_from(STARTS)),
    )
)
@example(("init_lora_weights", "pissa"))
@example(("init_lora_weights", "olora"))
@example(("alora_invocation_tokens", [1, 2]))
@example(("use_dora", True))
@example(("use_rslora", True))
@example(("kasa_config", {}))
@example(("eva_config", {}))
def test_any_key_of_an_adapter_config_is_computed_as_peft_does_or_refused_by_name(adapters, tmp_path, change):
    key, value = change
    copy = with_config(adapters, tmp_path / "adapters", "adapter_config.json", {key: value})

    def peer(directory):
        base = AutoModelForCausalLM.from_pretrained(
            json.loads((copy / "adapter_config.json").read_text())["base_model_name_or_path"]
        )
        return PeftModel.from_pretrained(base, directory)

    equal_or_refused(copy, key, peer)


CONFIG_KEYS = sorted({*Qwen2Config().to_dict(), "auto_map", "quantization_config", "partial_rotary_factor", "qk_norm"})


@settings(max_examples=20, **FUZZ)
@given(st.sampled_from(CONFIG_KEYS), st.sampled_from([*VALUES, 10**5, 10**400, 1e300, "gelu", "float8_e4m3fn", 12]))
@example("num_hidden_layers", 10**5)
@example("layer_types", 5)
@example("rms_norm_eps", 10**400)
@example("auto_map", {"AutoModelForCausalLM": "theirs.Model"})
@example("rope_theta", 5000.0)
@example("rope_parameters", {"rope_type": "linear", "factor": 2.0})
@example("rope_parameters", {"rope_type": "default", "rope_theta": 500.0, "factor": 4.0})
@example("rope_parameters", {"rope_type": "default", "mrope_section": [1, 1]})
def test_any_key_of_a_model_config_is_computed_as_transformers_does_or_refused_by_name(model, tmp_path, key, value):
    copy = with_config(model, tmp_path / "model", "config.json", {key: value})
    equal_or_refused(copy, {"rope_parameters": "rope_"}.get(key, key), AutoModelForCausalLM.from_pretrained)


def off(value) -> list:
    """Values of a key that ask for something else than `value` does."""
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1]
        case None:
            return [True, 2, 0.5, "x"]
        case str():
            return ["gelu"]
        case _:
            return [["sliding_attention"] * 2, {"x": 1.0}]


@pytest.mark.parametrize(("family", "config"), [("qwen3", Qwen3Config), ("llama", LlamaConfig)])
def test_each_key_of_the_other_families_off_its_default_is_computed_or_refused_by_name(family, config, tmp_path):
    torch_model(family=family, tie_word_embeddings=False).save_pretrained(tmp_path / "model")
    written = json.loads((tmp_path / "model" / "config.json").read_text())
    for key, default in (config().to_dict() | {"pretraining_tp": 1, "qk_norm": None, "rope_scaling": None}).items():
        for value in off(written.get(key, default)):
            copy = with_config(tmp_path / "model", tmp_path / "copy", "config.json", {key: value})
            name = "rope_" if key.startswith("rope_") else key
            equal_or_refused(copy, name, AutoModelForCausalLM.from_pretrained)


DAMAGE = {
    "missing": lambda tensors, name: tensors.pop(name),
    "renamed": lambda tensors, name: tensors.update({f"{name}_scale_inv": tensors.pop(name)}),
    "not finite": lambda tensors, name: tensors[name].view(-1)[-1:].fill_(float("nan")),
    "infinite": lambda tensors, name: tensors[name].view(-1)[:1].fill_(float("-inf")),
    "whole numbers": lambda tensors, name: tensors.update({name: tensors[name].to(torch.int8)}),
    "8 bits": lambda tensors, name: tensors.update({name: tensors[name].to(torch.float8_e4m3fn)}),
    "cut": lambda tensors, name: tensors.update({name: tensors[name][:-1].clone()}),
    "in half precision, not finite": lambda tensors, name: tensors.update(
        {name: torch.full_like(tensors[name], 1e30).to(torch.float16)}
    ),
}


@settings(max_examples=25, **FUZZ)
@given(st.data(), st.sampled_from(sorted(DAMAGE)), st.booleans())
def test_any_tensor_that_is_not_as_the_config_says_is_refused_by_name(model, adapters, tmp_path, data, how, adapted):
    source, file = (adapters, "adapter_model.safetensors") if adapted else (model, "model.safetensors")
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    tensors = {name: torch.tensor(array) for name, array in load_file(copy / file).items()}
    name = data.draw(st.sampled_from(sorted(tensors)))
    DAMAGE[how](tensors, name)
    save_file(tensors, copy / file)
    with pytest.raises(UserError) as raised:
        ours(copy)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def write_head(directory: Path, copy: Path, change) -> Path:
    shutil.copytree(directory, copy)
    tensors = {name: torch.tensor(array) for name, array in load_file(copy / "model.safetensors").items()}
    tensors["lm_head.weight"] = change(tensors["model.embed_tokens.weight"].clone())
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


@pytest.mark.parametrize("change", [lambda w: w + 1e-3, lambda w: w[:-1].contiguous(), lambda w: w * 0, lambda w: -w])
def test_a_head_beside_a_tied_embedding_that_is_another_is_refused(tied, tmp_path, change):
    with pytest.raises(UserError, match=r"tie_word_embeddings is true, but lm_head\.weight is not model\.embed_"):
        ours(write_head(tied, tmp_path / "copy", change))


@pytest.mark.parametrize("change", [lambda w: w, lambda w: w.to(torch.float64)])
def test_a_head_that_is_the_tied_embedding_once_more_changes_nothing(tied, tmp_path, change):
    np.testing.assert_array_equal(ours(write_head(tied, tmp_path / "copy", change)), ours(tied))


def test_a_shard_with_a_tensor_that_the_index_does_not_place_is_refused(tmp_path):
    torch_model().save_pretrained(tmp_path, max_shard_size="20KB")
    shard = sorted(tmp_path.glob("*.safetensors"))[0]
    tensors = {name: torch.tensor(array) for name, array in load_file(shard).items()}
    save_file(tensors | {"lm_head.bias": torch.ones(3)}, shard)
    with pytest.raises(UserError, match=r"holds lm_head.bias, which model.safetensors.index.json does not place there"):
        Qwen2.from_pretrained(tmp_path)


def test_a_model_deeper_than_its_files_is_refused_before_it_is_built_frozen_or_not(model, tmp_path):
    copy = with_config(model, tmp_path / "copy", "config.json", {"num_hidden_layers": 10**9})
    config = ModelConfig(path=str(copy), dtype="float32", lora=LoRAConfig(rank=2))
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    for load in (lambda: load_model(config, mesh), lambda: FrozenBase(config, mesh)):
        with pytest.raises(UserError, match=r"asks for 1000000000 layers .* but the weights are of 2"):
            load()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{} {}", '"x"', "nan"])
@pytest.mark.parametrize("file", ["config.json", "adapter_config.json"])
def test_a_config_that_is_no_object_is_one_sentence(model, adapters, tmp_path, file, text):
    copy = with_config(adapters if file.startswith("adapter") else model, tmp_path / "copy", file, {})
    (copy / file).write_text(text)
    with pytest.raises(UserError) as raised:
        ours(copy)
    assert str(copy / file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bfloat16_weights_that_are_not_finite_are_found(model, tmp_path):
    weights = nnx.state(Qwen2.from_pretrained(model))
    last = weights["layers"][1]["mlp"]["down"]["kernel"]
    last[...] = last[...].at[-1, -1].set(jnp.nan)
    broken = nnx.merge(nnx.graphdef(Qwen2.from_pretrained(model)), weights)
    broken.save_pretrained(tmp_path / "broken")
    with pytest.raises(UserError, match=r"model.layers.1.mlp.down_proj.weight holds numbers that are not finite"):
        Qwen2.from_pretrained(tmp_path / "broken", param_dtype=jnp.bfloat16)
