"""Configs of Qwen2.5-VL in every spelling that is published or saved, and what is not built refused by name."""

import copy
import json

import jax
import pytest
import transformers
from tiny_vision import torch_vl

from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract, from_pretrained
from compeer_jax.models.vision import VisionTower, abstract_tower
from compeer_jax.models.vision_config import VisionConfig

# As published on the hub, but for the sizes.
TEXT = {
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "use_cache": True,
    "use_sliding_window": False,
}
TOKENS = {
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
    "vision_token_id": 151654,
    "image_token_id": 151655,
    "video_token_id": 151656,
}
TOWER = {
    "depth": 32,
    "hidden_act": "silu",
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "in_chans": 3,
    "out_hidden_size": 3584,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "spatial_patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
    "temporal_patch_size": 2,
}
MROPE = {"type": "mrope", "mrope_section": [16, 24, 24]}
KEYS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("vocab_size", "tie_word_embeddings", "max_window_layers"),
)
SIZES = {  # the tower's intermediate_size, and how many parameters transformers counts in the whole model
    "3B": ((2048, 11008, 36, 16, 2, 151936, True, 70), 3420, 3_754_622_976),
    "7B": ((3584, 18944, 28, 28, 4, 152064, False, 28), 3420, 8_292_166_656),
    "32B": ((5120, 27648, 64, 40, 8, 152064, False, 64), 3456, 33_452_718_336),
    "72B": ((8192, 29568, 80, 64, 8, 152064, False, 80), 3456, 73_410_777_344),
}


def published(size: str = "7B") -> dict:
    values, inside, _ = SIZES[size]
    text = dict(zip(KEYS, values, strict=True))
    tower = TOWER | {"intermediate_size": inside, "out_hidden_size": text["hidden_size"]}
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "torch_dtype": "bfloat16",
        "transformers_version": "4.41.2",
        "vision_config": tower,
        "rope_scaling": MROPE,
        **TEXT,
        **TOKENS,
        **text,
    }


