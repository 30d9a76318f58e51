"""Tables and cautions that data cards have in common: what stages gave, what chat models cost, how annotators agree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compeer_jax.report.table import NOTHING, Table

LANGUAGES = {"en": "English", "zh": "Chinese"}
DISTRESS = "Seekers in these dialogues speak of distress. Don't use the data to find out who they are."
MASKED = (
    "Addresses, numbers, links, accounts and names that people give as theirs were masked by patterns, which miss "
    "some; other names of people, places, schools and employers were not."
)
NO_THERAPIST = "A model trained on it is no therapist and must not be offered as one."
PROVENANCE = "`provenance` of each record tells from which file and row it comes, and every stage that changed it."
"""Cautions that all data cards give."""

REJECTED = "rejected.jsonl"
SPENT = "spent"
PAIRS = 40  # of annotators, whose kappas the card shows one by one; twenty people make 190
_OF_SOURCES = ("corpora", "privacy", "filter", "rounds")
_UNSETTLED = {
    "excluded": "excluded: no two of three agree",
    "third": "a third is to be asked",
    "waiting": "too few votes",
    "unjudged": "no vote",
}


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without title and notes."""
    return Table("", headings, rows).markdown()


def number(count: float | None) -> str:
    """A count with its thousands parted."""
    return NOTHING if count is None else f"{count:,}"


def percent(share: float | None) -> str:
    """A share in percent."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def stage_table(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """What each stage gave, and what it left out for which reasons."""
    rows = []
    for stage, card in cards.items():
        outputs = card.get("outputs", {})
        given = [
            f"{name} {number(output['rows'])}"
            for name, output in outputs.items()
            if "rows" in output and name != REJECTED
        ]
        rejected = sorted(card.get("rejected", {}).items(), key=lambda item: (-item[1], item[0]))
        rows.append(
            [
                stage,
                "; ".join(given) or NOTHING,
                number(sum(count for _, count in rejected)),
                "; ".join(f"{reason} {number(count)}" for reason, count in rejected) or NOTHING,
            ]
        )
    return markdown_table(["stage", "rows", "left out", "why"], rows)


def source_table(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of each source's dialogues, from the counts of the first four stages; "" without any."""
    counts = {stage: cards.get(stage, {}).get("counts", {}).get("sources", {}) for stage in _OF_SOURCES}
    rows = []
    for source in dict.fromkeys(name for of_stage in counts.values() for name in of_stage):
        read, privacy, filtered, rounds = (counts[stage].get(source, {}) for stage in _OF_SOURCES)
        rows.append(
            [
                source,
                *(number(read.get(name)) for name in ("read", "rejected", "licence_filtered")),
                number(sum(privacy.get("masked", {}).values())),
                number(filtered.get("removed")),
                percent(filtered.get("removed_share")),
                *(number(rounds.get(name)) for name in ("rounds", "sampled")),
            ]
        )
    headings = ["source", "dialogues", "rows not read", "licence not wanted", "masked spans", "filtered", "share"]
    return markdown_table([*headings, "rounds", "sampled rounds"], rows) if rows else ""


def danger_parts(counts: Mapping[str, Any], splits: Sequence[str]) -> Iterator[str]:
    """The section on dialogues in which the seeker is in danger, of `DangerTally.counts`."""
    yield "## Danger"
    yield (
        "Dialogues in which words of the seeker's were found that tell of danger, all of the dialogue read, in their "
        "records' `provenance` under `danger` with kinds and level. What is found is no assessment: some are missed, "
        "some are none. Nothing of train is learned from them before a person has looked at them, unless "
        "`data.danger` is `train`; `compeer data danger` lists them. Valid and test keep theirs."
    )
    rows = [[kind, *(number(count[split]) for split in splits)] for kind, count in counts["kinds"].items()]
    rows.append(["dialogues with any of them", *(number(counts["dialogues"][split]) for split in splits)])
    yield markdown_table(["kind", *splits], rows)


def outcome_table(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of the questions that annotators were asked; "" without any."""
    items = cards.get("annotation", {}).get("counts", {}).get("items", {})
    rows = [
        [
            kind,
            number(sum(count for state, count in counts.items() if state not in _UNSETTLED)),
            *(number(counts.get(state, 0)) for state in _UNSETTLED),
        ]
        for kind, counts in items.items()
    ]
    return markdown_table(["kind of item", "settled", *_UNSETTLED.values()], rows) if rows else ""


def spending_table(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """What each stage's chat models answered, read and wrote, and the cost by the prices in the settings."""
    rows, total = [], {"answers": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0}
    for stage, card in cards.items():
        for model, spent in spendings(card.get("counts", {})):
            rows.append([stage, model, *_spent_cells(spent)])
            total = {name: value + spent.get(name, 0) for name, value in total.items()}
    if not rows:
        return "None was asked."
    rows.append(["all", "", *_spent_cells(total)])
    return markdown_table(["stage", "chat model", "answers", "tokens read", "tokens written", "cost"], rows)


def spendings(counts: Any, model: str = "") -> Iterator[tuple[str, Mapping[str, float]]]:
    """Chat model and what it spent, wherever a stage's counts have it: an object "spent" within the model's."""
    if not isinstance(counts, Mapping):
        return
    for name, value in counts.items():
        if name == SPENT and isinstance(value, Mapping):
            yield str(counts.get("model", model)), value
        else:
            yield from spendings(value, name)


def _spent_cells(spent: Mapping[str, float]) -> list[str]:
    counts = [number(spent.get(name, 0)) for name in ("answers", "prompt_tokens", "completion_tokens")]
    return [*counts, f"{spent.get('cost', 0):.2f}"]


def agreement_table(agreement: Mapping[str, Any]) -> str:
    """Kappas for each kind of item: people's, of all votes that count, and of each two annotators."""
    overall, pairs = [], []
    for kind, found in agreement.items():
        people, counted = found["people"], found["counted"]
        overall.append([kind, number(people["items"]), _kappa(people), number(counted["items"]), _kappa(counted)])
        for pair in found["pairs"]:
            pairs.append([kind, " and ".join(pair["annotators"]), number(pair["items"]), _kappa(pair)])
    headings = ["kind of item", "judged by people", "Fleiss' kappa", "judged by anyone", "Fleiss' kappa"]
    if not any(found["counted"]["items"] or found["pairs"] for found in agreement.values()):
        return "No item was judged by two annotators."
    tables = [markdown_table(headings, overall)]
    if len(pairs) > PAIRS:
        count = number(len(pairs))
        tables.append(f"Cohen's kappas of the {count} pairs of annotators are in `annotation/agreement.json`.")
    elif pairs:
        tables.append(markdown_table(["kind of item", "annotators", "items", "Cohen's kappa"], pairs))
    tables.append(
        "0 is agreement by chance, 1 is full agreement; – where all verdicts are the same, or there are none. Votes of "
        "a third annotator, who is asked where others differ, are left out. A model's name begins with `model:`."
    )
    return "\n\n".join(tables)


def _kappa(found: Mapping[str, Any]) -> str:
    return NOTHING if found["kappa"] is None else f"{found['kappa']:.3f}"
