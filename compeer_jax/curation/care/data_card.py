"""The data card of CARE's training data, in Markdown: what it is and is not, its counts, and how it was made."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import yaml

from compeer_jax.curation.card_tables import (
    DISTRESS,
    LANGUAGES,
    MASKED,
    NO_THERAPIST,
    PROVENANCE,
    danger_parts,
    markdown_table,
    number,
    percent,
    spending_table,
    stage_table,
)
from compeer_jax.data.splits import SPLITS

FIGURES = {
    "mean": "mean",
    "median": "median",
    "spread": "standard deviation",
    "distinct_1": "distinct-1",
    "overlap_with_seeker": "of the seeker's words",
    "overlap_with_reply": "of the reply's words",
}
PASSED_BY = {"rules": "By rules", "checker": "By the chat model, of those that pass the rules"}


def data_card(
    counts: Mapping[str, Any], sources: Counter[tuple[str, str, str]], cards: Mapping[str, Mapping[str, Any]]
) -> str:
    """The card. The same facts give the same text.

    Args:
        counts: what `statistics.json` holds.
        sources: (source, language, licence) -> chains.
        cards: stage -> the card of its folder, in the stages' order.
    """
    return "\n\n".join(_parts(counts, sources, cards)) + "\n"


def _parts(
    counts: Mapping[str, Any], sources: Counter[tuple[str, str, str]], cards: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    yield "# Training data for CARE, as made here"
    yield (
        "Replies that supporters really gave, each with the four nodes of reasoning (context, cognition, emotion, "
        "support plan) that lead to it, after the paper CARE (Zhu et al., 2025, arXiv:2510.05122). It is **not** the "
        "authors' dataset, and no number here is theirs. Replies and strategies are the corpus's own."
    )
    yield _who_wrote(counts, cards)
    yield "## Contents"
    yield _contents(counts)
    yield (
        "Splits are made by dialogue. Replies whose chain was left out are missing from valid and test too: to report "
        "on all replies of the test dialogues, take the corpus itself as `data.path`, with the same split."
    )
    licences = [[*key, number(count)] for key, count in sorted(sources.items())]
    yield markdown_table(["source", "language", "licence", "chains"], licences)
    if skipped := cards["chains"]["counts"]["skipped"]:
        yield "The supporter's turns that could have no chain:"
        yield markdown_table(["why", "turns"], [[why, number(count)] for why, count in skipped.items()])
    yield from danger_parts(cards["chains"]["counts"]["danger"], SPLITS)
    yield "## Nodes"
    yield (
        "Length, varied words (different words by all words), and the mean share of a node's words that are also "
        "words of the seeker so far, and of the reply."
    )
    for language, of in counts["languages"].items():
        yield f"{LANGUAGES[language]}, {number(of['chains'])} chains, in {of['unit']}:"
        rows = [[tag, *(_figure(values[name]) for name in FIGURES)] for tag, values in of["nodes"].items()]
        yield markdown_table(["node", *FIGURES.values()], rows)
    for by, nodes in counts["pass_rates"].items():
        yield f"{PASSED_BY[by]}:"
        yield _passed(nodes)
    yield "## Strategies"
    yield _strategies(counts)
    yield "## How it was made"
    yield stage_table(cards)
    yield "### What chat models were asked, and what that cost"
    yield spending_table(cards)
    yield "### Settings"
    text = yaml.safe_dump(_settings(cards), sort_keys=False, allow_unicode=True, width=110)
    yield f"```yaml\n{text}```"
    yield "## What to know before use"
    yield _cautions(silver=counts["silver"])


def _who_wrote(counts: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]]) -> str:
    if counts["silver"]:
        wrote = (
            "The chains are **silver**: templates filled in from the corpus's annotations, written by no model and no "
            "person. They make the whole recipe run offline, and teach its form; they are no data of CARE's quality."
        )
    else:
        names = ", ".join(f"`{name}`" for name in cards["chains"]["counts"]["models"])
        wrote = f"The nodes were written by the chat model {names}, which was shown the reply and its strategy."
    checkers = ", ".join(f"`{name}`" for name in cards["coherence"]["counts"].get("models", {}))
    if checkers:
        return f"{wrote} The chat model {checkers} checked them, after rules had. No person has read them."
    return f"{wrote} Only rules have checked them. No person has read them."


def _contents(counts: Mapping[str, Any]) -> str:
    rows = [
        [f"`sft/{split}.jsonl`", number(counts["chains"][split]), number(counts["dialogues"][split])]
        for split in SPLITS
    ]
    return markdown_table(["file", "chains", "of dialogues"], rows)


def _passed(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            node,
            number(of["passed"]),
            number(sum(of["failed"].values())),
            percent(of["pass_rate"]),
            "; ".join(f"{why} {number(count)}" for why, count in of["failed"].items()) or "–",
        ]
        for node, of in nodes.items()
    ]
    return markdown_table(["node", "passed", "failed", "share that passed", "why"], rows)


def _strategies(counts: Mapping[str, Any]) -> str:
    total = sum(sum(of.values()) for of in counts["strategies"].values())
    rows = [
        [
            name,
            *(number(of[split]) for split in SPLITS),
            number(sum(of.values())),
            percent(sum(of.values()) / total if total else None),
        ]
        for name, of in counts["strategies"].items()
    ]
    return markdown_table(["strategy", *SPLITS, "all", "share"], rows)


def _settings(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that the stages were run with; of a chat model's directory only the name."""
    settings = {stage: dict(card["settings"]) for stage, card in cards.items()}
    for of in settings.values():
        if path := of.get("chat_model", {}).get("path"):
            of["chat_model"] = of["chat_model"] | {"path": PurePath(path).name}
    return settings


def _figure(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:.1f}"


def _cautions(*, silver: bool) -> str:
    points = [
        DISTRESS,
        MASKED,
        "The corpus's licence is in each record's `licence`; terms of the chat models may bind what they wrote.",
        "The nodes are guesses about what somebody thinks and feels, made with the reply at hand. They are no "
        "diagnosis, and no record of what the supporter thought.",
        NO_THERAPIST,
        PROVENANCE,
    ]
    if silver:
        points[2] = "The corpus's licence is in each record's `licence`."
    return "\n".join(f"- {point}" for point in points)
