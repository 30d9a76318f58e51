"""Generation with pictures: greedy tokens of mixed batches equal transformers', in one loop, in slots, in rounds."""

from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import vision_port
from flax import nnx
from tiny import tiny_config
from tiny_vision import IMAGE, MIXED, chats, torch_vl

from compeer_jax.errors import UserError
from compeer_jax.generation import ConversationEngine, Engine, SamplingConfig
from compeer_jax.models.decoder import abstract, from_pretrained
from compeer_jax.models.picture_positions import SeenPicture
from compeer_jax.models.vision_inputs import Grid

COUNT = 6
CHATS = chats(*MIXED)


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


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    return [CHATS.ids[row, CHATS.mask[row] != 0].tolist() for row in range(len(CHATS.ids))]


@pytest.fixture(scope="module")
def wanted(theirs) -> np.ndarray:
    with torch.no_grad():
        drawn = theirs.generate(**CHATS.for_torch(), max_new_tokens=COUNT, min_new_tokens=COUNT, do_sample=False)
    return drawn[:, CHATS.ids.shape[1] :].numpy()


@pytest.fixture(scope="module")
def seen(ours, prompts) -> list[list[SeenPicture]]:
    return vision_port._by_row(ours, prompts, *CHATS[2:])


@pytest.mark.parametrize(("slots", "scan_layers"), [(0, False), (2, False), (0, True)], ids=str)
def test_greedy_tokens_of_a_mixed_batch_equal_transformers(ours, directory, wanted, slots, scan_layers):
    model = ours if not scan_layers else ours._replace(lm=from_pretrained(directory, scan_layers=True))
    np.testing.assert_array_equal(vision_port.greedy(model, *CHATS, COUNT, slots=slots), wanted)


def test_outputs_of_a_group_share_their_prompts_pictures_and_go_on_from_them(ours, prompts, wanted, seen):
    graphdef, params = nnx.split(ours.lm, nnx.Param)
    engine = Engine(graphdef, sampling=SamplingConfig(COUNT, temperature=0.0), stop_ids=(), pad_id=0, slots=3)
    drawn = engine.generate(params, prompts, jax.random.key(0), group_size=2, pictures=seen)
    np.testing.assert_array_equal(np.asarray(drawn.tokens), np.repeat(wanted, 2, axis=0))


def test_a_judges_rounds_see_the_pictures_of_what_they_share(ours, theirs, prompts, seen):
    graphdef, params = nnx.split(ours.lm, nnx.Param)
    engine = ConversationEngine(graphdef, sampling=SamplingConfig(COUNT, temperature=0.0), stop_ids=(95,), pad_id=0)
    shared, pictures = [prompts[0], prompts[2]], [seen[0], seen[2]]
    conversations = [[[*prefix, 5, 6 + member], [95, 7, 8, 9]] for prefix in shared for member in range(2)]
    replies = engine.reply(params, conversations, jax.random.key(0), group_size=2, pictures=pictures)
    own = chats((0,), (), (1, 2), (3,))
    sizes = (own.grid_thw[:1], own.grid_thw[1:3])
    ends = np.cumsum([0, *own.grid_thw.prod(axis=1)])
    pixels = (own.pixel_values[: ends[1]], own.pixel_values[ends[1] : ends[3]])
    for number, (conversation, rounds) in enumerate(zip(conversations, replies, strict=True)):
        text = []
        for ask, reply in zip(conversation, rounds, strict=True):
            text += ask
            given = torch.tensor([text])
            with torch.no_grad():
                drawn = theirs.generate(
                    input_ids=given,
                    attention_mask=torch.ones_like(given),
                    mm_token_type_ids=(given == IMAGE).long(),
                    pixel_values=torch.tensor(pixels[number // 2]),
                    image_grid_thw=torch.tensor(sizes[number // 2]),
                    max_new_tokens=COUNT,
                    do_sample=False,
                    eos_token_id=95,
                    pad_token_id=0,
                )[0, len(text) :].tolist()
            said = drawn[:-1]  # the stop token, or the last one, which a stop token replaces
            assert reply.tokens == said
            text += said


@pytest.mark.parametrize(
    ("prompt", "pictures", "said"),
    [
        ([1, IMAGE, IMAGE, 2], [], "Prompt 0: a text has 2 image tokens for 0 pictures"),
        ([1, 2], [(1, 2)], "Prompt 0: a text has 0 image tokens for 1 pictures of 2 tokens"),
        ([1, IMAGE, IMAGE], [(1, 2)], "Prompt 0 ends in a picture; a model answers words"),
    ],
)
def test_prompts_without_places_for_their_pictures_are_refused(ours, prompt, pictures, said):
    graphdef, params = nnx.split(ours.lm, nnx.Param)
    engine = Engine(graphdef, sampling=SamplingConfig(COUNT), stop_ids=(), pad_id=0)
    size = ours.lm.config.vision.state_size
    shown = [[SeenPicture(Grid(*grid), np.zeros((grid[0] * grid[1], size), np.float32)) for grid in pictures]]
    with pytest.raises(UserError, match=said):
        engine.generate(params, [prompt], jax.random.key(0), pictures=shown)


def test_a_model_that_reads_text_refuses_pictures():
    graphdef, params = abstract(tiny_config())
    engine = Engine(graphdef, sampling=SamplingConfig(COUNT), stop_ids=(), pad_id=0)
    shown = [[SeenPicture(Grid(1, 1), np.zeros((1, 4), np.float32))]]
    with pytest.raises(UserError, match="a model of type 'qwen2' reads text alone; give one that sees"):
        engine.generate(params, [[1, 2]], jax.random.key(0), pictures=shown)
