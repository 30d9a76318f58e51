"""The shipped configs, and which settings each of them sets."""

from pathlib import Path

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.suite_config import SuiteConfig
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.config import BuildConfig
from compeer_jax.evaluation.evaluate import EvalConfig
from compeer_jax.evaluation.reward_eval import RewardEvalConfig
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.reward_config import RewardTrainConfig

CONFIGS = Path(__file__).parents[2] / "configs"
CONFIG_OF = {  # by the end of a file's name
    "sft": SFTConfig,
    "reward": RewardTrainConfig,
    "reward_eval": RewardEvalConfig,
    "grpo": GRPOConfig,
    "eval": EvalConfig,
    "data": BuildConfig,
    "care_data": CareDataConfig,
    "tables": SuiteConfig,
    "esc_eval": EscEvalConfig,
    "sage": SageConfig,
}
OVER = {"scripted_tables": "paper_tables.yaml"}
