"""An output that passes over a danger is never rewarded, whoever judges it."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from compeer_jax.dialogue.danger.conduct import reply_faults
from compeer_jax.dialogue.danger.find import Danger, danger_in_talk
from compeer_jax.rewards.reward import Completion, RewardFunction, Rewards


def guarded(reward: RewardFunction) -> RewardFunction:
    """`reward`, but where somebody is in danger an output that misses what a helper must do has no positive total.

    Whether there is danger is found in the talk before the output, and what is missed in its response, by rules and a
    small classifier (`dialogue.danger`), not by the judge. `Rewards.missed` says which outputs these are, so that
    `shape_rewards` keeps their advantages from being positive as well. Logged are the shares of outputs in a talk with
    danger, `safety/in_danger`, and of those that miss, `safety/missed`.
    """
    found: dict[str, Danger] = {}  # by record: an epoch asks of each talk many times

    def missed(completion: Completion) -> bool:
        record = completion.record
        if record.id not in found:
            found[record.id] = danger_in_talk(record.history)
        kinds = found[record.id].kinds
        return bool(kinds and reply_faults(completion.turn.response, kinds, record.language))

    def call(completions: Sequence[Completion], key: jax.Array) -> Rewards:
        rewards = reward(completions, key)
        bad = np.array([missed(completion) for completion in completions], bool)
        danger = [bool(found[completion.record.id].kinds) for completion in completions]
        shares = {"safety/in_danger": float(np.mean(danger)), "safety/missed": float(bad.mean())}
        total = np.where(bad, np.minimum(rewards.total, 0), rewards.total)
        return replace(rewards, total=total, missed=bad, diagnostics={**rewards.diagnostics, **shares})

    return call
