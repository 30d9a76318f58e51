"""The folder of a run as `compeer grpo` leaves it, with outputs that are rated for real but written by no model."""

import dataclasses
import zlib
from pathlib import Path

import jax
import numpy as np

from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.rewards.config import PartWeights, RewardConfig
from compeer_jax.rewards.encoders import encode_token_counts, output_lengths
from compeer_jax.rewards.judge import judge_reward
from compeer_jax.rewards.reward import Completion, reference_completion
from compeer_jax.rewards.rules import RuleJudge, word_list
from compeer_jax.rl.reward_shaping import shape_rewards
from compeer_jax.runs.folder import RunFolder
from compeer_jax.runs.metrics import MetricWriter
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.samples import log_rollout


class Words:
    """A tokenizer whose tokens are words."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [zlib.crc32(word.encode()) for word in word_list(text)]


def logged_run(path: Path, *, steps=4, prompts=3, group_size=4, scale="group", **reward) -> RunFolder:
    """Steps of prompts from the bundled dialogues; each output is one of five kinds, drawn at random."""
    settings = RewardConfig(**reward)
    config = GRPOConfig(output=str(path), steps=steps, prompts_per_step=prompts, group_size=group_size, reward=settings)
    config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, scale=scale))
    folder = RunFolder.open(path, dataclasses.asdict(config))
    (folder.checkpoints / "1").mkdir(exist_ok=True)
    judge = judge_reward(RuleJudge(), dataclasses.asdict(settings.weights))
    records = load_records(DataConfig(path="sample", limit=40)).train
    rng = np.random.default_rng(0)
    with MetricWriter(folder) as metrics:
        for step in range(1, steps + 1):
            chosen = rng.choice(len(records), prompts, replace=False)
            completions = [output(rng, records, records[row]) for row in chosen for _ in range(group_size)]
            rewards = judge(completions, jax.random.key(step))
            lengths = output_lengths(completions, settings.length_unit, Words(), of=settings.length_of)
            shaped = shape_rewards(
                np.float32(rewards.total).reshape(prompts, group_size),
                *encode_token_counts(completions, group_size, Words()),
                np.float32(lengths).reshape(prompts, group_size),
                alpha=settings.alpha,
                beta=settings.beta,
                sign=settings.sign,
                cosine=settings.cosine,
                length_mean=settings.length_mean,
                reweighting=settings.reweighting,
                scale=scale,
            )
            log_rollout(folder, step, completions, rewards, jax.device_get(shaped), lengths)
            metrics.write(step, {"reward": float(rewards.total.mean())})
    return folder


def output(rng: np.random.Generator, records, record) -> Completion:
    """The reference, another record's, one that repeats the seeker, one that repeats itself, or one of broken form."""
    own, other = (reference_completion(item, COMPEER).text for item in (record, records[rng.integers(len(records))]))
    response = record.reference.response
    kind = rng.integers(5)
    text = (
        own,
        other,
        own.replace(response, record.history[-1].content),
        own.replace(response, f"{response} {response} {response}"),
        own.replace("</emotion>", ""),
    )[kind]
    return Completion(record, text, COMPEER.parse(text), truncated=bool(kind == 4))


WEIGHTS = PartWeights(response=2.0, format=0.5)
