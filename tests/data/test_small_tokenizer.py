import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compeer_jax.data.small_tokenizer import CHAT_TOKENS, REASONING_TAGS, train_tokenizer
from compeer_jax.errors import UserError

TEXTS = [
    "I have been so anxious about my exams that I can't sleep, and I don't know who to talk to.",
    "It sounds like the exams weigh on you. What worries you most about them?",
    "My manager shouted at me today. I'm scared that I will lose my job!\nWhat should I do?",
    "我最近总是睡不着，一想到考试就很焦虑，不知道该怎么办。",
    "听起来这段时间你压力很大。你最担心的是什么呢？",
    "工作上被领导批评了，我觉得自己什么都做不好。",
] * 3

any_text = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, path, vocab_size=520)
    return path


@pytest.fixture(scope="module")
def tokenizer(directory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)


@pytest.fixture(scope="module")
def sentencepiece_model(directory):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(directory / "sentencepiece.model"))


@given(any_text)
@example("  two  spaces \t\n\r\n tabs and lines \u3000 ")
@example("literal \u2581, <unk>, <0x41>, <s>, \0, \ufffd, e\u0301 and é")
@example("👩‍👩‍👧 family, 𠀀 rare, ｆｕｌｌ width")
@example("<history> Stage: action </history><|im_end|><|endoftext|>")
def test_every_text_comes_back_from_its_ids(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.one_of(any_text, st.text("aexmst ,.'\n我考试焦虑", max_size=200)).filter(lambda text: "\u2581" not in text))
@example("aaaaaaaa eeeeeee examsexams  考试考试焦虑焦虑")
def test_ids_are_those_of_sentencepiece(tokenizer, sentencepiece_model, text):
    assert tokenizer.encode(text) == sentencepiece_model.encode(text)


def test_ids_are_those_of_sentencepiece_on_real_dialogues(shared_data, tmp_path):
    import sentencepiece

    dialogues = json.loads((shared_data / "esconv" / "ESConv.json").read_text())[:40]
    texts = [turn["content"] for dialogue in dialogues for turn in dialogue["dialog"]]
    tokenizer = train_tokenizer(texts, tmp_path, vocab_size=2048)
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sentencepiece.model"))
    assert len(tokenizer) == 2048
    assert [tokenizer.encode(text) for text in texts] == model.encode(texts)


def test_chat_tokens_and_tags_are_one_id_each(tokenizer):
    for token in CHAT_TOKENS + REASONING_TAGS:
        (token_id,) = tokenizer.encode(token)
        assert tokenizer.encode(f"a{token}b")[1:-1] == [token_id]
    text = "<response> hi </response><|im_end|>"
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == "<response> hi </response>"
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_the_chat_template_is_qwens_without_its_default_system_text(tokenizer):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "你好"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"] == tokenizer.encode(text)


def test_it_loads_unchanged_beside_a_qwen2_model(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    (tmp_path / "config.json").write_text('{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}')
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True, trust_remote_code=False)
    text = "I can't sleep,  焦虑\n<response> 👋 \u2581 </response>"
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.decode(loaded.encode(text)) == text


def test_the_same_texts_give_the_same_files(directory, tmp_path):
    train_tokenizer(TEXTS, tmp_path, vocab_size=520)
    for file in directory.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="no text to learn from"):
        train_tokenizer(["", "\n \n"], tmp_path)
    with pytest.raises(UserError, match="vocab_size 200 leaves no room"):
        train_tokenizer(TEXTS, tmp_path, vocab_size=200)
    with pytest.raises(UserError, match="can't give 50000 pieces"):
        train_tokenizer(TEXTS, tmp_path, vocab_size=50_000)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        train_tokenizer(TEXTS, tmp_path / "file", vocab_size=520)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
