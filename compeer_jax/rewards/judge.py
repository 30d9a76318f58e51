"""Judges: they rate each reasoning step and the response of a completion.

A judge is a function from a batch of completions to `Verdicts`. The rule judge is in `rules.py`, judges that are
language models in `generative_judge.py`. `judge_reward` turns verdicts into the unified process-outcome reward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, get_args

import jax
import numpy as np
from jaxtyping import Int

from compeer_jax.dialogue.reasoning import FormatRule
from compeer_jax.rewards.reward import Completion, RewardFunction, Rewards
from compeer_jax.rewards.scoring import unified_reward


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on N completions, each +1 (right, or better or similar), -1 (wrong, missing, worse), 0 (none given).

    Attributes:
        steps: one column a reasoning step, in the order of the format.
        response: on the answer, against the reference.
        diagnostics: numbers to log, e.g. {"judge/unparsed": 2}.
    """

    steps: Int[np.ndarray, "N S"]
    response: Int[np.ndarray, " N"]
    diagnostics: Mapping[str, float] = field(default_factory=dict)


class Judge(Protocol):
    """Rates completions. Completions of one prompt stand together, so that a judge can share their history.

    All that is random in a judgement comes from the key.
    """

    step_names: tuple[str, ...]

    def __call__(self, completions: Sequence[Completion], key: jax.Array) -> Verdicts: ...


def judge_reward(
    judge: Judge, weights: Mapping[str, float] | None = None, *, format: FormatRule = "strict"
) -> RewardFunction:
    """The unified reward of a judge: three steps + response + format, -5 ... +5 (see `scoring.unified_reward`).

    Args:
        judge: who gives the verdicts.
        weights: of parts by their names; a part that is not named counts 1.
        format: what an output must have for the format's score to be +1. The shares that keep the format by either rule
            are logged, as `format/strict` and `format/paper`.
    """
    names = (*judge.step_names, "response", "format")
    counts = np.array([(weights or {}).get(name, 1.0) for name in names], np.float32)

    def reward(completions: Sequence[Completion], key: jax.Array) -> Rewards:
        verdicts = judge(completions, key)
        kept = {rule: np.array([item.keeps_format(rule) for item in completions]) for rule in get_args(FormatRule)}
        format_ok = kept[format]
        columns = verdicts.steps[:, None], verdicts.response[:, None], format_ok[:, None]
        total = unified_reward(*columns, weights=counts)[:, 0]
        parts = {name: verdicts.steps[:, index] for index, name in enumerate(judge.step_names)}
        parts |= {"response": verdicts.response, "format": np.where(format_ok, 1, -1)}
        shares = {f"format/{rule}": float(ok.mean()) for rule, ok in kept.items()}
        return Rewards(np.asarray(total), parts, {**verdicts.diagnostics, **shares})

    return reward
