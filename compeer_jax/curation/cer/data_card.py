"""CER's data card: what the dataset is and is not, and all that is counted in it, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from compeer_jax.curation.card_tables import (
    DISTRESS,
    MASKED,
    NO_THERAPIST,
    PROVENANCE,
    agreement_table,
    danger_parts,
    markdown_table,
    number,
    outcome_table,
    percent,
    source_table,
    spending_table,
    stage_table,
)
from compeer_jax.curation.cer.tally import Tally, share
from compeer_jax.curation.cer.views import VARIANTS, VIEWS
from compeer_jax.data.cer_folder import RL, TRAIN, WITH_VARIANTS
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, SENTIMENTS, STAGES, STRATEGIES

PAPER_FALSE = "23 %"  # of step labels
PAPER_FILTERED = "over 23 %"
PAPER_LABELS = "11.14k labels"
PAPER_HELD_OUT = "574 samples, about a fifth of the 2,785 that its labels make, four a sample, are held out"

VIEW_TEXTS = {
    "unifi": "all steps have a label and there is a preference: for UnifiReward, which judges them in one conversation",
    "prm": "at least one step has a label: for a process reward model, which judges each step apart",
    "orm": "there is a preference: for an outcome reward model, which compares answers",
    "sft": (
        "every step is right: for fine-tuning on these steps and the better answer. That is the output where it is "
        "better than the reference, or as good. Where the reference is better it is the reference, but only if the "
        "corpus names no strategy for it or the one that the steps lead to. Where neither is good there is no record"
    ),
    "rl": (
        "each sampled round once, with the reply that was really given: prompts for reinforcement learning. Nobody has "
        "reasoned for that reply, so there are no steps. Its labels are those that are known: the strategy that the "
        "corpus names, and what all steps that were found right agree on"
    ),
}
VARIANT_TEXTS = {"d": "the same once more", "r": "rewritten without a persona", "p": "rewritten to a persona"}
_LABELS = {
    "stage": ("Stage", STAGES),
    "emotion": ("Emotion", EMOTIONS),
    "sentiment": ("Sentiment", SENTIMENTS),
    "intensity": ("Intensity", INTENSITIES),
    "strategy": ("Strategy", STRATEGIES),
}
_KINDS = {"language": "Language", "source": "Source", "model": "Chat model"}


@dataclass(frozen=True)
class CardFacts:
    """Facts of a data card.

    Attributes:
        tally: of the labelled candidates.
        cards: stage -> the card of its folder, in the stages' order.
        agreement: what the annotation stage says of its annotators.
        settings: of the dataset.
        rejected: why rows were left out of the dataset -> how many.
        pictures: names of files beside the card.
    """

    tally: Tally
    cards: Mapping[str, Mapping[str, Any]]
    agreement: Mapping[str, Any]
    settings: Mapping[str, Any]
    rejected: Mapping[str, int]
    pictures: Sequence[str]


def data_card(facts: CardFacts) -> str:
    """The card. The same facts give the same text."""
    return "\n\n".join(filter(None, _parts(facts))) + "\n"


def _parts(facts: CardFacts) -> Iterator[str]:
    tally = facts.tally
    yield "# CER, as made here"
    yield (
        "Emotional support with psychological reasoning, in the form of CER, the dataset of the paper COMPEER: "
        "candidates that chat models wrote for rounds of real dialogues, whether each reasoning step is right, and "
        "which answer is better. It is **not** the authors' dataset, which is not public, and no number here is "
        "theirs but those marked *paper*. compeer_jax's data pipeline made it from the corpora and the chat models "
        "named below."
    )
    yield _who_judged(tally)
    if not tally.records:
        yield (
            "No candidate has labels yet, so all views but `rl` are empty. The folder `annotation` has the tasks for "
            "Label Studio (`tasks.json`, `labelling_config.xml`) and a table (`annotations.csv`); have them filled in, "
            "name the files in `annotation.imports`, and run the pipeline again."
        )
    yield from _contents(facts)
    if tally.records:
        yield from _counts(tally)
        yield from (f"![Histograms of the labelled candidates]({name})" for name in facts.pictures)
    yield from danger_parts(tally.danger.counts(), SPLITS)
    yield "## Agreement of annotators"
    yield outcome_table(facts.cards)
    yield agreement_table(facts.agreement)
    yield "## How it was made"
    yield stage_table(facts.cards)
    if sources := source_table(facts.cards):
        yield sources
        yield f"*Paper*: {PAPER_FILTERED} of its dialogues were left out, by a filter of its own."
    yield "### What chat models were asked, and what that cost"
    yield spending_table(facts.cards)
    yield "### Settings"
    yield _settings(facts)
    yield "## What to know before use"
    yield _cautions(tally)


def _who_judged(tally: Tally) -> str:
    total = tally.records.total()
    if not total:
        return ""
    if not tally.drafted:
        return f"All {number(total)} labelled candidates were judged by people."
    who = "**Drafts by models.**" if tally.drafted == total else "**Partly drafts by models.**"
    return (
        f"{who} In {number(tally.drafted)} of {number(total)} labelled candidates "
        f"({percent(tally.drafted / total)}), what the annotators agree on rests on the vote of at least one chat "
        "model. No number below shows that people see it so. `votes` in `annotation/labels.jsonl` tells who said what."
    )


def _contents(facts: CardFacts) -> Iterator[str]:
    tally = facts.tally
    yield "## Contents"
    rows = [[f"`{view}/`", *(number(tally.rows[view, split]) for split in SPLITS)] for view in VIEWS]
    rows.append(["labelled candidates", *(number(tally.records[split]) for split in SPLITS)])
    rows.append(["their dialogues", *(number(len(tally.dialogues.get(split, ()))) for split in SPLITS)])
    if tally.pictures:
        rows.append(["of these with pictures", *(number(len(tally.pictured.get(split, ()))) for split in SPLITS)])
    yield markdown_table(["records", *SPLITS], rows)
    if tally.pictures:
        yield (
            f"`pictures/` has {number(len(tally.pictures))} pictures that turns show, as pixels alone: what their "
            "files said of place, time and device is gone. **What they show is not masked: a face is a person.** They "
            "are under the licences of their sources, as the words are."
        )
    yield "\n".join(f"- `{view}`: {text}." for view, text in VIEW_TEXTS.items())
    yield (
        "The splits are made by dialogue: no dialogue is in two of them, and no two of them have a history in common, "
        "though many talks open alike. Each language of each source gives the same shares, as far as it divides."
    )
    variants = [
        [
            f"`train_{variant}.jsonl`",
            *(number(tally.rows[view, f"{TRAIN}_{variant}"]) for view in WITH_VARIANTS),
            VARIANT_TEXTS[variant],
        ]
        for variant in VARIANTS
    ]
    yield (
        "For the ablation on personality, `unifi`, `sft` and `rl` have three files more, each of which holds "
        "`train.jsonl` and equally many further records. How many that is, the rarer of the two kinds of rewrites "
        "decides; of the other as many are drawn, and as many records are duplicated. Rewriting changes the talk and "
        f"both answers; labels and critiques stay. {_quotes(facts)} Nothing of valid or test is rewritten. The "
        "personas of a dialogue are drawn once for all of its records. A persona is a description of traits; it may be "
        "of somebody who speaks in a held-out dialogue."
    )
    yield markdown_table(["file", *(f"`{view}/`" for view in WITH_VARIANTS), "what is added"], variants)
    if tally.known:
        yield "Gold labels that are known in `rl`:"
        prompts = [tally.rows[RL, split] for split in SPLITS]
        yield markdown_table(
            ["gold label", *SPLITS, "share"],
            [
                [name, *(number(known[split]) for split in SPLITS), percent(known.total() / sum(prompts))]
                for name, known in sorted(tally.known.items())
            ],
        )
    if tally.not_for_sft:
        yield "Labelled candidates that are not in `sft`:"
        yield _plain_counts(["why", "candidates"], tally.not_for_sft)
    if facts.rejected:
        yield "Rows left out of the dataset, in `rejected.jsonl`:"
        yield _plain_counts(["why", "rows"], facts.rejected)


def _quotes(facts: CardFacts) -> str:
    if facts.cards.get("personality", {}).get("settings", {}).get("rewrite_steps"):
        return "The steps were rewritten with it, so that what they quote is said in the talk."
    return "So do the steps, which may quote words that the talk no longer has."


def _counts(tally: Tally) -> Iterator[str]:
    yield "## Labels"
    yield "Is the step right?"
    yield markdown_table(
        ["step", "True", "False", "share of False", *(f"{split}: False" for split in SPLITS)], list(_balance(tally))
    )
    yield f"*Paper*: {PAPER_FALSE} of the step labels are False, of {PAPER_LABELS}; {PAPER_HELD_OUT}."
    yield "Which answer is better? The reference, the supporter's real reply, is the first; the output is the second."
    total = sum(tally.preferences.values(), Counter())
    yield markdown_table(
        ["preference", *SPLITS, "all", "share"],
        [
            [
                name,
                *(number(tally.preferences[split][name]) for split in SPLITS),
                number(total[name]),
                percent(share(total, [name])),
            ]
            for name in PREFERENCES
        ],
    )
    yield "## What the candidates are"
    yield "Labelled candidates, each counted once."
    for what, title in _KINDS.items():
        yield _split_counts(title, tally, what, sorted(tally.of[what]))
    licences = [[source, licence, number(count)] for (source, licence), count in sorted(tally.licences.items())]
    yield markdown_table(["Source", "Licence", "all"], licences)
    for what, (title, category) in _LABELS.items():
        if what in tally.of:
            yield _split_counts(f"{title}, of the output", tally, what, category.names())
    if tally.reference_strategies:
        known = {name: tally.reference_strategies[name] for name in STRATEGIES.names()}
        yield _plain_counts(["Strategy, of the reference", "all"], known)


def _balance(tally: Tally) -> Iterator[list[str]]:
    """True and False of each step, then of all steps."""
    all_steps: dict[str, Counter[bool]] = {split: Counter() for split in SPLITS}
    for tag, by_split in tally.labels.items():
        for split in SPLITS:
            all_steps[split] += by_split.get(split, Counter())
        yield _balance_row(tag, by_split)
    yield _balance_row("all", all_steps)


def _balance_row(name: str, by_split: Mapping[str, Counter[bool]]) -> list[str]:
    total = sum(by_split.values(), Counter())
    shares = [percent(share(by_split.get(split, {}), [False])) for split in SPLITS]
    return [name, number(total[True]), number(total[False]), percent(share(total, [False])), *shares]


def _split_counts(title: str, tally: Tally, what: str, names: Iterable[str]) -> str:
    total = tally.records.total()
    rows = []
    for name in names:
        counts = tally.of[what].get(name, Counter())
        numbers = [number(counts[split]) for split in SPLITS]
        rows.append([name, *numbers, number(counts.total()), percent(counts.total() / total)])
    return markdown_table([title, *SPLITS, "all", "share"], rows)


def _plain_counts(headings: Sequence[str], counts: Mapping[str, int]) -> str:
    return markdown_table(headings, [[name, number(count)] for name, count in counts.items()])


def _settings(facts: CardFacts) -> str:
    """The settings that the stages were run with; of files and folders only the names, of servers no address."""
    stages = {stage: card.get("settings", {}) for stage, card in facts.cards.items()} | {"cer": dict(facts.settings)}
    text = yaml.safe_dump(_named(stages), sort_keys=False, allow_unicode=True, width=110)
    return f"<details><summary>of all stages</summary>\n\n```yaml\n{text}```\n\n</details>"


def _named(value: Any, key: str = "") -> Any:
    """`value` without the folders of paths, the addresses of servers and people's names, which are nobody's concern."""
    if isinstance(value, Mapping):
        return {name: _named(one, name) for name, one in value.items() if name != "url"}
    if key == "people":
        return len(value)  # their names are nobody's concern
    if isinstance(value, list | tuple):
        return [_named(one, key) for one in value]
    if isinstance(value, str) and key in ("path", "encoder", "imports"):
        return value.rstrip("/").rpartition("/")[2] if value.startswith(("/", "~", ".")) else value
    return value


def _cautions(tally: Tally) -> str:
    points = [
        DISTRESS,
        MASKED,
        "Each record has its corpus's licence in `licence`. What may be done with the whole is what all of its "
        "licences allow, and what the terms of the chat models allow for their outputs.",
        NO_THERAPIST,
        PROVENANCE,
    ]
    if tally.drafted:
        points.insert(0, "Labels that rest on models' votes measure agreement among models, not how people judge.")
    return "\n".join(f"- {point}" for point in points)
