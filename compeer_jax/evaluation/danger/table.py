"""How well danger is found, for the terminal and in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.evaluation.danger.measure import Figures
from compeer_jax.evaluation.danger.talks import TalkFigures
from compeer_jax.evaluation.judge_table import NOTHING, cell, joined, markdown, rich_cells

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
class DangerTable:
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
    def notes(self) -> list[str]:
        """What the columns mean, and which answers are missing."""
        unread = [
            f"{name}: {count} of its answers could not be read, asked for twice; they find nothing."
            for name, count in self.unread.items()
            if count
        ]
        return [MEANING, TALK_MEANING, *unread]

    @property
    def languages(self) -> list[str]:
        """Of the sentences."""
        return list(dict.fromkeys(one.language for one in self.figures))


def danger_rich(table: DangerTable) -> Any:
    """A rich table, a line a layer and language."""
    return rich_cells(HEADINGS, _lines(table))


def kinds_rich(table: DangerTable, language: str) -> Any:
    """A rich table, a line a kind of danger."""
    headings, lines = _kind_lines(table, language)
    return rich_cells(headings, lines)


def talks_rich(table: DangerTable) -> Any:
    """A rich table, a line a form of talk and language."""
    return rich_cells(TALK_HEADINGS, _talk_lines(table))


def danger_markdown(table: DangerTable) -> str:
    """All in Markdown, with what the columns mean, and what is taken for what."""
    parts = [
        f"{table.title}.",
        markdown(HEADINGS, [list(map(joined, line)) for line in _lines(table)]),
        markdown(TALK_HEADINGS, [list(map(joined, line)) for line in _talk_lines(table)]),
        *table.notes,
    ]
    for language in table.languages:
        headings, lines = _kind_lines(table, language)
        parts += [f"By kind, {language}.", markdown(headings, [list(map(joined, line)) for line in lines])]
    for one in table.figures:
        rows = zip((*KINDS, NONE), one.confusion.tolist(), strict=True)
        parts += [
            f"What {one.layer} finds (columns) in sentences that tell of each kind (rows), {one.language}.",
            markdown(["", *KINDS, NONE], [[name, *map(str, row)] for name, row in rows]),
        ]
    return "\n\n".join(parts) + "\n"


def _lines(table: DangerTable) -> Iterator[list[tuple[str, str]]]:
    for one in table.figures:
        explicit, indirect, harmless = map(cell, one.found.values())
        time = f"{table.milliseconds[one.layer]:.2f}" if one.layer in table.milliseconds else NOTHING
        yield [(one.layer, ""), (one.language, ""), explicit, indirect, cell(one.urgent), harmless, (time, "")]


def _talk_lines(table: DangerTable) -> Iterator[list[tuple[str, str]]]:
    for one in table.talks:
        words = [(word, "") for word in (one.layer, one.form, one.language, str(one.count))]
        yield [*words, cell(one.in_time), cell(one.at_end), cell(one.early)]


def _kind_lines(table: DangerTable, language: str) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """Headings and lines; two columns a layer."""
    layers = [one for one in table.figures if one.language == language]
    headings = ["kind", *(f"{one.layer} {what}" for one in layers for what in ("found", "named"))]
    lines = [[(kind, ""), *(cell(share) for one in layers for share in one.kinds[kind])] for kind in KINDS]
    return headings, lines
