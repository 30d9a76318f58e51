"""Counts of CER, for its data card and pictures."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.data.danger.talks import DangerTally
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.dialogue.taxonomy import Language

UNITS: Mapping[Language, str] = {"en": "words", "zh": "characters"}
"""What an answer's length is counted in."""


def length(text: str, language: Language) -> int:
    """Words of an English text, characters of a Chinese one; white space doesn't count."""
    words = text.split()
    return len(words) if UNITS[language] == "words" else sum(map(len, words))


@dataclass
class Tally:
    """Counts of labelled candidates, each once, whatever views it is in.

    Attributes:
        rows: (view or variant of train, split) -> records.
        records: split -> labelled candidates.
        dialogues: split -> ids of their dialogues.
        of: what -> value -> split -> candidates: "language", "source", "model", and the output's labels.
        reference_strategies: of the replies that were really given, where the corpus names one.
        labels: tag -> split -> label -> steps.
        preferences: split -> preference -> candidates.
        licences: (source, licence) -> candidates.
        drafted: candidates in whose consensus a model's vote counts.
        not_for_sft: why candidates are not in the sft view.
        rounds: place of the round in its dialogue -> candidates.
        turns: turns of the history -> candidates.
        lengths: (language, "reference" or "output") -> length -> candidates.
        known: gold label -> split -> prompts of the rl view that have it.
        pictures: files that the dataset's records show.
        pictured: split -> dialogues with labelled candidates that show pictures.
        danger: dialogues in which somebody is in danger, by kind and split, whether they have labels or not.
    """

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    dialogues: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    of: dict[str, dict[str, Counter[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counter)))
    reference_strategies: Counter[str] = field(default_factory=Counter)
    labels: dict[str, dict[str, Counter[bool]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Counter))
    )
    preferences: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)
    drafted: int = 0
    not_for_sft: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    turns: Counter[int] = field(default_factory=Counter)
    lengths: dict[tuple[Language, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    known: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    pictures: set[str] = field(default_factory=set)
    pictured: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    danger: DangerTally = field(default_factory=DangerTally)

    def add(self, split: str, candidate: Candidate, record: JudgeRecord, *, drafts: bool) -> None:
        """Counts a labelled candidate."""
        self.records[split] += 1
        self.dialogues[split].add(candidate.dialogue)
        if any(turn.images for turn in candidate.history):
            self.pictured[split].add(candidate.dialogue)
        self.drafted += drafts
        self.licences[candidate.source, candidate.licence] += 1
        kinds = {"language": candidate.language, "source": candidate.source, "model": candidate.model}
        for what, value in {**kinds, **candidate.labels}.items():
            self.of[what][value][split] += 1
        for tag, label in record.labels.items():
            self.labels[tag][split][label] += 1
        if record.preference is not None:
            self.preferences[split][record.preference] += 1
        if candidate.reference.strategy is not None:
            self.reference_strategies[candidate.reference.strategy] += 1
        self.rounds[candidate.round] += 1
        self.turns[len(candidate.history)] += 1
        for which, text in (("reference", candidate.reference.response), ("output", candidate.response)):
            self.lengths[candidate.language, which][length(text, candidate.language)] += 1


def share(counts: Mapping, of: Iterable) -> float | None:
    """What part of all that is counted is `of`; None where nothing is."""
    total = sum(counts.values())
    return sum(counts.get(name, 0) for name in of) / total if total else None
