"""Text that is read while it is written is whole characters, and in the end all of the text."""

import numpy as np
import pytest
from transformers import AutoTokenizer

from compeer_jax.generation.written_text import WrittenText

TEXTS = [
    "我最近睡不着，考试快到了。你能听我说说吗？",
    "Thank you 🙏🏽, that helps 👩‍👩‍👧! Ça va 🇨🇳",
    "罕见字：𠮷 龘 灪，表情：🥹🫠",
]


@pytest.fixture(scope="module")
def qwen(shared_data):
    return AutoTokenizer.from_pretrained(shared_data / "qwen2.5_tokenizer", local_files_only=True)


def pieces(tokenizer, ids, at_once):
    written = WrittenText(tokenizer.decode)
    found = [written.add(ids[start : start + at_once]) for start in range(0, len(ids), at_once)]
    return [*found, written.rest()]


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("text", TEXTS)
def test_no_character_is_shown_in_parts(qwen, text, at_once):
    found = pieces(qwen, qwen.encode(text), at_once)
    assert "".join(found) == text
    assert not any("\ufffd" in piece for piece in found)


def test_what_is_no_character_yet_is_held_back(qwen):
    assert "" in pieces(qwen, qwen.encode("🫠"), 1)[:-1]


def test_tokens_that_are_no_text_come_as_the_tokenizer_reads_them(qwen):
    for seed in range(20):
        ids = np.random.default_rng(seed).integers(0, len(qwen), 50).tolist()
        assert "".join(pieces(qwen, ids, 3)) == qwen.decode(ids)
