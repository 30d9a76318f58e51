"""Results of finding danger, as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.evaluation.danger.measure import Figures, TalkFigures
from compeer_jax.report.table import Cell, Table, estimate_cell, number

HEADINGS = ("layer", "language", "explicit found", "indirect found", "as urgent", "false alarms", "ms each")
MEANING = (
    "found: percent of the sentences of danger in which any kind of it is found, with Wilson's 95 % interval. as "
    "urgent: in which danger at least as urgent as theirs is found. false alarms: percent of the harmless sentences in "
    "which danger is found. ms each: milliseconds that a sentence takes on this machine. named: percent in which the "
    "very kind is found."
)
TALK_HEADINGS = ("layer", "talks", "language", "count", "in time", "at the end", "early")
TALK_MEANING = (
    "in time: percent of the talks in which danger is found at the turn from which on a helper must act. at the end: "
    "in which it is found after the last turn, when small talk may have followed. early: in which it is found at a "
    "turn before, and in look-alikes, which have none, at any turn."
)
NONE = "none"


@dataclass(frozen=True)
class DangerResults:
    """Figures of several layers on the same sentences.

    Attributes:
        source: of the sentences.
        figures: a layer and language each.
        milliseconds: mean time a sentence takes, by layer; of chat models none is known, as answers are kept.
        talks: figures on talks, a layer, language and form each.
        unread: answers that can't be read, by chat model.
    """

    source: str
    figures: Sequence[Figures]
    milliseconds: Mapping[str, float]
    talks: Sequence[TalkFigures]
    unread: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What was measured on."""
        counts = {one.language: one.counts for one in self.figures}
        told = (", ".join(f"{n} {form}" for form, n in forms.items()) for forms in counts.values())
        return f"{self.source}: " + "; ".join(f"{language} {text}" for language, text in zip(counts, told, strict=True))

    @property
    def _unread(self) -> list[str]:
        return [
            f"{name}: {count} of its answers could not be read, asked for twice; they find nothing."
            for name, count in self.unread.items()
            if count
        ]

    @property
    def tables(self) -> list[Table]:
        """Sentences, talks, and the sentences by kind."""
        sentences = [[one.layer, one.language, *self._cells(one)] for one in self.figures]
        talks = [
            [
                one.layer,
                one.form,
                one.language,
                str(one.count),
                *map(estimate_cell, (one.in_time, one.at_end, one.early)),
            ]
            for one in self.talks
        ]
        languages = dict.fromkeys(one.language for one in self.figures)
        return [
            Table(self.title, HEADINGS, sentences, [MEANING]),
            Table("", TALK_HEADINGS, talks, [TALK_MEANING, *self._unread]),
            *map(self._by_kind, languages),
        ]

    @property
    def confusions(self) -> list[Table]:
        """What is taken for what, a table for each layer and language."""
        return [
            Table(
                f"What {one.layer} finds (columns) in sentences that tell of each kind (rows), {one.language}",
                ["", *KINDS, NONE],
                [[name, *map(str, row)] for name, row in zip((*KINDS, NONE), one.confusion.tolist(), strict=True)],
            )
            for one in self.figures
        ]

    def _cells(self, one: Figures) -> list[str | Cell]:
        explicit, indirect, harmless = map(estimate_cell, one.found.values())
        time = number(self.milliseconds.get(one.layer), ".2f")
        return [explicit, indirect, estimate_cell(one.urgent), harmless, time]

    def _by_kind(self, language: str) -> Table:
        """Two columns a layer."""
        layers = [one for one in self.figures if one.language == language]
        headings = ["kind", *(f"{one.layer} {what}" for one in layers for what in ("found", "named"))]
        lines = [[kind, *(estimate_cell(share) for one in layers for share in one.kinds[kind])] for kind in KINDS]
        return Table(f"By kind, {language}", headings, lines)
