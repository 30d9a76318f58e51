"""The paper's consistency study (Figure 5a): does the reply that a judge chooses follow from the reasoning before it?

To each prompt there are several outputs. Each judge chooses the one that it rewards most (rejection sampling). A
checker, a chat model, reads the reasoning and the reply of what was chosen and says whether the second follows from the
first. What it says of an output doesn't depend on who chose it, and is asked once.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from compeer_jax.chat.models import Malformed, Parsed, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.dialogue.consistency import follows_messages
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_step_verdict
from compeer_jax.evaluation.consistency import Paired, clustered_resamples, compare
from compeer_jax.evaluation.judge_accuracy import Estimate, wilson
from compeer_jax.evaluation.saved_outputs import Group
from compeer_jax.evaluation.selection import select_best
from compeer_jax.progress import Progress
from compeer_jax.rewards.generative_judge import case_of
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.reward import Completion

BY_LOT = "by lot"


class Choices(NamedTuple):
    """What one judge chose.

    Attributes:
        members: of each group, the number of the output.
        tied: whether it was drawn among several of the highest reward.
    """

    members: list[int]
    tied: list[bool]


class Checked(NamedTuple):
    """What the checker said of an output: whether the reply follows, None without a verdict; and its words."""

    follows: bool | None
    words: str


class SelectionRow(NamedTuple):
    """A judge's choices.

    Attributes:
        name: of the judge.
        inconsistent: share of the choices whose reply doesn't follow, and its 95 % interval (Wilson's).
        count: how many choices that is a share of.
        tied: share of all choices that were drawn by lot among equals.
        unread: choices of which the checker gave no verdict.
    """

    name: str
    inconsistent: Estimate
    count: int
    tied: float
    unread: int


class Versus(NamedTuple):
    """Two judges on the same prompts; `paired` is of the choices whose reply doesn't follow."""

    first: str
    second: str
    same: int
    paired: Paired


def one_group_a_prompt(groups: Sequence[Group]) -> list[Group]:
    """The last group of each prompt, of those in which at least two outputs have every part."""
    latest = {group[0].record.id: group for group in groups if sum(output.whole for output in group) > 1}
    return list(latest.values())


def choose(groups: Sequence[Group], verdicts: Verdicts | None, key: jax.Array) -> Choices:
    """The output of the highest reward in each group, among those that have every part.

    Args:
        groups: outputs by prompt.
        verdicts: on all of them, one group after the other; a reward is their sum, as the form is kept by all that can
            be chosen. None: all rewards are the same.
        key: of the lots that are drawn among equals.
    """
    sizes = [len(group) for group in groups]
    there = np.arange(max(sizes)) < np.array(sizes)[:, None]
    rewards, whole = np.zeros(there.shape, np.float32), np.zeros(there.shape, bool)
    whole[there] = [output.whole for group in groups for output in group]
    if verdicts is not None:
        rewards[there] = verdicts.steps.sum(axis=1) + verdicts.response
    members, tied = select_best(rewards, whole, key)
    return Choices(np.asarray(members).tolist(), np.asarray(tied).tolist())


def check_all(
    checker: ChatModel, outputs: Mapping[tuple[int, int], Completion], format: ReasoningFormat
) -> dict[tuple[int, int], Checked]:
    """What the checker says of each output, asked a second time where it gave no verdict."""

    def parse(item: tuple[int, int], text: str) -> Checked:
        follows = parse_step_verdict(text)
        if follows is None:
            raise Malformed("no verdict")
        return Checked(follows, text)

    def messages(item: tuple[int, int]) -> Sequence[Mapping]:
        return follows_messages(case_of(outputs[item], format))

    said = {}
    with Progress(len(outputs), checker.name) as progress:
        heard: Callable[[int], None] = lambda done: progress.update(done, {})  # noqa: E731
        for item, answer in ask_each(checker, outputs, messages, parse, progress=heard):
            said[item] = answer.value if isinstance(answer, Parsed) else Checked(None, answer.text)
    return said


def selection_rows(
    chosen: Mapping[str, Choices],
    said: Mapping[tuple[int, int], Checked],
    prompts: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> tuple[list[SelectionRow], list[Versus]]:
    """The row of each judge, and each pair of them on the prompts where the checker gave a verdict on both choices.

    Args:
        chosen: by judge.
        said: by group and member.
        prompts: ids of the groups' prompts.
        resamples: of the bootstrap over prompts, for the intervals of differences.
        seed: of that.
    """
    follows = {
        name: [said[group, member].follows for group, member in enumerate(choices.members)]
        for name, choices in chosen.items()
    }
    rows = []
    for name, choices in chosen.items():
        known = [one for one in follows[name] if one is not None]
        share = wilson(known.count(False), len(known))
        rows.append(SelectionRow(name, share, len(known), float(np.mean(choices.tied)), follows[name].count(None)))
    pairs = []
    for first, second in combinations(chosen, 2):
        both = [at for at in range(len(prompts)) if None not in (follows[first][at], follows[second][at])]
        if both:
            one, other = (inconsistent(follows[name], both) for name in (first, second))
            same = sum(chosen[first].members[at] == chosen[second].members[at] for at in both)
            weights = clustered_resamples([prompts[at] for at in both], resamples, seed)
            pairs.append(Versus(first, second, same, compare(one, other, weights)))
    return rows, pairs


def inconsistent(follows: Sequence[bool | None], rows: Sequence[int]) -> Bool[np.ndarray, " N"]:
    """Whether the choices at `rows`, all of them with a verdict, don't follow."""
    return np.array([follows[at] is False for at in rows])
