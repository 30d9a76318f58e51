"""Checks of a reward function's result: finite numbers, and no encouragement to pass over a danger."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np

from compeer_jax.dialogue.danger.conduct import reply_faults
from compeer_jax.dialogue.danger.find import Danger, danger_in_talk
from compeer_jax.errors import UserError
from compeer_jax.rewards.reward import Completion, RewardFunction, Rewards


def checked(function: Callable[[Sequence[Completion], jax.Array], object], name: str) -> RewardFunction:
    """`function`, whose result is checked: N finite numbers in every array.

    Raises (when called):
        UserError: wrong shape, not numbers, NaN or infinity; the sentence names the function and the part.
    """

    def call(completions: Sequence[Completion], key: jax.Array) -> Rewards:
        result = function(completions, key)
        if not isinstance(result, Rewards):
            result = Rewards(total=result)
        total = _numbers(result.total, len(completions), f"reward {name!r}")
        parts = {
            part: _numbers(values, len(completions), f"part {part!r} of reward {name!r}")
            for part, values in result.parts.items()
        }
        return Rewards(total, parts, dict(result.diagnostics))

    return call


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


def _numbers(values: object, count: int, what: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} returned {type(values).__name__}, which is no array of numbers.") from error
    if array.shape != (count,):
        raise UserError(f"{what} returned shape {array.shape} for {count} completions; it must be ({count},).")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise UserError(f"{what} returned {array[bad[0]]} for completion {bad[0]} of {count}; rewards must be finite.")
    return array
