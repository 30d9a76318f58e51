"""The real Qwen2.5 tokenizer gives the published ids; one that cannot serve is refused in a sentence."""

import json
import shutil
import unicodedata

import pytest

from compeer_jax.errors import UserError
from compeer_jax.models.tokenizer import load_tokenizer

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@pytest.fixture
def copy(shared_data, tmp_path):
    """A copy of the real tokenizer, to be damaged."""
    for name in FILES:
        shutil.copy(shared_data / "qwen2.5_tokenizer" / name, tmp_path / name)
    return tmp_path


def test_the_47_published_vectors_hold_both_ways(shared_data):
    folder = shared_data / "qwen2.5_tokenizer"
    tokenizer = load_tokenizer(folder)
    texts = (folder / "ggml-vocab-qwen2.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    lines = (folder / "ggml-vocab-qwen2.out").read_text(encoding="utf-8").split("\n")
    vectors = [(text, [int(i) for i in line.split()]) for text, line in zip(texts, lines, strict=False)]
    assert len(vectors) == 47
    for text, ids in vectors:
        assert tokenizer.encode(text, add_special_tokens=False) == ids
        # Qwen2.5's tokenizer composes letters and accents (NFC), so that is what comes back.
        assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


def test_the_chat_template_writes_qwens_turns(shared_data):
    tokenizer = load_tokenizer(shared_data / "qwen2.5_tokenizer")
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "我很难过。"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n我很难过。<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]) == [151643, 151644, 151645]


def test_a_directory_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        load_tokenizer(tmp_path / "nowhere")


def test_a_damaged_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read") as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_without_a_chat_template_is_refused(copy):
    (copy / "chat_template.jinja").unlink()
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="has no chat template"):
        load_tokenizer(copy)


def test_a_tokenizer_without_a_special_token_is_refused_by_that_token(copy):
    for name in FILES[:2]:
        text = (copy / name).read_text(encoding="utf-8")
        (copy / name).write_text(text.replace("<|im_end|>", "<|other|>"), encoding="utf-8")
    with pytest.raises(UserError, match=r"lacks the special token <\|im_end\|>"):
        load_tokenizer(copy)
