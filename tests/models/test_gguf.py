"""A model in a GGUF file is the one that transformers reads from it; a file that is none is refused in a sentence."""

import json
import shutil
import struct
from contextlib import suppress

import gguf
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoder import LLAMA3, VARIANTS, torch_model
from tiny_gguf import SIZES, TEMPLATE, add_tokenizer, write_gguf
from transformers import AutoModelForCausalLM

from compeer_jax.errors import UserError
from compeer_jax.models import from_pretrained
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Llama
from compeer_jax.models.fingerprint import fingerprint
from compeer_jax.models.gguf_file import TYPES, GGUFFile
from compeer_jax.models.hf_names import hf_tensors
from compeer_jax.models.rope import inverse_frequencies
from compeer_jax.models.rope_config import Llama3
from compeer_jax.models.source import model_directory
from compeer_jax.models.tokenizer import load_tokenizer, read_tokenizer
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

FAMILIES = ("untied", "qwen3", "qwen3_tied", "llama", "llama_tied")
FAMILY = VARIANTS | {"llama_tied": {"family": "llama", "tie_word_embeddings": True}}


def tensors_of(model) -> dict[str, np.ndarray]:
    """Our weights, named and laid out as Hugging Face's."""
    params = nnx.state(model, nnx.Param)
    flat = dict(nnx.to_flat_state(params))
    return {
        t.name: t.to_hf(np.asarray(flat[t.path][...] if t.layer is None else flat[t.path][t.layer]))
        for t in hf_tensors(params)
    }


def assert_same_weights(ours, theirs: torch.nn.Module) -> None:
    found = tensors_of(ours)
    wanted = {name: tensor.numpy() for name, tensor in theirs.state_dict().items() if name in found}
    assert found.keys() == wanted.keys()
    assert {*theirs.state_dict()} - found.keys() <= {"lm_head.weight"}
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("variant", FAMILIES)
def test_a_file_of_each_family_is_the_model_that_it_was_written_from(variant, tmp_path):
    theirs = torch_model(**FAMILY[variant])
    path = write_gguf(tmp_path / "model.gguf", theirs)
    ours = from_pretrained(path)
    assert ours.config.model_type == theirs.config.model_type
    assert_same_weights(ours, theirs)
    tokens = np.random.default_rng(0).integers(0, 64, (2, 12))
    expected = theirs(torch.tensor(tokens)).logits.detach().numpy()
    logits = ours.logits(ours(jnp.asarray(tokens)))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kind", TYPES)
