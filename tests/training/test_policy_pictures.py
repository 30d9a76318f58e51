"""GRPO with pictures: log-probs and gradients are those of transformers, in all rows; runs learn what they drew."""

import jax
import numpy as np
import pytest
import torch
import vision_port
from flax import nnx
from safetensors.numpy import load_file
from small_runs import weights
from tiny_vision import IMAGE, START, chats, torch_vl

from compeer_jax.generation.engine import Engine
from compeer_jax.generation.rollout import Rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.hf_names import decoder_names, hf_tensors
from compeer_jax.models.picture_positions import SeenPicture, seen_prompts
from compeer_jax.parallel.exchange import fetch
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import GRPOConfig, LossConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.learner_batch import learner_batch
from compeer_jax.training.packing import one_a_row, pack
from compeer_jax.training.policy_update import PolicyBatch, count_whole, make_logprobs, make_policy_loss

GROUP, LENGTH = 2, 5
TOLERANCE = 5e-5  # as check_port.py has it: of log-probs, and of gradients beside the largest
ADVANTAGES = np.array([1.0, -0.5, 0.7, 0.2, -1.0, 0.4, 0.9, -0.3], np.float32)
LENGTHS = (5, 3, 4, 5, 2, 5, 5, 1)
LAYOUTS = {
    "one a row": one_a_row,
    "packed": lambda batch: pack(batch, pack_length=128),
    "a prompt each": lambda batch: pack(batch, pack_length=128, shared=False),
}


class Shown:
    """Four prompts: with a picture, with none, with two, and the first one's words with another picture."""

    def __init__(self):
        given = chats((0,), (), (1, 0), seed=4)
        self.prompts = [given.ids[row, given.mask[row] != 0] for row in range(3)]
        sizes = given.grid_thw.prod(axis=1)
        parts = np.split(given.pixel_values, np.cumsum(sizes)[:-1])
        other = parts[0][::-1]  # its patches in another order
        self.prompts.append(self.prompts[0])
        self.pixels = [parts[:1], [], parts[1:], [other]]
        self.grids = [given.grid_thw[:1], given.grid_thw[:0], given.grid_thw[1:], given.grid_thw[:1]]


@pytest.fixture(scope="module")
def shown() -> Shown:
    return Shown()


@pytest.fixture(scope="module")
def completions() -> np.ndarray:
    return np.random.default_rng(1).integers(0, START, (len(LENGTHS), LENGTH)).astype(np.int32)


@pytest.fixture(scope="module")
def theirs():
    return torch_vl()


@pytest.fixture(scope="module")
def wanted(theirs, shown, completions) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Log-probs of each completion, and gradients of Eq. 2 on policy, by transformers."""
    theirs.zero_grad()
    loss, logps = torch.zeros(()), []
    for row, (size, advantage) in enumerate(zip(LENGTHS, ADVANTAGES.tolist(), strict=True)):
        prompt, pixels, grids = (part[row // GROUP] for part in (shown.prompts, shown.pixels, shown.grids))
        ids = torch.tensor(np.concatenate([prompt, completions[row, :size]])[None].astype(np.int64))
        seen = {"mm_token_type_ids": (ids == IMAGE).long()}
        if pixels:
            seen |= {"pixel_values": torch.tensor(np.concatenate(pixels)), "image_grid_thw": torch.tensor(grids)}
        scores = theirs(input_ids=ids, attention_mask=torch.ones_like(ids), **seen).logits[0, :-1].log_softmax(-1)
        found = scores.gather(1, ids[0, 1:, None])[-size:, 0]
        loss = loss - advantage * (found - found.detach()).exp().mean() / len(LENGTHS)
        logps.append(found.detach().numpy())
    loss.backward()
    learnt = (one for one in theirs.named_parameters() if "visual" not in one[0] or "merger" in one[0])
    return logps, {name: one.grad.numpy() for name, one in learnt}


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory) -> vision_port.Model:
    path = tmp_path_factory.mktemp("vl") / "model"
    theirs.save_pretrained(path)
    return vision_port.load(path)


@pytest.fixture(scope="module")
def pictures(ours, shown) -> list[list[SeenPicture]]:
    """What the tower gives for each prompt's."""
    return [
        vision_port._see(ours, np.concatenate(pixels), grids) if pixels else []
        for pixels, grids in zip(shown.pixels, shown.grids, strict=True)
    ]


def learnt_from(drawn: Rollout, shown: Shown, pictures) -> PolicyBatch:
    config = GRPOConfig(output="", group_size=GROUP, prompts_per_step=4)
    seen = seen_prompts(shown.prompts, pictures, IMAGE)
    return learner_batch(drawn, [prompt.tolist() for prompt in shown.prompts], ADVANTAGES, 0, config, seen)


