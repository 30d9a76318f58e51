"""The reward that a config names, found and checked."""

import dataclasses
import importlib
from collections.abc import Callable, Sequence

import jax
import numpy as np

from compeer_jax.dialogue.reasoning import COMPEER, ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.rewards.config import PartWeights, RewardConfig
from compeer_jax.rewards.judge import Judge, judge_reward
from compeer_jax.rewards.reward import Completion, RewardFunction, Rewards
from compeer_jax.rewards.rules import RuleJudge

JUDGES = ("rules",)


def load_reward(
    config: RewardConfig, format: ReasoningFormat = COMPEER, *, mesh: jax.sharding.Mesh | None = None
) -> RewardFunction:
    """The reward that a config names: one of `JUDGES`, or the dotted path of a function of the user's.

    A function of the user's is called with the completions alone, and may return `Rewards` or any array of N numbers;
    both come out as checked `Rewards`.

    Args:
        config: names it.
        format: of the outputs.
        mesh: where a judge with weights lives.

    Raises:
        UserError: nothing can be had by that name, or the judge can't read that format.
    """
    if config.judge in JUDGES:
        if format is not COMPEER:
            raise UserError(
                f"reward.judge {config.judge!r} reads 'compeer' outputs, not {format.name!r}; "
                "bring a reward of your own."
            )
        return checked(judge_reward(_judge(config, mesh), dataclasses.asdict(config.weights)), config.judge)
    if config.weights != PartWeights():
        raise UserError(
            f"reward.weights weigh the parts of a judge; reward.judge {config.judge!r} has to weigh its own, "
            "so leave them out."
        )
    function = _imported(config.judge)
    return checked(lambda completions, key: function(completions), config.judge)


def _judge(config: RewardConfig, mesh: jax.sharding.Mesh | None) -> Judge:
    return RuleJudge()


def _imported(name: str) -> Callable[[Sequence[Completion]], object]:
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise UserError(
            f"reward.judge {name!r} is none of {', '.join(JUDGES)}, nor a dotted path such as 'my_module.my_reward'."
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"reward.judge {name!r} can't be imported ({error}); put its module on PYTHONPATH or mend the path."
        ) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise UserError(f"reward.judge {name!r}: module {module_name!r} has no function {attribute!r}.")
    return function


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
