"""Judges that see: one is trained on talks with faces, and in this process says what transformers has it say."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
from gold_records import completion
from PIL import Image
from safetensors.numpy import load_file
from small_judges import KEY, MODELS, asked
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from compeer_jax.cli.configure import parse_config
from compeer_jax.data.judge_chat import read_asks
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.in_process import InProcessJudge
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.load import check_pictures
from compeer_jax.training.reward import train_reward
from compeer_jax.training.reward_config import RewardTrainConfig

SETTINGS = """
model: {path: START, dtype: float32}
data: {path: sample_faces, limit: 8}
limits: {prompt: judge_brief, max_history_tokens: 96, max_part_tokens: 64, pictures: {most: 2, max_tokens: 12}}
max_new_tokens: 96
optimizer: {learning_rate: 1.0e-3}
steps: 2
batch_size: 4
eval_records: 4
"""
NEW = 4


@pytest.fixture(scope="module")
def trained(seeing, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    (folder / "reward.yaml").write_text(SETTINGS.replace("START", str(seeing[0])))
    arguments = ["--config", str(folder / "reward.yaml"), "--output", str(folder / "run")]
    run = train_reward(parse_config(RewardTrainConfig, arguments, command="", description=""))
    directory = run / "model"
    replace(JudgeCard.read(directory), max_new_tokens=NEW).write(directory)
    return directory


def test_a_judge_learns_with_pictures_and_keeps_the_tower(seeing, trained):
    start, learnt = load_file(seeing[0] / "model.safetensors"), load_file(trained / "model.safetensors")
    assert learnt.keys() == start.keys()
    for name, value in learnt.items():
        tower = name.startswith("visual.") and "merger" not in name
        assert np.array_equal(value, start[name]) == tower, name
    assert JudgeCard.read(trained).limits.pictures.most == 2


def test_its_replies_are_those_of_transformers_for_talks_with_pictures_and_without(trained, tmp_path):
    for number, size in enumerate(((84, 56), (56, 112))):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    shown = tuple(str(tmp_path / f"{number}.png") for number in range(2))
    items = []
    for prompt, images in (("a#1", shown), ("b#1", ())):
        for response in (None, "I see."):
            item = completion(response, prompt=prompt)
            history = (Turn("seeker", "This is me before the exam.", images=images),)
            items.append(replace(item, record=replace(item.record, history=history)))
    conversations = asked(*items)
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    judge = InProcessJudge(trained, "unifi", COMPEER, MODELS, mesh)
    replies = judge(conversations, KEY, group_size=2)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(trained, attn_implementation="eager").eval()
    process = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * 784, "longest_edge": 12 * 784})
    tokenizer = judge._tokenizer
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    for conversation, answers in list(zip(conversations, replies, strict=True))[1:3]:
        talk = []
        asks = read_asks(tokenizer, conversation.case, conversation.rounds, judge.card.limits)
        for ask, answer in zip(asks, answers, strict=True):
            talk += ask.tokens
            ids = torch.tensor([talk])
            seen = {"mm_token_type_ids": (ids == model.config.image_token_id).long()}
            if asks[0].pictures:
                images = [Image.open(picture.path) for picture in asks[0].pictures]
                seen |= process(images=images, return_tensors="pt")
            given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen}
            with torch.no_grad():
                drawn = model.generate(**given, max_new_tokens=NEW, do_sample=False, eos_token_id=stop, pad_token_id=0)
            said = drawn[0, len(talk) : -1].tolist()  # the stop token, or the last one, which gives way to it
            assert answer.written == tokenizer.decode(said, skip_special_tokens=False)
            talk += said


def test_a_judge_that_is_to_see_what_records_do_not_show_is_refused(trained):
    reward = RewardConfig(judge="unifi", models=replace(MODELS, unifi=str(trained)))
    with pytest.raises(UserError, match=r"limits.pictures.most of the judge in .* is 2 and data.pictures.most is 0"):
        check_pictures(reward, DataConfig())
