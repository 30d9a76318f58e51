"""The finder of danger in what somebody says: kinds, which layer found each, and how urgent they are.

It is no assessment. It misses ways in which people say that they are in danger and finds some that mean something
else; how often, `compeer eval danger` measures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compeer_jax.dialogue.danger.classifier import kind_scores, likely_kinds, threshold
from compeer_jax.dialogue.danger.kinds import Level, in_order, level_of
from compeer_jax.dialogue.danger.rules import rule_kinds
from compeer_jax.dialogue.schema import Turn

# Probability of danger below which the rules are not believed: a word in another sense, where all else reads harmless.
# It and the classifier's thresholds are a choice between what is missed and what is told of usual talk;
# docs/guides/danger.md has the figures.
DOUBT = 0.15
TURNS = 3  # of the seeker's, the last: danger often stands two turns back


@dataclass(frozen=True)
class Danger:
    """What is found.

    Attributes:
        kinds: names of `KINDS`, the most urgent first; empty where no danger is found.
        level: the highest of the kinds' levels.
        layers: what each layer found.
    """

    kinds: tuple[str, ...]
    level: Level
    layers: Mapping[str, frozenset[str]]


def find_danger(text: str) -> Danger:
    """The danger in `text`, one turn of a seeker, in either language: people mix them."""
    scores = kind_scores(text)
    ruled = rule_kinds(text) if sum(scores.values()) >= DOUBT else frozenset()
    return _together([{"rules": ruled, "classifier": likely_kinds(scores, threshold(text))}])


def danger_in_talk(turns: Sequence[Turn]) -> Danger:
    """The danger in the seeker's last three turns: whatever is found in any of them counts."""
    said = [turn.content for turn in turns if turn.role == "seeker"][-TURNS:]
    return _together([find_danger(text).layers for text in said])


def suggests_danger(text: str) -> bool:
    """Whether there is danger of any kind in `text`, in either language."""
    return bool(find_danger(text).kinds)


def _together(found: Sequence[Mapping[str, frozenset[str]]]) -> Danger:
    names = dict.fromkeys(name for layers in found for name in layers)
    layers = {name: frozenset().union(*(layer.get(name, ()) for layer in found)) for name in names}
    kinds = in_order(frozenset().union(*layers.values()))
    return Danger(kinds, level_of(kinds), layers)
