"""CARE's reward by rules, level upon level: the output's form, then its nodes, then its strategy.

CARE (Zhu et al., 2025, arXiv:2510.05122) rewards the output format, all reasoning nodes present and in order, and a
support plan whose strategy is the annotated one. How much each counts is not public; the defaults are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from compeer_jax.dialogue.reasoning import RESPONSE, ReasonedTurn, ReasoningFormat
from compeer_jax.rewards.config import HierarchyConfig
from compeer_jax.rewards.reward import Completion, Rewards

LEVELS = ("format", "nodes", "strategy")

_FORM = ("unclosed", "unopened", "nested", "repeated", "extra_text")  # faults of form, whatever part they are in


@dataclass(frozen=True)
class HierarchicalReward:
    """A reward function: the weighted sum of the levels that an output has earned, from 0 to the sum of the weights.

    - format: every tag that is opened is closed, once, nothing nested and nothing outside; there is a response; the
      output came to its end;
    - nodes: every node is there and has a text, and all parts are in order. With `partial`, the share of nodes that
      are there, none if the order is wrong;
    - strategy: the plan's strategy, in any of its spellings, is the record's annotated one.

    With `hierarchy`, a level counts only if all before it are fully earned: a malformed output earns nothing, and a
    right strategy after missing or shuffled nodes nothing further. Where the format or the record has no strategy,
    that level is not earned.
    """

    format: ReasoningFormat
    config: HierarchyConfig

    def __call__(self, completions: Sequence[Completion], key: jax.Array | None = None) -> Rewards:
        """The rewards; nothing in them is random. `parts` are the levels as earned, before the weights."""
        earned = np.array([self._earned(item) for item in completions], np.float32).reshape(-1, len(LEVELS))
        weights = np.array([getattr(self.config, level) for level in LEVELS], np.float32)
        return Rewards(earned @ weights, {level: earned[:, index] for index, level in enumerate(LEVELS)})

    def _earned(self, completion: Completion) -> tuple[float, ...]:
        levels = self.levels(completion.turn, completion.record.reference.labels, truncated=completion.truncated)
        if not self.config.hierarchy:
            return levels
        whole = np.cumprod([1.0, *(level == 1 for level in levels[:-1])])
        return tuple(level * before for level, before in zip(levels, whole, strict=True))

    def levels(self, turn: ReasonedTurn, gold: Mapping[str, str], *, truncated: bool = False) -> tuple[float, ...]:
        """Worth of each level of `LEVELS` in itself, in [0, 1].

        Args:
            turn: the output as parsed.
            gold: annotated labels.
            truncated: whether the output was cut off.
        """
        faults = [problem.partition(":") for problem in turn.problems]
        formed = not truncated and not any(kind in _FORM or part == RESPONSE for kind, _, part in faults)
        absent = {part for kind, _, part in faults if kind in ("missing", "empty") and part != RESPONSE}
        nodes = 1 - len(absent) / len(self.format.steps)
        if "order" in turn.problems or (absent and not self.config.partial):
            nodes = 0.0
        strategy = "strategy" in turn.labels and turn.labels["strategy"] == gold.get("strategy")
        return float(formed), nodes, float(strategy)