def nested(size: str = "7B") -> dict:
    """As transformers 4.5x saves it: what is within text_config is left over at the root, too."""
    flat = published(size)
    outer = {name: flat.pop(name) for name in ("model_type", "transformers_version", "vision_config", *TOKENS)}
    tied = flat.pop("tie_word_embeddings")
    rope = {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"}
    text = flat | {
        "model_type": "qwen2_5_vl_text",
        "layer_types": ["full_attention"] * flat["num_hidden_layers"],
        "rope_scaling": rope,
        "sliding_window": None,
        "image_token_id": None,
        "video_token_id": None,
        "vision_start_token_id": 151652,
        "tie_word_embeddings": tied,  # older saves say it here alone
    }
    outer["vision_config"] |= {"model_type": "qwen2_5_vl", "in_channels": 3, "initializer_range": 0.02}
    return flat | outer | {"text_config": text}


@pytest.mark.parametrize("size", SIZES)
def test_each_published_size_builds_without_memory_and_counts_its_parameters(size):
    config = DecoderConfig.from_hf(published(size))
    leaves = jax.tree.leaves(abstract(config, scan_layers=True)[1])
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    assert sum(leaf.size for leaf in leaves) == config.parameter_count
    assert config.parameter_count + config.vision.parameter_count == SIZES[size][2]


def test_a_tower_builds_without_memory_and_counts_its_parameters():
    config = DecoderConfig.from_hf(published()).vision
    leaves = jax.tree.leaves(abstract_tower(config)[1])
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    assert sum(leaf.size for leaf in leaves) == config.parameter_count


@pytest.mark.parametrize("size", ["3B", "7B"])
def test_flat_and_nested_configs_say_the_same(size, tmp_path):
    flat, within = DecoderConfig.from_hf(published(size)), DecoderConfig.from_hf(nested(size))
    assert flat == within
    assert flat.tie_word_embeddings == (size == "3B")
    assert flat.vision == VisionConfig(hidden_size=1280, out_hidden_size=flat.hidden_size)
    written = transformers.AutoConfig.for_model(**copy.deepcopy(published(size)))
    written.save_pretrained(tmp_path)  # as transformers 5 does
    assert DecoderConfig.from_json(tmp_path) == flat


@pytest.mark.parametrize("values", [published("3B"), nested("7B")], ids=["flat", "nested"])
def test_a_config_comes_back_the_same_through_json_and_through_transformers(values, tmp_path):
    config = DecoderConfig.from_hf(values)
    assert DecoderConfig.from_hf(json.loads(json.dumps(config.to_hf()))) == config
    theirs = transformers.AutoConfig.for_model(**config.to_hf())
    theirs.save_pretrained(tmp_path)
    assert DecoderConfig.from_json(tmp_path) == config
    text, tower = theirs.text_config, theirs.vision_config
    assert text.rope_parameters["mrope_section"] == [16, 24, 24]
    for name in ("hidden_size", "num_key_value_heads", "rms_norm_eps", "max_position_embeddings"):
        assert getattr(text, name) == getattr(config, name)
    for name in ("depth", "hidden_size", "intermediate_size", "window_size", "out_hidden_size"):
        assert getattr(tower, name) == getattr(config.vision, name)
    assert theirs.image_token_id == config.vision.image_token_id
    assert theirs.tie_word_embeddings == config.tie_word_embeddings


def test_what_a_config_leaves_open_is_what_transformers_takes():
    given = {name: published()[name] for name in KEYS[:6]} | {"rope_scaling": MROPE, "model_type": "qwen2_5_vl"}
    given["vision_config"] = {"hidden_size": 1280}
    theirs = transformers.AutoConfig.for_model(**copy.deepcopy(given))
    ours = DecoderConfig.from_hf(given)
    assert ours.rope_theta == theirs.text_config.rope_parameters["rope_theta"]
    for name in ("rms_norm_eps", "max_position_embeddings", "initializer_range"):
        assert getattr(ours, name) == getattr(theirs.text_config, name), name
    for name in ("depth", "intermediate_size", "num_heads", "patch_size", "window_size", "out_hidden_size"):
        assert getattr(ours.vision, name) == getattr(theirs.vision_config, name), name
    assert ours.vision.fullatt_block_indexes == tuple(theirs.vision_config.fullatt_block_indexes)
    for name in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"):
        assert getattr(ours.vision, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vision_config": None}, "vision_config is missing, which says what the vision tower is"),
        (
            {"vision_config": TOWER | {"hidden_act": "gelu"}},
            r"vision_config: hidden_act is 'gelu'; only 'silu' is built",
        ),
        ({"vision_config": TOWER | {"in_chans": 1}}, r"vision_config: in_chans is 1; only 3 is built"),
        (
            {"vision_config": TOWER | {"deepstack_visual_indexes": [1]}},
            r"deepstack_visual_indexes is \[1\], and what it",
        ),
        ({"vision_config": TOWER | {"spatial_patch_size": 16}}, "spatial_patch_size and patch_size differ"),
        ({"vision_config": TOWER | {"fullatt_block_indexes": [40]}}, "names a block that a vision tower of depth 32"),
        ({"vision_config": TOWER | {"window_size": 20}}, "window_size 20 holds no 2 x 2 patches"),
        ({"vision_config": TOWER | {"num_heads": 7}}, "is not a multiple of 4 x num_heads 7"),
        ({"vision_config": TOWER | {"out_hidden_size": 2048}}, "out_hidden_size is 2048, but .* hidden_size is 3584"),
        ({"vision_config": TOWER | {"model_type": "qwen2_vl"}}, "model_type is 'qwen2_vl'"),
        ({"rope_scaling": None}, "mrope_section is None; it must be three whole numbers"),
        ({"rope_scaling": MROPE | {"mrope_section": [16, 24]}}, r"mrope_section is \[16, 24\]"),
        ({"rope_scaling": MROPE | {"mrope_section": [16, 24, 20]}}, r"sums to 60, but a head has 64 pairs"),
        ({"rope_scaling": MROPE | {"mrope_interleaved": True}}, "mrope_interleaved is True"),
        ({"head_dim": 64}, "head_dim 64 is not hidden_size / num_attention_heads"),
        ({"text_config": {"hidden_size": 2048}}, "hidden_size is 3584, and 2048 within text_config"),
        ({"text_config": {"model_type": "qwen3"}}, "text_config: model_type is 'qwen3'"),
        ({"model_type": "qwen2_vl"}, "model_type is 'qwen2_vl'; only"),
        (
            {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
            "vision_config is .*, and what it asks for is not built",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_built_is_refused_by_name(changes, said):
    with pytest.raises(UserError, match=said):
        DecoderConfig.from_hf(published() | changes)


def test_a_model_that_reads_text_has_no_tower(tmp_path):
    from tiny import tiny_model

    tiny_model().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="reads text alone; give one that sees"):
        VisionTower.from_pretrained(tmp_path)


def test_a_checkpoint_that_sees_does_not_pass_for_one_of_text(tmp_path):
    torch_vl().save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    text = values["text_config"] | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    (tmp_path / "config.json").write_text(json.dumps(text))
    with pytest.raises(UserError, match=r"the tensor visual\.\S+ has no place in the model"):
        from_pretrained(tmp_path)
