"""Published decoders build from their config.json, and what is not built is refused by name."""

import json

import jax
import pytest
import transformers
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Llama, Qwen3, abstract
from compeer_jax.models.parameters import param_axes
from compeer_jax.models.rope_config import Yarn
from compeer_jax.parallel.sharding import spec

COMMON = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": 32768,
    "model_type": "qwen2",
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
}
KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "tie_word_embeddings",
    "sliding_window",
    "max_window_layers",
)
# Qwen2.5-*-Instruct as published, and how many parameters transformers counts in each.
SIZES = {
    "0.5B": ((896, 4864, 24, 14, 2, 151936, True, 32768, 21), 494_032_768),
    "1.5B": ((1536, 8960, 28, 12, 2, 151936, True, 32768, 21), 1_543_714_304),
    "3B": ((2048, 11008, 36, 16, 2, 151936, True, 32768, 70), 3_085_938_688),
    "7B": ((3584, 18944, 28, 28, 4, 152064, False, 131072, 28), 7_615_616_512),
    "14B": ((5120, 13824, 48, 40, 8, 152064, False, 131072, 70), 14_770_033_664),
    "32B": ((5120, 27648, 64, 40, 8, 152064, False, 131072, 70), 32_763_876_352),
    "72B": ((8192, 29568, 80, 64, 8, 152064, False, 131072, 70), 72_706_203_648),
}
TINY = COMMON | dict(zip(KEYS, (32, 48, 2, 4, 2, 64, True, 128, 2), strict=True))

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def write(directory, **changes):
    (directory / "config.json").write_text(json.dumps(TINY | changes))
    return directory


@pytest.mark.parametrize("size", SIZES)
def test_each_published_size_builds_without_memory_and_counts_its_parameters(size, tmp_path):
    values, count = SIZES[size]
    (tmp_path / "config.json").write_text(json.dumps(COMMON | dict(zip(KEYS, values, strict=True))))
    config = DecoderConfig.from_json(tmp_path)
    _, params = abstract(config, scan_layers=True)
    leaves = jax.tree.leaves(params)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    assert sum(leaf.size for leaf in leaves) == config.parameter_count == count


# As published on the hub; what a key's absence means differs by family.
SMOLLM2 = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 49152,
}
QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}


