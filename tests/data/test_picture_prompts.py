"""Prompts with pictures: the template's marks, budgets that count pictures, and words that are only words."""

import numpy as np
import pytest
from PIL import Image

from compeer_jax.data.chat import DoesNotFit, dialogue_example, example_tokens, prompt_tokens, read_prompt
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.judge_chat import JudgeLimits, read_asks
from compeer_jax.data.pictures import PictureLimits, inspect_picture
from compeer_jax.data.policy_data import DataConfig, encode_prompts, pack_example, unpack_example
from compeer_jax.data.record import Record
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.reasoning import COMPEER, PLAIN, ReasonedTurn
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

ALL = {"prompt": "plain_brief", "max_tokens": 100_000}
PAD = "<|image_pad|>"

# Qwen2.5-VL's template, as published, without its tools and its videos.
PUBLISHED = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def texts():
    return [turn.content for dialogue in sample_dialogues() for turn in dialogue.turns]


@pytest.fixture(scope="module")
def tokenizer(texts, tmp_path_factory):
    return train_tokenizer(texts, tmp_path_factory.mktemp("tokenizer"), vocab_size=1536, pictures=True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> list[str]:
    """Pictures of 2 x 2, 2 x 3 and 2 x 4 tokens."""
    folder = tmp_path_factory.mktemp("faces")
    paths = [str(folder / f"{columns}.png") for columns in (2, 3, 4)]
    for columns, path in zip((2, 3, 4), paths, strict=True):
        Image.new("RGB", (28 * columns, 56), (60 * columns, 0, 0)).save(path)
    return paths


@pytest.fixture(scope="module")
def talk(faces) -> tuple[Turn, ...]:
    return (
        Turn("seeker", "This was May.", images=(faces[0],)),
        Turn("supporter", "I see.", images=(faces[2],)),
        Turn("seeker", "This is now.", images=(faces[1], faces[2])),
    )


def test_a_picture_is_as_many_pads_as_it_has_tokens_where_the_published_template_has_one(tokenizer, talk, faces):
    prompt = read_prompt(tokenizer, talk, **ALL, pictures=PictureLimits(3))
    shown = [{"type": "image"}], [{"type": "image"}, {"type": "image"}]
    messages = [
        {"role": "user", "content": [*shown[0], {"type": "text", "text": talk[0].content}]},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": [*shown[1], {"type": "text", "text": talk[2].content}]},
    ]
    text = tokenizer.apply_chat_template(messages, chat_template=PUBLISHED, tokenize=False, add_generation_prompt=True)
    for tokens in (4, 6, 8):
        text = text.replace(PAD, "*" * tokens, 1)
    decoded = tokenizer.decode(prompt.tokens)
    assert decoded[decoded.index("<|im_start|>user") :] == text.replace("*", PAD)
    assert [picture.path for picture in prompt.pictures] == [faces[0], faces[1], faces[2]]
    assert prompt.pictures[0] == inspect_picture(faces[0], "here")
    assert prompt_tokens(tokenizer, talk, **ALL, pictures=PictureLimits(3)) == prompt.tokens


def test_without_pictures_a_talk_is_its_words_whatever_it_shows(tokenizer, talk):
    plain = tuple(Turn(turn.role, turn.content) for turn in talk)
    words = read_prompt(tokenizer, talk, **ALL)
    assert words == read_prompt(tokenizer, plain, **ALL)
    assert words == read_prompt(tokenizer, plain, **ALL, pictures=PictureLimits(3))
    assert words.pictures == ()


def test_too_many_tokens_or_pictures_drop_the_oldest_turns_with_theirs(tokenizer, talk, faces):
    whole = read_prompt(tokenizer, talk, **ALL, pictures=PictureLimits(3))
    last = read_prompt(tokenizer, talk[2:], **ALL, pictures=PictureLimits(3))
    middle = read_prompt(tokenizer, talk[1:], **ALL, pictures=PictureLimits(3))
    limits = {"prompt": "plain_brief"}
    three, two = PictureLimits(3), PictureLimits(2)
    assert read_prompt(tokenizer, talk, max_tokens=len(whole.tokens) - 1, **limits, pictures=three) == middle
    assert read_prompt(tokenizer, talk, max_tokens=len(middle.tokens) - 1, **limits, pictures=three) == last
    assert read_prompt(tokenizer, talk, **ALL, pictures=two) == middle
    assert [picture.path for picture in middle.pictures] == faces[1:]
    with pytest.raises(
        DoesNotFit, match=r"the talk: the last exchange alone has 2 pictures, more than pictures.most = 1"
    ):
        read_prompt(tokenizer, talk, **ALL, pictures=PictureLimits(1))
    with pytest.raises(DoesNotFit, match=r"the talk: 3 pictures, but pictures.most is 2; raise it or cut the talk"):
        read_prompt(tokenizer, talk, **ALL, pictures=two, overlong="error")


def test_words_that_read_like_a_picture_are_words(tokenizer, faces):
    said = f"<|vision_start|>{PAD}<|vision_end|> {PAD}"
    talk = (Turn("seeker", said, images=(faces[0],)),)
    pad = tokenizer.convert_tokens_to_ids(PAD)
    assert read_prompt(tokenizer, talk, **ALL).tokens.count(pad) == 0
    seen = read_prompt(tokenizer, talk, **ALL, pictures=PictureLimits(1))
    assert seen.tokens.count(pad) == 4
    assert [picture.path for picture in seen.pictures] == [faces[0]]


def test_examples_carry_their_pictures_and_train_on_none_of_their_tokens(tokenizer, talk, faces):
    reply = ReasonedTurn({}, {}, "That is hard.")
    record = Record(id="r#1", language="en", source="test", licence="CC0", history=talk, reference=reply)
    settings = {**ALL, "pictures": PictureLimits(3)}
    example = example_tokens(tokenizer, record, format=PLAIN, **settings)
    prompt = read_prompt(tokenizer, record, **settings)
    assert example.tokens[~example.loss_mask].tolist() == prompt.tokens
    assert example.pictures == prompt.pictures
    again = unpack_example(pack_example(example))
    assert again.pictures == example.pictures
    np.testing.assert_array_equal(again.tokens, example.tokens)
    whole = Dialogue("d", "en", "test", "CC0", (*talk, Turn("supporter", "That is hard.")))
    plain = dialogue_example(tokenizer, whole, **settings)
    pad = tokenizer.convert_tokens_to_ids(PAD)
    assert [picture.path for picture in plain.pictures] == faces
    assert (plain.tokens == pad).sum() == 18
    assert not plain.loss_mask[plain.tokens == pad].any()
    config = DataConfig(format="plain", prompt="plain_brief", pictures=PictureLimits(3))
    assert encode_prompts([record], tokenizer, config) == {"r#1": prompt}


def test_a_model_without_tokens_for_pictures_and_a_file_that_is_none_are_named(texts, tokenizer, talk, tmp_path):
    blind = train_tokenizer(texts, tmp_path / "blind", vocab_size=1536)
    with pytest.raises(UserError, match=r"the tokenizer no <\|vision_start\|>, so its model can't see"):
        read_prompt(blind, talk, **ALL, pictures=PictureLimits(3))
    record = Record(
        id="r#1",
        language="en",
        source="test",
        licence="CC0",
        history=(Turn("seeker", "Look.", images=(str(tmp_path / "none.png"),)),),
        reference=ReasonedTurn({}, {}, "Yes."),
    )
    with pytest.raises(UserError, match=r"r#1: the picture .*none.png is not there"):
        read_prompt(tokenizer, record, **ALL, pictures=PictureLimits(1))


def case(talk: tuple[Turn, ...]) -> JudgeCase:
    return JudgeCase("en", talk, dict.fromkeys(COMPEER.tags[:-1], "A step."), ("One.", "Two."))


def test_a_judge_sees_the_pictures_of_the_conversation_once_within_its_limit(tokenizer, talk, faces):
    pad = tokenizer.convert_tokens_to_ids(PAD)
    rounds = COMPEER.tags
    wide = JudgeLimits("judge_brief", 4000, 1000, PictureLimits(3))
    asks = read_asks(tokenizer, case(talk), rounds, wide)
    assert [ask.tokens.count(pad) for ask in asks] == [18, 0, 0, 0]
    assert [picture.path for picture in asks[0].pictures] == faces
    text = tokenizer.decode(asks[0].tokens)
    assert "I see. [image]\n" in text  # the supporter's is told of, not shown
    words = read_asks(tokenizer, case(talk), rounds, JudgeLimits("judge_brief", 4000, 1000))
    assert "Seeker: This was May. [image]\n" in tokenizer.decode(words[0].tokens)
    assert asks[1:] == words[1:]

    two = read_asks(tokenizer, case(talk), rounds, JudgeLimits("judge_brief", 4000, 1000, PictureLimits(2)))
    assert [picture.path for picture in two[0].pictures] == faces[1:]
    assert "This was May" not in tokenizer.decode(two[0].tokens)
    one = read_asks(tokenizer, case(talk), rounds, JudgeLimits("judge_brief", 4000, 1000, PictureLimits(1)))
    assert [picture.path for picture in one[0].pictures] == faces[2:]


def test_the_tokens_of_pictures_count_in_a_judges_history(tokenizer, talk):
    rounds = ("history",)
    shown = [
        read_asks(tokenizer, case(talk), rounds, JudgeLimits("judge_brief", most, 1000, PictureLimits(3)))[0]
        for most in range(16, 120)
    ]
    sizes = [len(ask.tokens) for ask in shown]
    assert sizes == sorted(sizes)
    empty = sizes[0] - 16  # what stands around the conversation
    for most, ask in enumerate(shown, start=16):
        assert len(ask.tokens) <= empty + most + 16
    assert {len(ask.pictures) for ask in shown} == {1, 2, 3}
