"""Qwen2.5-VL equals transformers' in float32: states, logits, log-probs, gradients, on its golden files and afresh."""

import importlib.util
import sys
from itertools import chain
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import vision_port
from flax import nnx
from safetensors.numpy import load_file, save_file
from tiny_vision import IMAGE, MIXED, chats, torch_vl
from transformers import Qwen2_5_VLForConditionalGeneration

from compeer_jax.errors import UserError
from compeer_jax.generation.sight import pad_sight
from compeer_jax.models.decoder import Qwen2, Qwen2VL, abstract, from_pretrained
from compeer_jax.models.hf_names import TOWER, decoder_names, hf_tensors
from compeer_jax.models.parameters import param_axes
from compeer_jax.models.tower_files import keep_tower
from compeer_jax.models.vision import Pictures, VisionTower
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import place_batch, shardings

FEATURES, LOGITS, GRADIENTS = 2e-5, 5e-5, 5e-5  # as check_port.py has them


@pytest.fixture(scope="module")
def theirs():
    return torch_vl()


@pytest.fixture(scope="module")
def directory(theirs, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vl") / "model"
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def ours(directory) -> vision_port.Model:
    return vision_port.load(directory)


@pytest.mark.long
def test_the_golden_files_hold(shared_vl, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("check_port", shared_vl / "check_port.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    monkeypatch.setattr(sys, "argv", ["check_port.py", vision_port.__file__])
    failed = check.main()
    said = capsys.readouterr().out
    assert failed == 0, said
    assert "skip" not in said
    (without,) = (line for line in said.splitlines() if line.startswith("no gradient of"))
    assert "merger" not in without  # it is the tower that learns nothing
    assert "language_model" not in without


def test_states_and_logits_of_a_mixed_batch_equal_transformers(ours, theirs):
    given = chats(*MIXED)
    with torch.no_grad():
        features = theirs.model.get_image_features(*map(torch.tensor, given[2:]))
        logits = theirs(**given.for_torch()).logits.numpy()
    features = torch.cat(tuple(getattr(features, "pooler_output", features))).numpy()
    np.testing.assert_allclose(vision_port.features(ours, *given[2:]), features, atol=FEATURES)
    real = given.mask != 0
    np.testing.assert_allclose(vision_port.logits(ours, *given)[real], logits[real], atol=LOGITS)


def test_log_probs_and_every_gradient_equal_transformers(ours, theirs):
    given = chats((1, 0), seed=3)
    labels = np.where(given.ids == IMAGE, -100, given.ids)
    theirs.zero_grad()
    loss = theirs(**given.for_torch(), labels=torch.tensor(labels)).loss
    loss.backward()
    value, gradients = vision_port.gradients(ours, given.ids, labels, *given[2:])
    assert float(value) == pytest.approx(float(loss), abs=LOGITS)
    wanted = {
        name: one.grad.numpy() for name, one in theirs.named_parameters() if "visual" not in name or "merger" in name
    }
    assert gradients.keys() == wanted.keys()
    for name, gradient in wanted.items():
        error = np.abs(gradients[name] - gradient).max() / max(1.0, np.abs(gradient).max())
        assert error <= GRADIENTS, name


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": True},
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 16,
                "mrope_section": [4, 2, 2],
            }
        },
    ],
    ids=["tied", "yarn"],
)
def test_other_shapes_equal_transformers_and_come_back_through_both(changes, tmp_path):
    model = torch_vl(1, **changes)
    given = chats((0,), ())
    with torch.no_grad():
        logits = model(**given.for_torch()).logits.numpy()
    model.save_pretrained(tmp_path / "theirs")
    ours = vision_port.load(tmp_path / "theirs")
    real = given.mask != 0
    np.testing.assert_allclose(vision_port.logits(ours, *given)[real], logits[real], atol=LOGITS)
    ours.lm.save_pretrained(tmp_path / "ours", tower=tmp_path / "theirs", max_shard_size=200_000)
    again, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        tmp_path / "ours", attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.no_grad():
        np.testing.assert_array_equal(again(**given.for_torch()).logits.numpy()[real], logits[real])
    assert from_pretrained(tmp_path / "ours").config == ours.lm.config


def test_the_tower_is_copied_through_in_its_own_type_and_either_spelling_is_read(ours, directory, tmp_path):
    tensors = load_file(directory / "model.safetensors")
    newer = {}
    for name, value in tensors.items():
        if name.startswith("visual."):
            value = value.astype(jnp.bfloat16) if "merger" not in name else value
            newer[f"model.{name}"] = value
        else:
            newer[name.replace("model.", "model.language_model.", 1)] = value
    (tmp_path / "newer").mkdir()
    save_file(newer, tmp_path / "newer" / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "newer" / "config.json").write_text((directory / "config.json").read_text())
    (tmp_path / "newer" / "preprocessor_config.json").write_text('{"patch_size": 14}')
    model = from_pretrained(tmp_path / "newer")
    jax.tree.map(np.testing.assert_array_equal, nnx.state(model), nnx.state(ours.lm))
    model.save_pretrained(tmp_path / "saved", tower=tmp_path / "newer")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == tensors.keys()
    for name, value in saved.items():
        is_tower = name.startswith(("visual.blocks", "visual.patch"))
        np.testing.assert_array_equal(value, newer[f"model.{name}"] if is_tower else tensors[name], name)
    assert (tmp_path / "saved" / "preprocessor_config.json").is_file()