@pytest.mark.parametrize(
    ("values", "model", "count"),
    [(SMOLLM2, Llama, 134_515_008), (QWEN3, Qwen3, 596_049_920)],
    ids=["SmolLM2-135M", "Qwen3-0.6B"],
)
def test_published_models_of_other_families_build_and_count_their_parameters(values, model, count):
    config = DecoderConfig.from_hf(values)
    graphdef, params = abstract(config)
    assert type(nnx.merge(graphdef, params)) is model
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == config.parameter_count == count


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_what_a_config_leaves_open_is_what_transformers_takes(family):
    values = {name: TINY[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size")}
    values |= {"model_type": family, "num_attention_heads": 4, "num_key_value_heads": 2}
    theirs = transformers.AutoConfig.for_model(**values)
    ours = DecoderConfig.from_hf(values)
    for name in ("max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "initializer_range"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.head_dim == (getattr(theirs, "head_dim", None) or 8)
    assert ours.rope_theta == theirs.rope_parameters["rope_theta"]


def test_unrolled_and_scanned_layers_count_the_same_and_name_every_dimension():
    config = DecoderConfig.from_hf(TINY)
    for scan_layers in (False, True):
        _, params = abstract(config, scan_layers=scan_layers)
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == config.parameter_count
        axes = jax.tree.leaves(param_axes(params), is_leaf=lambda x: isinstance(x, tuple))
        assert [len(names) for names in axes] == [leaf.ndim for leaf in jax.tree.leaves(params)]
        for names in axes:
            spec(names)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
        {"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}},
        {
            "rope_theta": None,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 4.0,
                "original_max_position_embeddings": 32768,
            },
        },
    ],
)
def test_yarn_is_read_in_the_spelling_of_either_transformers(rope):
    config = DecoderConfig.from_hf(TINY | rope)
    assert config.rope_scaling == Yarn(factor=4.0, original_max_position_embeddings=32768)
    assert config.rope_theta == 1e6


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"head_dim": 12, "tie_word_embeddings": False, "eos_token_id": [1, 2]},
        {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
        LLAMA | {"rope_scaling": LLAMA3},
        {
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 2.0,
                "original_max_position_embeddings": 64,
                "truncate": False,
                "beta_fast": 8.0,
            }
        },
    ],
)
def test_a_config_comes_back_the_same_through_json_and_through_transformers(changes, tmp_path):
    config = DecoderConfig.from_json(write(tmp_path, **changes))
    assert DecoderConfig.from_hf(json.loads(json.dumps(config.to_hf()))) == config
    (tmp_path / "config.json").write_text(json.dumps(config.to_hf()))
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    assert type(theirs).model_type == config.model_type
    theirs.save_pretrained(tmp_path / "again")
    assert DecoderConfig.from_json(tmp_path / "again") == config


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "mistral"}, "model_type is 'mistral'"),
        ({"model_type": None}, "model_type is None; only 'qwen2', 'qwen3', 'llama' and 'qwen2_5_vl' are built"),
        ({"model_type": "llama"}, r"architectures is \['Qwen2ForCausalLM'\]; only \['LlamaForCausalLM'\] is built"),
        (LLAMA | {"attention_bias": True}, "attention_bias is True, and what it asks for is not built"),
        (LLAMA | {"mlp_bias": True}, "mlp_bias is True"),
        (LLAMA | {"pretraining_tp": 2}, "pretraining_tp is 2"),
        (LLAMA | {"rope_interleaved": True}, "rope_interleaved is True"),
        (LLAMA | {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "'low_freq_factor' is missing"),
        (LLAMA | {"rope_scaling": LLAMA3 | {"high_freq_factor": 1}}, "low_freq_factor is 1; it must be below"),
        ({"model_type": "qwen3", "architectures": None, "attention_bias": True}, "attention_bias is True"),
        ({"architectures": ["Qwen2ForRewardModel"]}, "Qwen2ForRewardModel"),
        ({"use_sliding_window": True, "max_window_layers": 1}, "use_sliding_window is true and layers 1 to 1"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "'sliding_attention'"),
        ({"rope_scaling": {"type": "yarm", "factor": 2.0}}, "did you mean 'yarn'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "unknown rope_scaling type 'dynamic'"),
        ({"rope_scaling": "yarn"}, "rope_scaling must be an object"),
        ({"rope_scaling": {"type": "yarn", "factor": "4"}}, "rope_scaling: factor is '4'; it must be a number"),
        ({"rope_theta": -1}, "rope_theta is -1"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"attention_dropout": 0.1}, "attention_dropout is 0.1"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"hidden_size": None}, "the key 'hidden_size' is missing"),
        ({"hidden_size": "32"}, "hidden_size is '32'; it must be a whole number"),
        ({"vocab_size": True}, "vocab_size is True"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1; it must be true or false"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"eos_token_id": ["a"]}, "eos_token_id is"),
        ({"num_attention_heads": 5, "num_key_value_heads": 5}, "hidden_size 32 is not a multiple"),
        ({"num_key_value_heads": 3}, "num_attention_heads 4 is not a multiple of num_key_value_heads 3"),
        ({"head_dim": 7}, "head_dim 7 is odd"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_built_is_refused_by_name(changes, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence) as raised:
        DecoderConfig.from_json(write(tmp_path, **changes))
    assert "\n" not in str(raised.value)


def test_a_sliding_window_that_no_layer_uses_is_read(tmp_path):
    config = DecoderConfig.from_json(write(tmp_path, use_sliding_window=True, max_window_layers=2))
    assert config.num_hidden_layers == 2


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "cannot read the model's config"), ("{", "is not JSON"), ("[]", "JSON object")]
)
def test_a_config_file_that_cannot_be_read_is_named(text, sentence, tmp_path):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=sentence) as raised:
        DecoderConfig.from_json(tmp_path)
    assert str(tmp_path / "config.json") in str(raised.value)
