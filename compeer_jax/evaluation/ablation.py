"""Ablation of the reward's settings over the outputs that a run has logged: what others would have made of them.

Nothing is sampled or judged again: the verdicts, redundancies and lengths of `rollouts/` are put through Eq. 7, 5 and 3
under every setting of a grid, in one compiled call (`rl.reward_sweep`). It says how a setting would have *rated* these
outputs, not what the policy would have become under it.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import numpy as np
from jaxtyping import Float

from compeer_jax.errors import UserError, require_at_least, unknown
from compeer_jax.rl.advantages import SCALES
from compeer_jax.rl.redundancy import Sign
from compeer_jax.rl.reward_shaping import RewardSettings
from compeer_jax.rl.reward_sweep import SettingSummary, sweep_rewards, sweep_summaries
from compeer_jax.runs.folder import RunFolder
from compeer_jax.training.samples import LoggedRollouts, read_rollouts


@dataclass(frozen=True)
class AblateConfig:
    """Which run, and which settings: all combinations of the values, which are separated by commas.

    Args:
        run: folder of a `compeer grpo` run; the tables and the picture go into its folder `ablation`.
        reweighting: whether Eq. 5 is applied: on, off. Where it is off, alpha, beta and sign do nothing.
        alpha: steepness in Eq. 7, above 0.
        beta: lengths at which redundancy counts half, Eq. 7, in the run's unit.
        sign: what Eq. 5 does to negative rewards: paper, aware.
        scale: what divides in Eq. 3: group, batch, none.
        weights: of parts of the reward, such as "response=0,1,2 format=1,0.5"; the others keep the run's.
        last: use the last steps of the run only, this many (0: all).
    """

    run: str
    reweighting: str = "on,off"
    alpha: str = "0.05,0.1,0.25,0.5,1,2"
    beta: str = "0,1,2,5,10,20,50"
    sign: str = "paper,aware"
    scale: str = "group,batch,none"
    weights: str = ""
    last: int = 0

    def __post_init__(self):
        require_at_least(0, self, "", "last")


SWITCH = ("on", "off")


class Setting(NamedTuple):
    """One setting of the reward; `weights` as the parts of the run stand."""

    reweighting: str  # "on" or "off"
    alpha: float
    beta: float
    sign: Sign
    scale: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Ablation:
    """A sweep over settings of a run's reward.

    Attributes:
        rollouts: what was rated.
        axes: name -> values that were crossed; "reweighting", "alpha", "beta", "sign", "scale", and "NAME weight" of
            swept parts.
        settings: all that were tried, the run's own first.
        summary: of each; arrays [S].
        options: what the run says beside the axes, for `sweep_rewards`: length_mean, epsilon, and which outputs passed
            over a danger.
        mismatch: largest distance between the logged advantages and those that the run's own setting gives here: a
            check of both. Rounding is about 1e-5.
    """

    rollouts: LoggedRollouts
    axes: Mapping[str, tuple[Any, ...]]
    settings: tuple[Setting, ...]
    summary: SettingSummary
    options: Mapping[str, Any]
    mismatch: float

    @property
    def base(self) -> Setting:
        """The run's own setting."""
        return self.settings[0]

    def value(self, setting: Setting, axis: str) -> Any:
        """Where a setting stands on an axis."""
        part = axis.removesuffix(" weight")
        return setting.weights[self.rollouts.part_names.index(part)] if part != axis else getattr(setting, axis)

    def differences(self, setting: Setting) -> dict[str, Any]:
        """Axis -> value, where a setting is not the run's own."""
        values = {axis: self.value(setting, axis) for axis in self.axes}
        return {axis: value for axis, value in values.items() if value != self.value(self.base, axis)}


def ablate(config: AblateConfig) -> Ablation:
    """Sweeps the grid.

    Raises:
        UserError: no run or no rollouts there, a grid with a wrong name or number in it, a run whose logged rewards are
            not those that its settings give here (one of a version with other equations), or outputs that no setting
            tells apart.
    """
    folder = RunFolder(Path(config.run).expanduser())
    reward, loss = _run_settings(folder)
    rollouts = read_rollouts(folder, last=config.last)
    parts, names, weights = swept_parts(rollouts, reward.get("weights") or {})
    rollouts = LoggedRollouts(**{**vars(rollouts), "parts": parts, "part_names": names})
    base = Setting(
        reweighting="on" if reward["reweighting"] else "off",
        alpha=float(reward["alpha"]),
        beta=float(reward["beta"]),
        sign=reward["sign"],
        scale=loss["scale"],
        weights=weights,
    )
    axes = {
        "reweighting": _names(config.reweighting, "reweighting", SWITCH),
        "alpha": _numbers(config.alpha, "alpha", above=0),
        "beta": _numbers(config.beta, "beta", least=0),
        "sign": _names(config.sign, "sign", get_args(Sign)),
        "scale": _names(config.scale, "scale", SCALES),
        **_weight_axes(config.weights, names),
    }
    settings = settings_grid(base, axes, names)
    outputs = (rollouts.parts, rollouts.s_in, rollouts.s_hi, rollouts.lengths)
    options = {"length_mean": reward.get("length_mean", "group"), "epsilon": loss["epsilon"], "missed": rollouts.missed}
    own = as_arrays([base])
    again = jax.tree.map(np.asarray, sweep_rewards(own, *outputs, **options))
    apart = float(np.abs(again.rewards[0] - rollouts.reweighted).max())
    if apart > 1e-3 * max(1, float(np.abs(rollouts.reweighted).max())):
        raise UserError(
            f"{folder.path} was rewarded by other equations than these: its logged rewards are up to {apart:.2g} from "
            "what its settings give here, as those of versions before Eq. 5 and 7 had the paper's form; train it anew "
            "to sweep its rewards."
        )
    first = jax.tree.map(lambda array: array[0], own)
    summary = sweep_summaries(as_arrays(settings), first, *outputs, **options)
    if np.all(np.asarray(summary.equal_groups) == 1):
        raise UserError(
            f"the outputs of every group in {folder.rollouts} have equal rewards under every setting, so a sweep says "
            "nothing of them; sweep a run whose judge tells outputs apart."
        )
    mismatch = float(np.abs(again.advantages[0] - rollouts.advantages).max())
    return Ablation(rollouts, axes, tuple(settings), SettingSummary(*map(np.asarray, summary)), options, mismatch)


