"""A model in this process that sees: its answers to chats with pictures are those of transformers."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vision import write_seeing
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from compeer_jax.chat.config import ChatModelConfig, LocalChatConfig
from compeer_jax.chat.local import LocalChat
from compeer_jax.chat.types import ChatRequest
from compeer_jax.data.chat import read_prompt
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError

NEW, LIMITS = 6, PictureLimits(2, max_tokens=12)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A tiny random Qwen2.5-VL, as transformers saves it, with a tokenizer of ours."""
    path = tmp_path_factory.mktemp("seeing")
    model, tokenizer = write_seeing(path, deviation=0.3)
    return path, model, tokenizer


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for number, size in enumerate(((84, 56), (56, 112))):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    first, second = (str(folder / f"{number}.png") for number in range(2))
    return [
        (Turn("seeker", "Look.", images=(first,)),),
        (Turn("seeker", "Look.", images=(second, first)),),
        (Turn("seeker", "I can't sleep."),),
    ]


def chat(path, most: int) -> LocalChat:
    local = LocalChatConfig(
        dtype="float32", temperature=0.0, max_tokens=NEW, pictures=PictureLimits(most, max_tokens=12)
    )
    return LocalChat("seeing", ChatModelConfig(str(path), local=local), folder=None, say=print)


def asked(talk) -> ChatRequest:
    return ChatRequest(chat_messages(talk, prompt="plain_brief", language="en", pictures=True))


def test_answers_to_pictures_are_those_of_transformers(directory, talks):
    path, model, tokenizer = directory
    answers = chat(path, 2).answer([asked(talk) for talk in talks])
    process = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * 784, "longest_edge": 12 * 784})
    for talk, answer in zip(talks, answers, strict=True):
        prompt = read_prompt(tokenizer, talk, prompt="plain_brief", max_tokens=500, pictures=LIMITS)
        ids = torch.tensor([prompt.tokens])
        seen = {"mm_token_type_ids": (ids == model.config.image_token_id).long()}
        if prompt.pictures:
            images = [Image.open(picture.path) for picture in prompt.pictures]
            seen |= process(images=images, return_tensors="pt")
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen}
        with torch.no_grad():
            drawn = model.generate(**given, max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
        ours = tokenizer(answer.written, add_special_tokens=False)["input_ids"]
        theirs = tokenizer.decode(drawn[0, ids.shape[1] :], skip_special_tokens=False)
        assert theirs.startswith(answer.written)
        assert ours


def test_another_picture_is_another_question_and_words_alone_are_a_third(directory, talks):
    path, _, _ = directory
    seeing, blind = chat(path, 2), chat(path, 0)
    first, second, _ = map(asked, talks)
    assert len({seeing._key(first), seeing._key(second), blind._key(first)}) == 3
    (seen,), (unseen,) = seeing.answer([first]), blind.answer([first])
    assert seen.prompt_tokens > unseen.prompt_tokens


def test_a_model_that_reads_text_alone_says_so(directory, talks, tmp_path):
    from tiny import tiny_model

    texts = [turn.content for dialogue in sample_dialogues()[:20] for turn in dialogue.turns]
    tiny_model(vocab_size=900).save_pretrained(tmp_path / "blind")
    train_tokenizer(texts, tmp_path / "blind", vocab_size=900, pictures=True)
    with pytest.raises(UserError, match=r"reads text alone; give one that sees, such as Qwen2.5-VL"):
        chat(tmp_path / "blind", 1).answer([asked(talks[0])])
