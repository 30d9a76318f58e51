"""Reinforcement learning on arrays: advantages, policy losses, redundancy, log-probabilities; no model, no strings.

Every function can be jitted and mapped, and differentiated where that makes sense; shapes are in the signatures.

The names in `__all__`, their arguments, and what they return follow semantic versioning: within a major version they
are added to, not changed or taken away. Everything else in this package may change at any time.
"""

# Bound after the modules are loaded: `policy_loss` is a module's name too, and here means the function.
from compeer_jax.rl.advantages import equal_reward_share, group_advantages
from compeer_jax.rl.logprobs import token_logprobs
from compeer_jax.rl.policy_loss import kl_divergence, policy_loss, reduce_tokens
from compeer_jax.rl.redundancy import cosine_redundancy, length_coefficient, reweight
from compeer_jax.rl.reward_shaping import RewardSettings, ShapedRewards, shape_rewards, shape_verdicts
from compeer_jax.rl.reward_sweep import SettingSummary, SweptRewards, sweep_rewards, sweep_summaries

__all__ = [
    "RewardSettings",
    "SettingSummary",
    "ShapedRewards",
    "SweptRewards",
    "cosine_redundancy",
    "equal_reward_share",
    "group_advantages",
    "kl_divergence",
    "length_coefficient",
    "policy_loss",
    "reduce_tokens",
    "reweight",
    "shape_rewards",
    "shape_verdicts",
    "sweep_rewards",
    "sweep_summaries",
    "token_logprobs",
]
