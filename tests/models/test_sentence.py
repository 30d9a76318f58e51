"""Sentence-embedding directories: vectors as transformers and a pooling by hand give them, and clear refusals."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_sentence import DECODERS, reference_vectors, sentence_directory, write_json

from compeer_jax.errors import UserError
from compeer_jax.models.sentence import SentenceConfig, pool, unit
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.text_models import sentence_embedder

TEXTS = [
    "i am sad",
    "you are not alone . tell me more and more",
    "i",
    "they left me " * 12,  # longer than the models' 24 positions
    "a word unheard of",
    "your exam is near",
]


def embed(directory, texts, **settings):
    """Vectors by our own embedder, on all eight devices."""
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    return sentence_embedder(str(directory), mesh=mesh, **settings)(texts)


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [("bert", "mean"), ("bert", "cls"), ("xlm-roberta", "mean"), ("roberta", "lasttoken")]
    + [(kind, "lasttoken") for kind in DECODERS],
)
def test_vectors_equal_those_of_transformers_read_one_by_one(kind, pooling, tmp_path):
    settings = {"num_key_value_heads": 4, "vocab_size": 32} if kind in DECODERS else {}
    sentence_directory(tmp_path, kind, pooling, **settings)
    limit = 20 if kind in DECODERS else 24
    expected = reference_vectors(tmp_path, TEXTS, pooling, limit)
    assert np.triu(expected @ expected.T, 1).max() < 0.999  # no two texts are the same to the model
    np.testing.assert_allclose(embed(tmp_path, TEXTS, batch_size=4, max_tokens=limit), expected, atol=1e-5)


def test_length_case_and_prompt_are_those_that_the_directory_sets(tmp_path):
    sentence_directory(tmp_path, "bert", text_model="0_Transformer")
    write_json(tmp_path / "0_Transformer/sentence_bert_config.json", {"max_seq_length": 7, "do_lower_case": True})
    settings = {"prompts": {"query": "tell me ", "document": ""}, "default_prompt_name": "query"}
    write_json(tmp_path / "config_sentence_transformers.json", settings)
    expected = reference_vectors(tmp_path / "0_Transformer", [f"tell me {text}" for text in TEXTS], "mean", 7)
    np.testing.assert_allclose(embed(tmp_path, [text.upper() for text in TEXTS]), expected, atol=1e-5)


def test_vectors_are_of_length_one_only_where_the_directory_normalizes(tmp_path):
    sentence_directory(tmp_path, normalize=False)
    raw = embed(tmp_path, TEXTS)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs(lengths - 1).min() > 0.1
    sentence_directory(tmp_path, normalize=True)
    np.testing.assert_allclose(embed(tmp_path, TEXTS), raw / lengths, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "pooling"),
    [
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": ["cls"]}, "cls"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}, "mean"),
        ({}, "mean"),
    ],
    ids=str,
)
def test_pooling_is_read_in_the_spelling_of_any_version(values, pooling, tmp_path):
    write_json(tmp_path / "modules.json", [{"type": "x.Transformer", "path": ""}, {"type": "y.Pooling", "path": "p"}])
    write_json(tmp_path / "p/config.json", values)
    assert SentenceConfig.read(tmp_path).pooling == pooling


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_padding_on_either_side_has_no_part_in_a_pooled_vector(pooling):
    states = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    hidden = np.full((3, 9, 3), 1e3, np.float32)
    real = np.zeros((3, 9), bool)
    for row, start in enumerate((0, 4)):
        hidden[row, start : start + 5], real[row, start : start + 5] = states, True
    expected = {"mean": states.mean(axis=0), "cls": states[0], "lasttoken": states[-1]}[pooling]
    pooled = pool(jnp.asarray(hidden), jnp.asarray(real), pooling)
    np.testing.assert_allclose(pooled, [expected, expected, [0, 0, 0]], rtol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(unit(pooled), axis=1), [1, 1, 0], rtol=1e-6)


def broken(directory, file, change):
    """A whole directory, then one file of it changed: removed, or its JSON written anew."""
    sentence_directory(directory)
    if change is None:
        (directory / file).unlink()
    else:
        write_json(directory / file, change)
    return directory


def modules(*names):
    return [{"type": f"sentence_transformers.models.{name}", "path": ""} for name in names]


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("modules.json", None, "is no sentence-embedding directory: it has no modules.json"),
        ("modules.json", {}, "must hold a JSON array, not dict"),
        ("modules.json", [{"type": "x.Transformer"}], "every module must have a type and a path"),
        ("modules.json", modules("Transformer", "Pooling", "Dense"), "asks for Transformer, Pooling, Dense; only"),
        ("modules.json", [], "asks for nothing"),
        ("1_Pooling/config.json", None, "cannot read the pooling's config"),
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "unknown pooling 'max'"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "mean"]}, r"pooling is cls \+ mean; only one"),
        ("config_sentence_transformers.json", {"default_prompt_name": "q", "prompts": {}}, "default_prompt_name 'q'"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, "max_seq_length is 'many'"),
        ("config.json", None, "cannot read the model's config"),
        ("config.json", {"model_type": "t5"}, "unknown model_type 't5'"),
        ("config.json", {"model_type": "qwen2", "is_causal": False}, "attention in both directions"),
        ("tokenizer.json", None, "holds no tokenizer"),
        ("model.safetensors", None, "weights in safetensors"),
    ],
    ids=str,
)
def test_a_directory_that_cannot_be_used_is_refused_in_a_sentence(file, change, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence) as raised:
        embed(broken(tmp_path, file, change), TEXTS)
    assert "\n" not in str(raised.value)


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path):
    sentence_directory(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    with pytest.raises(UserError, match=r"encoder.layer.0.intermediate.dense.weight has shape \(48, 32\)"):
        embed(broken(tmp_path, "config.json", config | {"intermediate_size": 64}), TEXTS)
