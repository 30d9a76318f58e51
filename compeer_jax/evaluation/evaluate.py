"""A model, rated on held-out dialogues."""

from dataclasses import dataclass, field
from typing import Literal

import jax
from flax import nnx

from compeer_jax.data.records import DataConfig, encode_prompts, load_records, spread
from compeer_jax.errors import require_at_least
from compeer_jax.evaluation.policy_report import PolicyReport, policy_report
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.source import ModelConfig, load_model, model_directory
from compeer_jax.models.tokenizer import chat_ids, load_tokenizer
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.completions import read_completions
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Completion


@dataclass(frozen=True)
class EvalConfig:
    """Rates a model on held-out dialogues: format, labels, reward, redundancy, diversity.

    Args:
        split: which part of the dialogues.
        records: use at most this many records, spread over the split (0: all).
        group_size: outputs a prompt, for redundancy within a group.
        reward: the reward to report, as grpo has it; its reweighting plays no part here.
        batch_size: prompts generated at once.
        seed: seed of the sampling.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    split: Literal["train", "valid", "test"] = "test"
    records: int = 0
    group_size: int = 4
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self):
        require_at_least(1, self, "", "group_size", "batch_size")
        require_at_least(0, self, "", "records")


def evaluate(config: EvalConfig) -> tuple[PolicyReport, list[Completion]]:
    """Samples `group_size` outputs for each record of the split and reports on them.

    Raises:
        UserError: anything in the settings, the data or the model that does not fit.
    """
    mesh = make_mesh(config.mesh)
    reward = load_reward(config.reward, config.data.reasoning, mesh=mesh)
    directory = model_directory(config.model.path)
    tokenizer = load_tokenizer(directory)
    records = getattr(load_records(config.data), config.split)
    prompts = encode_prompts(records, tokenizer, config.data)
    records = spread([record for record in records if record.id in prompts], config.records)
    graphdef, params = nnx.split(load_model(config.model, mesh), nnx.Param)
    stop_ids, pad_id = chat_ids(tokenizer)
    engine = Engine(graphdef, sampling=config.sampling, stop_ids=stop_ids, pad_id=pad_id)
    engine.check(params, list(prompts.values()))
    key = jax.random.key(config.seed)
    completions: list[Completion] = []
    with jax.set_mesh(mesh):
        for start in range(0, len(records), config.batch_size):
            chosen = records[start : start + config.batch_size]
            # One compiled shape for the last batch too.
            filled = chosen + chosen[:1] * (config.batch_size - len(chosen))
            asked = [prompts[record.id] for record in filled]
            rollout = engine.generate(params, asked, jax.random.fold_in(key, start), config.group_size)
            drawn = read_completions(rollout, filled, tokenizer, config.data.reasoning)
            completions += drawn[: len(chosen) * config.group_size]
        rewards = reward(completions, jax.random.fold_in(key, len(records)))
    return policy_report(completions, config.group_size, rewards, tokenizer), completions
