"""Statistics of chains: how long each node is, how varied its words are, and whose words they repeat.

Languages are counted apart: English in words, Chinese in characters.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.curation.care.chains import Chain
from compeer_jax.curation.care.node_rules import NODES, words
from compeer_jax.curation.cer.tally import UNITS
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.taxonomy import STRATEGIES, Language

PLACES = 4


@dataclass
class NodeStatistics:
    """Of one node in one language.

    Attributes:
        lengths: words -> nodes of that length.
        seen: words that are in any of them.
        from_seeker: sum over the nodes of the share of their words that the seeker has said in the talk so far.
        from_reply: likewise, of the words of the reply that they lead to.
    """

    lengths: Counter[int] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    from_seeker: float = 0.0
    from_reply: float = 0.0

    def add(self, node: Sequence[str], seeker: frozenset[str], reply: frozenset[str]) -> None:
        """Counts one node, given as words."""
        self.lengths[len(node)] += 1
        self.seen.update(node)
        self.from_seeker += _overlap(node, seeker)
        self.from_reply += _overlap(node, reply)

    def to_json(self) -> dict[str, float]:
        """Length (mean, median, standard deviation), distinct-1 (different words by all words), mean overlaps."""
        lengths = list(self.lengths.elements())
        count, total = len(lengths), sum(lengths)
        values = {
            "mean": total / count,
            "median": float(statistics.median(lengths)),
            "spread": statistics.pstdev(lengths),
            "distinct_1": len(self.seen) / total if total else 0.0,
            "overlap_with_seeker": self.from_seeker / count,
            "overlap_with_reply": self.from_reply / count,
        }
        return {name: round(value, PLACES) for name, value in values.items()}


@dataclass
class ChainStatistics:
    """Of all chains. Memory holds the different words, no texts."""

    chains: Counter[str] = field(default_factory=Counter)
    dialogues: dict[str, set[str]] = field(default_factory=lambda: {split: set() for split in SPLITS})
    sources: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    strategies: dict[str, Counter[str]] = field(default_factory=lambda: {split: Counter() for split in SPLITS})
    languages: Counter[Language] = field(default_factory=Counter)
    nodes: dict[tuple[Language, str], NodeStatistics] = field(default_factory=dict)

    def add(self, chain: Chain) -> None:
        """Counts one chain."""
        record, split = chain.record, chain.split
        language, turn = record.language, record.reference
        self.chains[split] += 1
        self.dialogues[split].add(record.id.rpartition("#")[0])
        self.sources[record.source, record.language, record.licence] += 1
        self.strategies[split][turn.labels["strategy"]] += 1
        self.languages[language] += 1
        said = " ".join(message.content for message in record.history if message.role == "seeker")
        seeker, reply = (frozenset(words(text, language)) for text in (said, turn.response))
        for tag in NODES:
            of_node = self.nodes.setdefault((language, tag), NodeStatistics())
            of_node.add(words(turn.steps[tag], language), seeker, reply)

    def to_json(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "chains": {split: self.chains[split] for split in SPLITS},
            "dialogues": {split: len(self.dialogues[split]) for split in SPLITS},
            "strategies": {
                name: {split: self.strategies[split][name] for split in SPLITS} for name in STRATEGIES.names()
            },
            "languages": {
                language: {
                    "chains": count,
                    "unit": UNITS[language],
                    "nodes": {tag: self.nodes[language, tag].to_json() for tag in NODES},
                }
                for language, count in sorted(self.languages.items())
            },
        }


def pass_rates(coherence: Mapping[str, Any]) -> dict[str, Any]:
    """Who checked -> node -> counts and share of passes, of what the coherence stage counted."""
    return {by: coherence[by] for by in ("rules", "checker") if by in coherence}


def _overlap(node: Sequence[str], other: frozenset[str]) -> float:
    """The share of a node's words that are among the others."""
    return sum(word in other for word in node) / len(node) if node else 0.0
