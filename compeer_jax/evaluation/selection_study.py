"""Selection study (the paper's Figure 5a): does the reply that a judge chooses follow from the reasoning before it?

To each prompt there are several outputs. Each judge chooses the one that it rewards most (rejection sampling). A
checker, a chat model, reads the reasoning and the reply of what was chosen and says whether the second follows from the
first. What it says of an output doesn't depend on who chose it, and is asked once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from compeer_jax.chat.models import Malformed, Parsed, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.dialogue.consistency import follows_messages
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.verdicts import parse_step_verdict
from compeer_jax.evaluation.estimates import Estimate, Paired, clustered_resamples, paired, share
from compeer_jax.evaluation.saved_outputs import Group
from compeer_jax.progress import Progress
from compeer_jax.report.figures import escaped, save_figure
from compeer_jax.report.table import Table, estimate_cell, percent
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


def select_best(
    rewards: Float[Array, "B G"], candidates: Bool[Array, "B G"], key: Key[Array, ""]
) -> tuple[Int[Array, " B"], Bool[Array, " B"]]:
    """The candidate of the highest reward in each of B groups, and whether it was drawn among several such.

    Ties are drawn by lot. The lots depend on the key alone: judges that are given the same key and find the same
    outputs equal choose the same one.

    Args:
        rewards: of each output.
        candidates: those that may be chosen; at least one in each group.
        key: of the lots.
    """
    rewards = jnp.where(candidates, rewards, -jnp.inf)
    best = candidates & (rewards == rewards.max(axis=1, keepdims=True))
    lots = jax.random.uniform(key, rewards.shape)
    return jnp.where(best, lots, -1.0).argmax(axis=1), best.sum(axis=1) > 1


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
    with Progress(len(outputs), checker.name) as bar:
        answers = ask_each(checker, outputs, messages, parse, progress=lambda done: bar.update(done, {}))
        for item, answer in answers:
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
        unread = follows[name].count(None)
        wrong = share([None if one is None else not one for one in follows[name]])
        rows.append(SelectionRow(name, wrong, len(prompts) - unread, float(np.mean(choices.tied)), unread))
    pairs = []
    for first, second in combinations(chosen, 2):
        both = [at for at in range(len(prompts)) if None not in (follows[first][at], follows[second][at])]
        if both:
            one, other = (inconsistent(follows[name], both) for name in (first, second))
            same = sum(chosen[first].members[at] == chosen[second].members[at] for at in both)
            weights = clustered_resamples([prompts[at] for at in both], resamples, seed)
            pairs.append(Versus(first, second, same, paired(one, other, weights)))
    return rows, pairs


def inconsistent(follows: Sequence[bool | None], rows: Sequence[int]) -> Bool[np.ndarray, " N"]:
    """Whether the choices at `rows`, all of them with a verdict, don't follow."""
    return np.array([follows[at] is False for at in rows])


_HEADINGS = ("inconsistent", "of", "by lot among equals", "no verdict")
_MEANING = (
    "inconsistent: choices of which the checker says that the reply does not follow from the reasoning, with Wilson's "
    "95 % interval. of: choices with a verdict of the checker. by lot among equals: choices that were drawn among "
    "several outputs of the highest reward. no verdict: choices on which the checker gave none, twice; they are in no "
    "share."
)


@dataclass(frozen=True)
class SelectionResults:
    """What judges choose, and how often it does not follow (Figure 5a).

    Attributes:
        prompts: how many.
        outputs: to all of them.
        source: where they are from.
        checker: its name.
        rows: a judge each.
        pairs: each two of them.
    """

    prompts: int
    outputs: int
    source: str
    checker: str
    rows: Sequence[SelectionRow]
    pairs: Sequence[Versus]

    @property
    def title(self) -> str:
        """What was chosen from, and who checked."""
        return (
            f"{self.prompts:,} prompts of {self.source}, {self.outputs / self.prompts:.1f} outputs each, one chosen by "
            f"each judge, checked by {self.checker}: percent"
        )

    @property
    def comparisons(self) -> list[str]:
        """Each two judges in words."""
        return [_versus(pair) for pair in self.pairs]

    @property
    def table(self) -> Table:
        """A line a judge, each two of them in words, and what the columns mean."""
        lines = [
            [row.name, estimate_cell(row.inconsistent), f"{row.count:,}", percent(row.tied), f"{row.unread:,}"]
            for row in self.rows
        ]
        return Table(self.title, ["judge", *_HEADINGS], lines, [*map(_versus, self.pairs), _MEANING])


def _versus(pair: Versus) -> str:
    value, low, high = (100 * share for share in pair.paired.difference)
    return (
        f"{pair.first} minus {pair.second}: {value:+.1f} points of inconsistency (95 %: {low:+.1f} to {high:+.1f}, "
        f"bootstrap over prompts). They chose the same output {pair.same:,} times; {pair.first} alone is inconsistent "
        f"on {pair.paired.only_first:,} prompts, {pair.second} alone on {pair.paired.only_second:,} (McNemar's exact "
        f"test: p = {pair.paired.p:.2g})."
    )


def draw_selection(results: SelectionResults, path: Path) -> None:
    """A bar a judge with its interval, as a PNG; UserError when it can't be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in results.rows if row.count]
    figure = Figure(figsize=(max(3.6, 1.3 * len(rows) + 1.6), 3.4), dpi=130, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    heights = [100 * row.inconsistent.value for row in rows]
    margins = [
        [100 * (row.inconsistent.value - row.inconsistent.low) for row in rows],
        [100 * (row.inconsistent.high - row.inconsistent.value) for row in rows],
    ]
    places = range(len(rows))
    axes.bar(places, heights, width=0.55, color="#4477aa", yerr=margins, capsize=4, ecolor="#333333")
    for place, row, height in zip(places, rows, heights, strict=True):
        axes.annotate(
            f"{height:.1f}", (place, 100 * row.inconsistent.high), (0, 3), textcoords="offset points", ha="center"
        )
    axes.set_xticks(list(places), [escaped(row.name) for row in rows])
    axes.set_ylabel("inconsistent choices (%)")
    axes.set_ylim(0, max(100 * row.inconsistent.high for row in rows) * 1.12)
    axes.set_title(escaped(f"{results.prompts:,} prompts, checked by {results.checker}"), fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path)
