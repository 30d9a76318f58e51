"""Weights go to Hugging Face directories and back, onto any mesh; what does not fit is refused in a sentence."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType
from safetensors.numpy import load_file, save_file
from tiny_decoder import VARIANTS, same_model, torch_model

from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Llama, Qwen2, abstract, from_pretrained
from compeer_jax.models.hf_names import HFTensor, hf_tensors
from compeer_jax.models.tokenizer import load_tokenizer

TOKENS = np.random.default_rng(0).integers(0, 64, (2, 10))


def mesh(data: int, fsdp: int, tensor: int) -> jax.sharding.Mesh:
    return jax.make_mesh((data, fsdp, tensor), ("data", "fsdp", "tensor"), axis_types=(AxisType.Auto,) * 3)


@jax.jit
def logits(model: Qwen2):
    return model.logits(model(jnp.asarray(TOKENS)))


def tiny(directory, **changes):
    """A small checkpoint written by transformers."""
    torch_model(**changes).save_pretrained(directory)
    return directory


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("shard_size", [10**9, 20_000])
@pytest.mark.parametrize("variant", VARIANTS)
def test_transformers_loads_what_we_save_unchanged(variant, shard_size, scan_layers, tmp_path):
    theirs = torch_model(**VARIANTS[variant])
    ours = same_model(theirs, tmp_path / "in", scan_layers=scan_layers)
    ours.save_pretrained(tmp_path / "out", max_shard_size=shard_size)
    again, report = type(theirs).from_pretrained(
        tmp_path / "out", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report.values()), report
    before, after = theirs.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    tokens = torch.tensor(TOKENS)
    torch.testing.assert_close(again(tokens).logits, theirs(tokens).logits, rtol=0, atol=0)

    files = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) == 1 or all(name.endswith(f"-of-{len(files):05d}.safetensors") for name in files)
    if shard_size < 10**9:
        sizes = [sum(array.nbytes for array in load_file(tmp_path / "out" / name).values()) for name in files]
        assert len(files) > 1
        assert max(sizes) <= shard_size


def test_a_directory_of_another_family_is_refused_by_the_class_and_read_by_the_function(tmp_path):
    sentence = r"model_type is 'llama', which Qwen2 is not; take Llama\.from_pretrained, or from_pretrained for any"
    tiny(tmp_path, family="llama")
    with pytest.raises(UserError, match=sentence):
        Qwen2.from_pretrained(tmp_path)
    assert type(from_pretrained(tmp_path)) is Llama


def test_sharded_files_written_by_transformers_are_read(tmp_path):
    theirs = torch_model()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    expected = theirs(torch.tensor(TOKENS)).logits.detach().numpy()
    np.testing.assert_allclose(logits(Qwen2.from_pretrained(tmp_path)), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_files_keep_every_bit(tmp_path):
    torch_model().bfloat16().save_pretrained(tmp_path / "in")
    ours = Qwen2.from_pretrained(tmp_path / "in", dtype=jnp.bfloat16, param_dtype=jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(ours))} == {jnp.dtype(jnp.bfloat16)}
    ours.save_pretrained(tmp_path / "out")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("in", "out"))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name].view(np.uint16), second[name].view(np.uint16))
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("sizes", [(1, 4, 2), (2, 2, 2), (8, 1, 1)])
def test_eight_devices_each_hold_their_part_and_compute_the_same(sizes, scan_layers, tmp_path):
    tiny(tmp_path)
    alone = Qwen2.from_pretrained(tmp_path, scan_layers=scan_layers)
    spread = Qwen2.from_pretrained(tmp_path, scan_layers=scan_layers, mesh=mesh(*sizes))
    for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(spread), strict=True):
        np.testing.assert_array_equal(one, many)
        assert len(many.sharding.device_set) == 8
    layer = spread.layers if scan_layers else spread.layers[0]
    _, fsdp, tensor = sizes
    for kernel in (layer.mlp.gate.kernel, layer.mlp.down.kernel, layer.attention.key.kernel, spread.embedding):
        assert kernel.addressable_shards[0].data.size * fsdp * tensor == kernel.size
    with jax.set_mesh(mesh(*sizes)):
        np.testing.assert_allclose(logits(spread), logits(alone), rtol=1e-4, atol=1e-5)


def test_a_mesh_that_does_not_divide_the_heads_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"does not divide .*key.*'kv_heads' dimension of 2"):
        Qwen2.from_pretrained(tiny(tmp_path), mesh=mesh(1, 2, 4))


def slices(size: int):
    return st.tuples(st.integers(0, size), st.integers(0, size)).map(lambda pair: slice(*sorted(pair)))


@settings(max_examples=50)
@given(st.data())
def test_any_slice_of_ours_is_cut_from_the_file_as_the_whole_would_be(data):
    _, params = abstract(DecoderConfig(6, 8, 10, 1, 4, 2, head_dim=6))
    tensor: HFTensor = data.draw(st.sampled_from(list(hf_tensors(params))))
    index = tuple(data.draw(slices(size)) for size in tensor.shape)
    ours = np.arange(math.prod(tensor.shape)).reshape(tensor.shape)
    theirs, asked = tensor.to_hf(ours), []

    def read(block):
        asked.append(theirs[block].size)
        return theirs[block]

    part = tensor.read(read, index)
    np.testing.assert_array_equal(part, ours[index])
    if all(index[d] == slice(0, tensor.shape[d]) for dims in tensor.merges for d in dims[1:]):
        assert asked == [part.size]


def test_the_tokenizer_and_its_token_ids_are_saved_beside_the_model(shared_data, tmp_path):
    tokenizer = load_tokenizer(shared_data / "qwen2.5_tokenizer")
    model = nnx.jit(lambda: Qwen2(DecoderConfig(len(tokenizer), 8, 8, 1, 2, 1), rngs=nnx.Rngs(0)))()
    model.save_pretrained(tmp_path / "out", tokenizer)
    text = "我很难过。 I can't sleep\n"
    assert load_tokenizer(tmp_path / "out").encode(text) == tokenizer.encode(text)
    generation = transformers.GenerationConfig.from_pretrained(tmp_path / "out")
    assert generation.eos_token_id == [tokenizer.eos_token_id, 151643]
    assert generation.pad_token_id == tokenizer.pad_token_id


class TokenizerOnAFullDisk:
    bos_token_id = eos_token_id = pad_token_id = 0

    def get_vocab(self) -> dict[str, int]:
        return {}

    def save_pretrained(self, directory: str) -> None:
        raise OSError(28, "No space left on device")


def test_a_save_that_fails_leaves_the_old_model_and_no_litter(tmp_path):
    model = Qwen2.from_pretrained(tiny(tmp_path / "model"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    with pytest.raises(UserError, match=r"cannot write the model to .*No space left"):
        model.save_pretrained(tmp_path / "model", TokenizerOnAFullDisk())
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "name", ["notes.txt", "my_results.json", "model-best.safetensors", "prompt.jinja", "README.md"]
)
def test_a_file_beside_an_older_model_that_is_not_of_it_is_named_and_kept(tmp_path, name):
    model = Qwen2.from_pretrained(tiny(tmp_path / "model"))
    before = (tmp_path / "model" / "config.json").read_bytes()
    (tmp_path / "model" / name).write_text("mine")
    with pytest.raises(UserError, match=rf"model holds '{name}', so it is no model to replace"):
        model.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / name).read_text() == "mine"
    assert (tmp_path / "model" / "config.json").read_bytes() == before


def test_saving_replaces_an_older_model_but_nothing_else(tmp_path):
    model = Qwen2.from_pretrained(tiny(tmp_path / "model"))
    model.save_pretrained(tmp_path / "model", max_shard_size=20_000)
    assert not (tmp_path / "model" / "model.safetensors").exists()
    np.testing.assert_array_equal(logits(Qwen2.from_pretrained(tmp_path / "model")), logits(model))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds 'chapter.txt', so it is no model to replace"):
        model.save_pretrained(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"
    with pytest.raises(UserError, match="is a file"):
        model.save_pretrained(tmp_path / "thesis" / "chapter.txt")
    with pytest.raises(UserError, match="cannot write the model to"):
        model.save_pretrained(tmp_path / "thesis" / "chapter.txt" / "model")


def edit(directory, change) -> None:
    """Applies `change` to the tensors of a single-file checkpoint."""
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: (d / "model.safetensors").unlink(), "holds neither model.safetensors nor"),
        (
            lambda d: (d / "model.safetensors").write_bytes((d / "model.safetensors").read_bytes()[:-10]),
            r"model.safetensors is damaged",
        ),
        (lambda d: (d / "model.safetensors").write_bytes(b""), "model.safetensors is damaged"),
        (lambda d: edit(d, lambda t: t.pop("model.norm.weight")), "tensor model.norm.weight, .* is missing"),
        (
            lambda d: edit(d, lambda t: t.update({"model.extra": t["model.norm.weight"]})),
            "tensor model.extra has no place in the model",
        ),
        (
            lambda d: edit(d, lambda t: t.update({"model.norm.weight": np.zeros(31, np.float32)})),
            r"tensor model.norm.weight has shape \(31,\), but config.json asks for \(32,\)",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(change, sentence, tmp_path):
    change(tiny(tmp_path))
    with pytest.raises(UserError, match=sentence) as raised:
        Qwen2.from_pretrained(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def move_norm(index: dict, file: str) -> None:
    index["weight_map"]["model.norm.weight"] = file


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda index: index.pop("weight_map"), "is not a safetensors index"),
        (lambda index: index.update(weight_map=[]), "weight_map must map"),
        (
            lambda index: index["weight_map"].update({"model.norm.weight": "../other.safetensors"}),
            "weight_map must map",
        ),
        (lambda index: index["weight_map"].update({"model.norm.weight": ""}), "weight_map must map"),
        (lambda index: index["weight_map"].update({"model.norm.weight": "w" * 5000}), "weight_map must map"),
        (lambda index: index["weight_map"].update({"model.norm.weight": "w\0"}), "weight_map must map"),
        (lambda index: index["weight_map"].update({"model.norm.weight": ".."}), "is no file"),
        (
            lambda index: index["weight_map"].update({"model.norm.weight": "gone.safetensors"}),
            "gone.safetensors is missing",
        ),
        (lambda index: move_norm(index, index["weight_map"]["lm_head.weight"]), "says that model.norm.weight is in"),
    ],
)
def test_an_index_that_does_not_fit_is_refused_by_name(change, sentence, tmp_path):
    torch_model().save_pretrained(tmp_path, max_shard_size="9KB")
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=sentence):
        Qwen2.from_pretrained(tmp_path)


def test_a_tied_checkpoint_may_hold_its_head_once_more(tmp_path):
    tiny(tmp_path, tie_word_embeddings=True)
    edit(tmp_path, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"]}))
    assert Qwen2.from_pretrained(tmp_path).output is None
