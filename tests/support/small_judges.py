"""Judges with very small weights, what they are asked, and models that always say the same."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jax
from chain_model import chain_model
from gold_records import completion

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.dialogue.judging import conversations
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.rewards.config import JudgeModelsConfig
from compeer_jax.rewards.conversation import Conversation
from compeer_jax.rewards.generative_judge import case_of
from compeer_jax.rewards.judge_card import JudgeCard

KEY = jax.random.key(3)
LIMITS = JudgeLimits("judge_brief", max_history_tokens=64, max_part_tokens=48)
CARD = JudgeCard("unifi", "compeer", LIMITS, max_new_tokens=6)
MODELS = JudgeModelsConfig(dtype="float32")


def parrot(directory: Path, base: Path, kind: str, reply: str) -> Path:
    """A judge that always says `reply`: its next token depends on the last one alone."""
    tokenizer = load_tokenizer(base)
    said = [tokenizer.decode(token) for token in tokenizer.encode(f"{reply}<|im_end|>", add_special_tokens=False)]
    assert len(set(said)) == len(said), "a token that comes twice has two followers"
    chain_model(directory, base, {last: [following] for last, following in pairwise(["\n", *said])})
    replace(CARD, kind=kind, max_new_tokens=len(said) + 1).write(directory)
    return directory


def asked(*items) -> list[Conversation]:
    (rounds,) = conversations("unifi", COMPEER)
    return [Conversation(case_of(item, COMPEER), rounds) for item in items]


ITEMS = [
    completion(prompt="a#1"),
    completion(prompt="a#1", response="I see.", stage="action"),
    completion(prompt="b#1", missing=["emotion"]),
    completion(prompt="b#1", response="What would help you tonight? " * 3),
]