def test_a_tower_that_a_run_keeps_serves_its_exports_when_the_start_model_is_gone(ours, directory, tmp_path):
    (tmp_path / "base").mkdir()
    keep_tower(directory, tmp_path / "base", ours.lm.config)
    for source, name in ((directory, "direct"), (tmp_path / "base", "kept")):
        ours.lm.save_pretrained(tmp_path / name, tower=source)
    direct, kept = (tmp_path / name / "model.safetensors" for name in ("direct", "kept"))
    assert direct.read_bytes() == kept.read_bytes()


def test_a_model_that_sees_is_not_saved_blind(ours, tmp_path):
    with pytest.raises(
        UserError, match=r"its vision tower is no part of what is to be written to .*: name the directory"
    ):
        ours.lm.save_pretrained(tmp_path / "blind")
    assert not (tmp_path / "blind").exists()


def test_a_tower_that_is_not_whole_or_not_there_is_refused_by_name(ours, directory, tmp_path):
    tensors = load_file(directory / "model.safetensors")
    (tmp_path / "config.json").write_text((directory / "config.json").read_text())
    kept = {name: value for name, value in tensors.items() if name != "visual.blocks.1.attn.qkv.bias"}
    save_file(kept, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"the tensor visual\.blocks\.1\.attn\.qkv\.bias, which .* is missing"):
        VisionTower.from_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"the tensor visual\.blocks\.1\.attn\.qkv\.bias, which .* is missing"):
        ours.lm.save_pretrained(tmp_path / "saved", tower=tmp_path)
    save_file(
        tensors | {"visual.blocks.1.attn.extra": tensors["visual.merger.ln_q.weight"]}, tmp_path / "model.safetensors"
    )
    with pytest.raises(UserError, match=r"the tensor visual\.blocks\.1\.attn\.extra has no place"):
        VisionTower.from_pretrained(tmp_path)
    save_file(tensors | {"visual.extra": tensors["visual.merger.ln_q.weight"]}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"the tensor visual\.extra has no place"):
        from_pretrained(tmp_path)


def test_the_program_for_texts_is_that_of_qwen2(ours):
    config = ours.lm.config
    plain = {name: getattr(config, name) for name in ("vocab_size", "hidden_size", "intermediate_size", "rope_theta")}
    plain |= {name: getattr(config, name) for name in vars(config) if name.startswith(("num_", "max_", "rms_"))}
    tokens = jax.ShapeDtypeStruct((2, 12), jnp.int32)

    def program(config):
        graphdef, params = abstract(config)
        return jax.jit(lambda params, x, real: nnx.merge(graphdef, params)(x, segment_ids=real)).lower(
            params, tokens, tokens
        )

    texts = program(type(config)(**plain))
    assert program(config).as_text() == texts.as_text()
    assert Qwen2 in type(nnx.merge(*abstract(type(config)(**plain)))).__mro__
    assert type(ours.lm) is Qwen2VL


@pytest.mark.parametrize("sizes", [{"data": 8}, {"fsdp": 4, "tensor": 2}], ids=str)
def test_eight_devices_give_what_one_gives_and_no_device_gathers_the_states_of_others(ours, directory, sizes):
    rows = chats(*MIXED, *MIXED)
    real = [rows.ids[row, rows.mask[row] != 0] for row in range(8)]
    seen = vision_port._by_row(ours, real, *rows[2:])
    sight = pad_sight(real, seen, ours.lm.config, rows.ids.shape[1], left=True)
    batch = rows.ids.astype(np.int32), rows.mask.astype(np.int32), sight.positions, sight.pictures
    graphdef, params = nnx.split(ours.lm, nnx.Param)

    def loss(params, tokens, segments, positions, pictures):
        model = nnx.merge(graphdef, params)
        hidden = model(tokens, positions=positions, segment_ids=segments, pictures=Pictures(*pictures))
        logps = jax.nn.log_softmax(model.logits(hidden))
        return -jnp.take_along_axis(logps[:, :-1], tokens[:, 1:, None], -1).mean()

    value, gradients = jax.jit(jax.value_and_grad(loss))(params, *batch)
    mesh = make_mesh(MeshConfig(**sizes))
    with jax.set_mesh(mesh):
        placed = jax.device_put(params, shardings(param_axes(params), mesh))
        inputs = place_batch(batch, mesh)
        compiled = jax.jit(jax.value_and_grad(loss)).lower(placed, *inputs).compile()
        many, gradients_of_many = compiled(placed, *inputs)
    assert float(many) == pytest.approx(float(value), rel=1e-5)
    for one, other in zip(jax.tree.leaves(gradients), jax.tree.leaves(gradients_of_many), strict=True):
        np.testing.assert_allclose(other, one, atol=2e-5)
    whole = f"f32[8,{sight.states.shape[1]},"
    gathers = [line for line in compiled.as_text().splitlines() if " all-gather(" in line]
    assert not [line for line in gathers if whole in line]

    tower = VisionTower.from_pretrained(directory, mesh=mesh)
    spread = vision_port.SeenPictures(tower, mesh=mesh)
    again = vision_port._by_row(ours._replace(eyes=spread), real, *rows[2:])
    for one, other in zip(chain(*seen), chain(*again), strict=True):
        np.testing.assert_allclose(other.states, one.states, atol=FEATURES)


def test_names_of_the_tower_and_merger_are_all_that_a_checkpoint_has(directory, ours):
    tower = VisionTower.from_pretrained(directory)
    named = {one.name for one in hf_tensors(nnx.state(tower, nnx.Param), TOWER)}
    named |= {one.name for one in hf_tensors(nnx.state(ours.lm, nnx.Param), decoder_names(ours.lm.config))}
    assert named == load_file(directory / "model.safetensors").keys()