def swept_parts(
    rollouts: LoggedRollouts, weights: Mapping[str, float]
) -> tuple[Float[np.ndarray, "M B G K"], tuple[str, ...], tuple[float, ...]]:
    """The parts that the reward is the weighted sum of, their names, and the run's weights.

    A reward of the user's own may have no parts, or parts that do not add up to it; then it is the only part itself.
    """
    known = np.array([weights.get(name, 1.0) for name in rollouts.part_names], np.float32)
    sums = rollouts.parts @ known if known.size else rollouts.rewards
    sums = np.where(rollouts.missed, np.minimum(sums, 0), sums)
    if known.size and np.allclose(sums, rollouts.rewards, rtol=1e-4, atol=1e-4):
        return rollouts.parts, rollouts.part_names, tuple(map(float, known))
    return rollouts.rewards[..., None], ("reward",), (1.0,)


def settings_grid(base: Setting, axes: Mapping[str, Sequence], part_names: Sequence[str]) -> list[Setting]:
    """The run's own setting, then those that differ from it in one axis, then all combinations; none twice.

    A run without reweighting is varied with it too: what alpha, beta and sign do shows there alone.
    """
    starts = dict.fromkeys([base, *(moved(base, {"reweighting": value}, part_names) for value in axes["reweighting"])])
    singly = [
        moved(start, {axis: value}, part_names) for axis, values in axes.items() for value in values for start in starts
    ]
    crossed = [
        moved(base, dict(zip(axes, values, strict=True)), part_names) for values in itertools.product(*axes.values())
    ]
    return list(dict.fromkeys([base, *singly, *crossed]))


def as_arrays(settings: Sequence[Setting]) -> RewardSettings:
    """Settings as the sweep takes them, arrays [S]."""
    return RewardSettings(
        reweighting=np.array([setting.reweighting == "on" for setting in settings]),
        alpha=np.array([setting.alpha for setting in settings], np.float32),
        beta=np.array([setting.beta for setting in settings], np.float32),
        aware=np.array([setting.sign == "aware" for setting in settings]),
        weights=np.array([setting.weights for setting in settings], np.float32),
        scale=np.array([SCALES.index(setting.scale) for setting in settings], np.int32),
    )


def moved(base: Setting, values: Mapping[str, Any], part_names: Sequence[str]) -> Setting:
    """`base` with other values on some axes. Without reweighting it keeps what only reweighting reads."""
    weights = [values.get(f"{name} weight", weight) for name, weight in zip(part_names, base.weights, strict=True)]
    plain = {axis: value for axis, value in values.items() if axis in Setting._fields}
    setting = base._replace(**plain, weights=tuple(weights))
    if setting.reweighting == "off":
        setting = setting._replace(alpha=base.alpha, beta=base.beta, sign=base.sign)
    return setting


def _run_settings(folder: RunFolder) -> tuple[dict, dict]:
    """`reward` and `loss` of the run's settings, with all that is read here in them."""
    settings = folder.settings()
    try:
        reward, loss = settings["reward"], settings["loss"]
        numbers = [float(number) for number in (reward["alpha"], reward["beta"], loss["epsilon"])]
        whole = all(map(math.isfinite, numbers)) and isinstance(reward["reweighting"], bool)
        whole = whole and reward["sign"] in get_args(Sign) and loss["scale"] in SCALES
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise UserError(f"{folder.config} has no reward settings; give --run a `compeer grpo` run.")
    return reward, loss


def _numbers(text: str, name: str, least: float = -math.inf, above: float = -math.inf) -> tuple[float, ...]:
    """The numbers of a list such as "0.1, 0.5, 1", each once."""
    try:
        values = tuple(dict.fromkeys(float(item) for item in text.split(",")))
    except ValueError as error:
        raise UserError(f"{name} {text!r} is no list of numbers such as 0,0.5,1.") from error
    for value in values:
        if not (math.isfinite(value) and value >= least and value > above):
            bound = f" of at least {least:g}" if least > -math.inf else f" above {above:g}" if above > -math.inf else ""
            raise UserError(f"{name} has {value:g} among its values; they must be finite numbers{bound}.")
    return values


def _names(text: str, name: str, options: Sequence[str]) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(item.strip() for item in text.split(",")))
    for value in values:
        if value not in options:
            raise unknown(name, value, options)
    return values


def _weight_axes(text: str, part_names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The axes of "response=0,1,2 format=1"."""
    axes = {}
    for item in text.split():
        name, equals, values = item.partition("=")
        if not equals:
            raise UserError(f"weights {text!r} is not of the form response=0,1,2 format=1,0.5.")
        if name not in part_names:
            raise unknown("part of the run's reward", name, part_names, "weights")
        axes[f"{name} weight"] = _numbers(values, f"the weight of {name}")
    return axes
