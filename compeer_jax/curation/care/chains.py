"""The chains stage of CARE's data: each of the supporter's replies with the four nodes that lead to it.

A chat model is shown the talk so far, the real reply and its annotated strategy, and writes the nodes; the reply stays
the corpus's own. It is not shown the seeker's summary of their situation, which no policy sees either. Without a model
the nodes are silver, from templates (`data.silver`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compeer_jax.chat.models import Malformed, SetAside
from compeer_jax.curation.asking import StageModel, answer_settings, task_prompt, task_prompt_versions
from compeer_jax.curation.candidates.stage import parse_output
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.rounds.rows import Round, policy_record, rounds_of
from compeer_jax.curation.rows import DIALOGUES, json_rows, read_dialogues
from compeer_jax.curation.stage import Stage, StageWriter, Workspace, read_card
from compeer_jax.data.danger.talks import DangerTally, finder_version
from compeer_jax.data.policy_data import spread
from compeer_jax.data.record import Record
from compeer_jax.data.silver.records import count_skipped, silver_records
from compeer_jax.data.splits import SPLITS, read_split, split_dialogues
from compeer_jax.dialogue.danger.withheld import VERSION, why_withheld
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.reasoning import CARE, RESPONSE, ReasonedTurn
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.talk import one_line, talk_text
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import UserError, unknown
from compeer_jax.structure import structured, unstructured

NAME = "chains"
PROMPT = "care_chain"
CHAINS = "chains.jsonl"

Add = Callable[[str, Record], None]  # takes a dialogue's id and one of its records


@dataclass(frozen=True)
class Chain:
    """Four nodes that lead to a real reply.

    Attributes:
        split: "train", "valid" or "test".
        record: the talk so far, the nodes and the reply.
    """

    split: str
    record: Record

    def row(self) -> dict[str, Any]:
        """The chain as a row of JSON: the record's fields behind its split."""
        return {"split": self.split, **unstructured(self.record)}


def read_chains(path: Path) -> Iterator[Chain]:
    """The chains of a stage's file, one at a time; UserError naming file, line and field for a spoilt one."""
    for where, row in json_rows(path):
        split = row.pop("split", None)
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, where)
        yield Chain(split, structured(Record, row, where))


def chains_stage(config: CareDataConfig) -> Stage:
    """The stage that writes `chains.jsonl` from the dialogues of the privacy stage."""

    def inputs(work: Workspace) -> list[Path]:
        split = [Path(config.split).expanduser()] if config.split else []
        return [work.file("privacy", DIALOGUES), *split]

    def settings(build: BuildConfig) -> Mapping[str, Any]:
        drawn = {"split": Path(config.split).name} if config.split else {"split_seed": config.split_seed}
        danger = {"withheld": VERSION, "danger": finder_version()}
        return drawn | {"limit": config.limit} | danger | _writer_settings(config, build)

    def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
        out.begin(CHAINS)
        splits = split_of(work, config)
        tally: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        danger = DangerTally()

        def add(dialogue: str, record: Record) -> None:
            chain = Chain(splits[dialogue], record)
            tally[chain.split] += 1
            out.add(CHAINS, chain.row())

        def used() -> Iterator[Dialogue]:
            for dialogue in read_dialogues(work, "privacy", out):
                if dialogue.id not in splits:
                    continue
                if why := why_withheld(turns=dialogue.turns):
                    out.reject(dialogue.id, why)
                else:
                    yield danger.marked(dialogue, splits[dialogue.id], NAME)

        dialogues = used()
        if config.writer:
            total = _strategies(work, splits)
            counts = _write(work, out, config, _annotated(dialogues, skipped), total, add)
        else:
            counts = _write_silver(config, dialogues, skipped, add)
        if not tally and not out.rejected:
            raise UserError(_nothing(config, skipped))
        return {
            "silver": not config.writer,
            "dialogues": {split: Counter(splits.values())[split] for split in SPLITS},
            "chains": {split: tally[split] for split in SPLITS},
            "skipped": dict(sorted(skipped.items())),
            "danger": danger.counts(),
            **counts,
        }

    return Stage(NAME, "write the nodes that lead to each reply", inputs, settings, make)


def split_of(work: Workspace, config: CareDataConfig) -> dict[str, str]:
    """Dialogue -> "train", "valid" or "test", of the dialogues that are used: the split that `data.split` or
    `data.split_seed` makes of the same corpus.

    Raises:
        UserError: see `read_split` and `split_dialogues`; or row numbers are given, and rows of the corpus are missing.
    """
    dialogues = list(_outlines(work))
    if config.split:
        _check_whole(work, config)
        parts = read_split(Path(config.split).expanduser(), dialogues)
    else:
        parts = split_dialogues(dialogues, seed=config.split_seed)
    return {
        dialogue.id: name for name, part in zip(SPLITS, parts, strict=True) for dialogue in spread(part, config.limit)
    }