@pytest.fixture(scope="module")
def batch(shown, pictures, completions) -> PolicyBatch:
    """The outputs as a rollout gives them, with what the tower sees."""
    mask = np.arange(LENGTH) < np.array(LENGTHS)[:, None]
    drawn = Rollout(completions, mask, np.zeros(mask.shape, np.float32), np.ones(len(mask), bool))
    return learnt_from(drawn, shown, pictures)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_log_probs_and_gradients_are_those_of_transformers(ours, batch, wanted, layout):
    packed, slots = LAYOUTS[layout](batch)
    graphdef, params = nnx.split(ours.lm, nnx.Param)
    logps = np.asarray(make_logprobs(graphdef, 1.0, 1)(params, packed)).reshape(-1, LENGTH)[slots]
    for row, found in enumerate(wanted[0]):
        np.testing.assert_allclose(logps[row, : len(found)], found, atol=TOLERANCE)
    loss = make_policy_loss(graphdef, LossConfig(), SamplingConfig(max_new_tokens=LENGTH))
    gradients, _ = jax.jit(jax.grad(loss, has_aux=True))(params, packed, count_whole(packed))
    flat = dict(nnx.to_flat_state(gradients))
    tensors = hf_tensors(gradients, decoder_names(ours.lm.config).newer)
    found = {one.name: one.to_hf(np.asarray(flat[one.path][...])) for one in tensors}
    assert found.keys() == wanted[1].keys()
    for name, gradient in wanted[1].items():
        error = np.abs(found[name] - gradient).max() / max(1.0, np.abs(gradient).max())
        assert error <= TOLERANCE, name


@pytest.mark.parametrize("at_once", [0, 3], ids=["one loop", "three slots"])
def test_the_learner_finds_the_log_probs_that_the_sampler_drew_with(ours, shown, pictures, at_once):
    graphdef, params = nnx.split(ours.lm, nnx.Param)
    engine = Engine(graphdef, sampling=SamplingConfig(LENGTH), stop_ids=(), pad_id=0, slots=at_once)
    prompts = [prompt.tolist() for prompt in shown.prompts]
    drawn = fetch(engine.generate(params, prompts, jax.random.key(2), GROUP, pictures=pictures))
    packed, slots = pack(learnt_from(drawn, shown, pictures), pack_length=128)
    logps = np.asarray(make_logprobs(graphdef, 1.0, 1)(params, packed)).reshape(-1, LENGTH)[slots]
    np.testing.assert_allclose(logps, drawn.logps, atol=TOLERANCE)


def test_a_row_holds_the_pictures_of_a_prompt_once(batch):
    packed, _ = pack(batch, pack_length=128)
    tokens = (packed.tokens == IMAGE) & (packed.segments != 0)
    assert (packed.pictures.index >= 0).sum() == tokens.sum() == 6 + 0 + 26 + 6
    states = [index[index >= 0] for index in packed.pictures.index]
    assert all(sorted(row) == list(range(len(row))) for row in states)


def test_where_no_prompt_shows_any_the_batch_is_that_of_texts(batch):
    texts = jax.tree.map(lambda array: array[2:4], batch)
    for lay_out in LAYOUTS.values():
        with_seen, without = lay_out(texts)[0], lay_out(texts._replace(seen=None))[0]
        assert with_seen.pictures is None
        jax.tree.map(np.testing.assert_array_equal, with_seen, without)


@pytest.mark.long
@pytest.mark.parametrize("changes", [("--row_tokens", "0"), ("--slots", "6")], ids=["one a row", "packed, in slots"])
def test_a_run_learns_from_the_very_probabilities_that_it_drew_with(seeing, configure, changes):
    path = seeing[0]
    shown = ("--data.path", "sample_faces", "--data.pictures.most", "2", "--data.pictures.max_tokens", "12")
    short = ("--data.max_prompt_tokens", "224", "--data.limit", "8", "--steps", "2", "--minibatches", "2")
    of_run = ("--loss.kl_coefficient", "0.1", "--reward.judge", "user_rewards.brevity")
    of_run += ("--optimizer.learning_rate", "1e-6")  # minibatches after the first have learnt weights
    run = train_grpo(configure(GRPOConfig, "--model.path", str(path), *shown, *short, *of_run, *changes))
    first, second = read_metrics(run / "metrics.jsonl")
    for row in (first, second):
        assert row["grad_norm"] > 0
        assert row["sampling/logp_difference"] < 1e-3
    start, learnt = load_file(path / "model.safetensors"), weights(run)
    assert learnt.keys() == start.keys()
    for name, value in learnt.items():
        tower = name.startswith("visual.") and "merger" not in name
        assert np.array_equal(value, start[name]) == tower, name
