"""Counts of what an ESC-Eval run could not use or read: cards, endings, replies in broken format, scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from compeer_jax.benchmarks.dialogues import BenchDialogue, counted, reply_counts
from compeer_jax.benchmarks.esc_eval.cards import Cards
from compeer_jax.benchmarks.esc_eval.scores import ScorePlayer

LANGUAGES = {"en": "English", "zh": "Chinese"}
NO_DIGIT = "no digit from 0 to 4, official -1"
PAPER = {"en": 332, "zh": 324}  # the scenarios of COMPEER's evaluation; the published files have 331 and 324


def counts_of(cards: Cards, dialogues: Sequence[BenchDialogue], scores: Sequence[ScorePlayer]) -> dict[str, Any]:
    """The counts, as plain values that depend on cards and answers alone.

    Args:
        cards: what was read.
        dialogues: how far each has come.
        scores: what scorers were asked.
    """
    return {
        "cards": len(dialogues),
        "languages": counted(one.language for one in dialogues),
        "rejected": counted(one.reason.partition(":")[0] for one in cards.rejected),
        "endings": counted(one.ending for one in dialogues),
        **reply_counts(turn for one in dialogues for turn in one.turns),
        "scores": {
            scorer: _scores_of([one for one in scores if one.scorer == scorer])
            for scorer in dict.fromkeys(one.scorer for one in scores)
        },
    }


def count_lines(counts: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    of = ", ".join(f"{count} {LANGUAGES[language]}" for language, count in counts["languages"].items())
    paper = " and ".join(f"{count} {LANGUAGES[language]}" for language, count in PAPER.items())
    lines = [
        f"{of} cards; the paper counts {paper} ones.",
        f"{counts['cards']} dialogues: {_listed(counts['endings'])}.",
        f"{counts['replies']} replies: {counts['broken format']} in broken format, {counts['empty']} without words, "
        f"{counts['truncated']} cut at the longest.",
    ]
    for scorer, of in counts["scores"].items():
        again = f", {sum(of['asked again'].values())} asked again" if of["asked again"] else ""
        why = f" ({_listed(of['missing'])})" if of["missing"] else ""
        lines.append(f"{scorer}: {of['given']} scores{again}, {sum(of['missing'].values())} missing{why}.")
    return lines


def _scores_of(players: Sequence[ScorePlayer]) -> dict[str, Any]:
    return {
        "given": sum(one.score is not None and one.score >= 0 for one in players),
        "asked again": counted(fault for one in players for fault in one.asked_again),
        "missing": counted(one.reason or NO_DIGIT for one in players if one.score is None or one.score < 0),
    }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