def test_each_way_of_storing_gives_the_weights_and_logits_of_transformers(kind, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", torch_model(family="llama", **SIZES), kind)
    theirs = AutoModelForCausalLM.from_pretrained(str(tmp_path), gguf_file=path.name, dtype=torch.float32).eval()
    ours = from_pretrained(path)
    assert_same_weights(ours, theirs)
    tokens = np.random.default_rng(0).integers(0, 64, (2, 12))
    expected = theirs(torch.tensor(tokens)).logits.detach().numpy()
    logits = ours.logits(ours(jnp.asarray(tokens)))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


def test_a_mesh_and_stacked_layers_read_the_same_weights(tmp_path):
    theirs = torch_model(family="llama", hidden_size=32, head_dim=4, num_attention_heads=8, num_key_value_heads=4)
    path = write_gguf(tmp_path / "model.gguf", theirs, "Q8_0")
    whole = tensors_of(from_pretrained(path))
    split = tensors_of(from_pretrained(path, mesh=make_mesh(MeshConfig(fsdp=2, tensor=4)), scan_layers=True))
    assert whole.keys() == split.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(split[name], values, err_msg=name)


def test_the_shape_is_that_of_the_config_it_was_written_from(tmp_path):
    theirs = torch_model(family="qwen3", head_dim=12, rms_norm_eps=1e-5)
    ours = DecoderConfig.from_json(write_gguf(tmp_path / "model.gguf", theirs, tokenizer=True))
    wanted = DecoderConfig.from_hf(theirs.config.to_dict())
    assert ours == DecoderConfig(**vars(wanted) | {"eos_token_id": 62, "pad_token_id": 63, "bos_token_id": None})


def test_llama_3s_scaling_is_known_by_its_factors(tmp_path):
    scaling = LLAMA3 | {"factor": 32.0, "original_max_position_embeddings": 8192, "rope_theta": 5e5}
    theirs = torch_model(family="llama", rope_parameters=scaling, head_dim=64, num_hidden_layers=1)
    config = DecoderConfig.from_hf(theirs.config.to_dict())
    plain = 5e5 ** -(np.arange(0, 64, 2) / 64)
    factors = plain / inverse_frequencies(config)
    path = write_gguf(tmp_path / "model.gguf", theirs, rope=factors)
    assert DecoderConfig.from_json(path).rope_scaling == Llama3(32.0, 1.0, 4.0, 8192) == config.rope_scaling
    write_gguf(path, theirs, rope=1 + factors)
    with pytest.raises(UserError, match=r"rope_freqs.weight holds factors of RoPE that are not Llama 3's"):
        from_pretrained(path)


def test_yarn_is_read_from_the_metadata(tmp_path):
    theirs = torch_model(rope_parameters=VARIANTS["yarn"]["rope_parameters"], num_hidden_layers=1)
    yarn = {"type": "yarn", "factor": 4.0, "original_context_length": 16}
    path = write_gguf(tmp_path / "x.gguf", theirs, **{f"qwen2.rope.scaling.{key}": x for key, x in yarn.items()})
    scaling = DecoderConfig.from_json(path).rope_scaling
    assert (scaling.factor, scaling.original_max_position_embeddings) == (4.0, 16)


def test_tokenizer_and_template_come_from_the_metadata(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", torch_model(), tokenizer=True)
    tokenizer = load_tokenizer(path)
    assert tokenizer.chat_template == TEMPLATE
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert tokenizer.encode("!#<|im_end|>", add_special_tokens=False) == [0, 2, 62]
    assert tokenizer.decode([0, 2, 62], skip_special_tokens=True) == "!#"


TEXTS = ("I felt 2,024 times worse in 1999.", "  I can't… naïve 我很难过 ١٢٣\n\n\tend ", "<|im_end|>x <|im_start|>user")


@pytest.mark.parametrize("pre", ["smollm", "qwen2", "llama-bpe"])
def test_a_saved_tokenizer_reads_texts_as_its_file_did(pre, tmp_path):
    """Also beside a config of the family, whose own class of tokenizer transformers would rather take."""
    path = tmp_path / "model.gguf"
    family = {"qwen2": "qwen2"}.get(pre, "llama")
    writer = gguf.GGUFWriter(str(path), family)
    alphabet = [chr(c) for c in bytes_as_letters().values()]
    merges = ["1 9", "19 9", "2 0", "t h", "i n", "Ġ I", "f e", "fe l", "Ġ Ġ"]
    tokens = [*alphabet, *(merge.replace(" ", "") for merge in merges), "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    add_tokenizer(writer, pre, tokens, [1] * (len(tokens) - 3) + [3] * 3, merges)
    writer.add_chat_template(TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    from compeer_jax.models.tokenizer_files import write_tokenizer

    ours = read_tokenizer(path)
    (tmp_path / "saved").mkdir()
    write_tokenizer(ours, tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text(json.dumps({"model_type": family, "vocab_size": len(tokens)}))
    saved = load_tokenizer(tmp_path / "saved")
    joined = {"smollm": False, "qwen2": False, "llama-bpe": True}[pre]
    assert (tokens.index("199") in ours.encode("1999", add_special_tokens=False)) == joined
    for text in TEXTS:
        ids = ours.encode(text, add_special_tokens=False)
        assert saved.encode(text, add_special_tokens=False) == ids
        assert saved.decode(ids) == text == ours.decode(ids)


def bytes_as_letters() -> dict[int, int]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {byte: ord(letter) for byte, letter in bytes_to_unicode().items()}


def test_qwens_real_tokenizer_gives_the_same_ids_from_a_file(shared_data, tmp_path):
    folder = shared_data / "qwen2.5_tokenizer"
    real = load_tokenizer(folder)
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = dict(stored["model"]["vocab"]) | {one["content"]: one["id"] for one in stored["added_tokens"]}
    added = {one["id"]: 3 if one["special"] else 4 for one in stored["added_tokens"]}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in stored["model"]["merges"]]
    names = sorted(tokens, key=tokens.get)
    writer = gguf.GGUFWriter(str(tmp_path / "model.gguf"), "qwen2")
    add_tokenizer(writer, "qwen2", names, [added.get(tokens[name], 1) for name in names], merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ours = read_tokenizer(tmp_path / "model.gguf")
    texts = (folder / "ggml-vocab-qwen2.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    assert len(texts) == 47
    for text in (*texts, *TEXTS, "<tool_call>{}</tool_call>", "a\u0301"):
        assert ours.encode(text, add_special_tokens=False) == real.encode(text, add_special_tokens=False)


def test_a_tokenizer_of_another_kind_is_refused(tmp_path):
    model = torch_model(num_hidden_layers=1)
    path = write_gguf(tmp_path / "model.gguf", model, **{"tokenizer.ggml.model": "llama"})
    with pytest.raises(UserError, match=r"tokenizer\.ggml\.model is 'llama'; only 'gpt2', byte-level BPE, is built"):
        load_tokenizer(path)
    write_gguf(path, model, **{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen3"})
    with pytest.raises(UserError, match=r"unknown tokenizer\.ggml\.pre 'qwen3'; did you mean 'qwen2'"):
        load_tokenizer(path)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"general.architecture": "gemma3"}, "general.architecture is 'gemma3'; only 'qwen2', 'qwen3', 'llama'"),
        ({"llama.expert_count": 8}, "llama.expert_count is 8 in its metadata; what it asks for is not built"),
        ({"llama.rope.dimension_count": 4}, "llama.rope.dimension_count is 4 in its metadata; only 8 is built"),
        ({"llama.rope.scaling.type": "linear"}, "unknown rope_scaling type 'linear'"),
        ({"llama.block_count": None}, "the key 'num_hidden_layers' is missing"),
        ({"llama.block_count": 3}, "its metadata asks for 3 layers"),
        ({"llama.feed_forward_length": 40}, "gate_proj.weight has shape .48, 32., but its metadata asks for .40, 32."),
        ({"split.count": 3}, "is one of 3 files of a split model"),
    ],
    ids=str,
)
def test_what_is_not_built_is_refused_by_name(changes, sentence, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", torch_model(family="llama"), **changes)
    with pytest.raises(UserError, match=sentence) as refused:
        from_pretrained(path)
    assert str(refused.value).startswith(str(path))


def test_a_class_takes_its_own_family_alone(tmp_path):
    with pytest.raises(UserError, match="model_type is 'qwen2', which Llama is not"):
        Llama.from_pretrained(write_gguf(tmp_path / "model.gguf", torch_model()))


def test_other_ways_of_storing_and_other_versions_are_refused_by_name(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", torch_model(), "Q8_0")
    whole = path.read_bytes()
    kind = whole.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight") + 4 + 2 * 8
    assert whole[kind : kind + 4] == struct.pack("<I", 8)
    path.write_bytes(whole[:kind] + struct.pack("<I", 16) + whole[kind + 4 :])
    with pytest.raises(UserError, match=r"the tensor 'blk\.0\.attn_q\.weight' is stored as IQ2_XXS; only F32, F16"):
        from_pretrained(path)
    for version, named in ((1, "1"), (4, "4"), (3 << 24, "50331648 of a big-endian machine")):
        path.write_bytes(whole[:4] + struct.pack("<I", version) + whole[8:])
        with pytest.raises(UserError, match=f"its GGUF version is {named}; only 2 and 3"):
            from_pretrained(path)


def test_other_files_are_no_models(tmp_path):
    path = tmp_path / "model.gguf"
    for content in (b"", b"GG", b"PK\x03\x04 a wheel"):
        path.write_bytes(content)
        for read in (model_directory, from_pretrained, load_tokenizer):
            with pytest.raises(UserError, match=r"model\.gguf is no GGUF file; give a Hugging Face directory"):
                read(str(path))


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.gguf"
    return write_gguf(path, torch_model(family="llama", num_hidden_layers=1), "Q4_0", tokenizer=True)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_in_a_sentence(share, small_file):
    whole = small_file.read_bytes()
    last = max(GGUFFile.open(small_file).tensors.values(), key=lambda tensor: tensor.blocks.ctypes.data)
    cut = small_file.with_name("cut.gguf")
    cut.write_bytes(whole[: int(share * (len(whole) - gguf_padding(len(last.blocks.tobytes()))))])
    with pytest.raises(UserError, match=r"^\S*cut\.gguf is (cut off, or damaged: .*; copy or|no GGUF file; give) .*$"):
        from_pretrained(cut)


def gguf_padding(size: int) -> int:
    return -size % 32


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_header_with_other_bytes_gives_a_model_or_a_sentence(data, small_file):
    whole = bytearray(small_file.read_bytes())
    place = data.draw(st.integers(4, 4000))
    whole[place : place + 8] = data.draw(st.binary(min_size=8, max_size=8))
    damaged = small_file.with_name("damaged.gguf")
    damaged.write_bytes(bytes(whole))
    for read in (GGUFFile.open, DecoderConfig.from_json, read_tokenizer):
        with suppress(UserError):
            read(damaged)


def test_a_file_is_known_by_its_bytes_wherever_it_lies(small_file, tmp_path):
    copy = shutil.copy(small_file, tmp_path / "another.gguf")
    assert fingerprint(copy) == fingerprint(small_file)
    changed = bytearray(small_file.read_bytes())
    changed[-40] ^= 1
    copy.write_bytes(bytes(changed))
    assert fingerprint(copy) != fingerprint(small_file)