def chain_messages(asked: Round) -> list[dict[str, str]]:
    """The chat that asks for the nodes of a reply with an annotated strategy."""
    return load_task_prompt(PROMPT, asked.language).messages(
        conversation=talk_text(asked.history, asked.language),
        response=one_line(asked.reference.response),
        strategy=STRATEGIES.display(asked.reference.strategy, asked.language),
    )


def parse_chain(asked: Round, text: str) -> ReasonedTurn:
    """The nodes of an answer, with the real reply behind them.

    Raises:
        Malformed: the nodes are not wholly in CARE's format, there is a reply among them, or the plan's strategy is not
            the annotated one.
    """
    if not text.strip():
        raise Malformed("an empty answer")
    reply = CARE.section(ReasonedTurn({}, {}, asked.reference.response), RESPONSE, asked.language)
    turn = parse_output(CARE, f"{text}\n<{RESPONSE}>\n{reply}\n</{RESPONSE}>")
    if turn.labels["strategy"] != asked.reference.strategy:
        raise Malformed("another strategy than the annotated one")
    return turn


def _nothing(config: CareDataConfig, skipped: Counter[str]) -> str:
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(skipped.items()))
    needs = "a strategy after a seeker's turn" + ("" if config.writer else ", and dialogues with an emotion_type")
    return (
        f"no chain can be made of {config.corpus.path} ({reasons or 'no turn of a supporter'}); it needs supporter's "
        f"turns with {needs}, as ESConv has them."
    )


def _writer_settings(config: CareDataConfig, build: BuildConfig) -> dict[str, Any]:
    if not config.writer:
        return {"silver": {"seed": config.seed, "quotes": config.quotes}}
    return {
        "writer": config.writer,
        "tries": config.tries,
        "prompts": task_prompt_versions(PROMPT),
        "chat_model": answer_settings(build, config.writer),
    }


def _outlines(work: Workspace) -> Iterator[Dialogue]:
    """The dialogues without what they say, which is all that splitting needs."""
    path = work.file("privacy", DIALOGUES)
    if not path.stat().st_size:
        raise UserError("no dialogue of the corpus can be used; corpora/rejected.jsonl and corpora/stage.json say why.")
    for _, row in json_rows(path):
        yield Dialogue(row["id"], row["language"], row["source"], row["licence"], ())


def _strategies(work: Workspace, splits: Mapping[str, str]) -> int:
    """How many turns of the dialogues that are used have a strategy."""
    rows = (row for _, row in json_rows(work.file("privacy", DIALOGUES)) if row["id"] in splits)
    return sum("strategy" in turn for row in rows for turn in row["turns"])


def _check_whole(work: Workspace, config: CareDataConfig) -> None:
    """Row numbers mean the corpus's rows; with some of them left out they would mean others."""
    card = read_card(work.folder / "corpora") or {}
    sources = card.get("counts", {}).get("sources", {}).values()
    missing = sum(source["rejected"] + source["licence_filtered"] for source in sources)
    if missing:
        rows = "1 row" if missing == 1 else f"{missing:,} rows"
        raise UserError(
            f"split is {config.split!r}, which counts the rows of {config.corpus.path}, but {rows} of it could not be "
            "used (corpora/rejected.jsonl, corpora/stage.json); mend them, or leave split out."
        )


def _write_silver(
    config: CareDataConfig, dialogues: Iterator[Dialogue], skipped: Counter[str], add: Add
) -> dict[str, Any]:
    entry = {"stage": NAME, "silver": True, "seed": config.seed, "quotes": config.quotes}
    for dialogue in dialogues:
        skipped.update(count_skipped([dialogue]))
        for record in silver_records([dialogue], CARE, config.seed, quotes=config.quotes):
            add(dialogue.id, replace(record, provenance=(*dialogue.provenance, entry)))
    return {}


def _annotated(dialogues: Iterator[Dialogue], skipped: Counter[str]) -> Iterator[Round]:
    """The rounds whose reply has a strategy; counts the supporter's other turns."""
    for dialogue in dialogues:
        rounds = rounds_of(dialogue)
        turns = sum(turn.role == "supporter" for turn in dialogue.turns)
        found = [one for one in rounds if one.reference.strategy is not None]
        reasons = {"no seeker's turn before it": turns - len(rounds), "no strategy": len(rounds) - len(found)}
        skipped.update({reason: count for reason, count in reasons.items() if count})
        yield from found


def _write(
    work: Workspace, out: StageWriter, config: CareDataConfig, rounds: Iterator[Round], total: int, add: Add
) -> dict[str, Any]:
    """Has the model write for about `total` rounds, and returns its counts."""
    asker = StageModel(work, NAME, config.writer, tries=config.tries)
    title = f"chains, {config.writer}"
    for asked, answer in asker.ask(rounds, chain_messages, parse_chain, title=title, total=total):
        if isinstance(answer, SetAside):
            out.reject(asked.id, answer.reason, {"text": answer.text})
            continue
        entry = asker.provenance(task_prompt(PROMPT, asked.language), answer.draw)
        add(asked.dialogue, policy_record(asked, asked.id, answer.value, (*asked.provenance, entry)))
    return {"models": {config.writer: {"asked_again": asker.asked_again, **asker.counts()}}}
