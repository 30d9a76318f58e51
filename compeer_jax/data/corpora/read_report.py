"""What a corpus reader says about the file it read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ReadReport:
    """Counts of one reading.

    Attributes:
        source: the corpus, e.g. "esconv".
        dialogues: how many there are.
        utterances: as written in the file.
        merged: adjacent pairs of one speaker that became one turn; turns = utterances - merged.
        strategies: utterances with each strategy, before merging, most frequent first.
    """

    source: str
    dialogues: int
    utterances: int
    merged: int
    strategies: Mapping[str, int]

    @classmethod
    def of(cls, source: str, dialogues: int, strategies: Iterable[str | None], merged: int) -> "ReadReport":
        """The report on `dialogues` dialogues whose utterances have `strategies` (None: without)."""
        counts = Counter(strategies)
        named = Counter({name: count for name, count in counts.items() if name is not None})
        return cls(source, dialogues, counts.total(), merged, dict(named.most_common()))

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.dialogues:,} dialogues, {self.utterances:,} utterances, "
            f"{self.merged:,} merged with the one before by the same speaker"
        )
