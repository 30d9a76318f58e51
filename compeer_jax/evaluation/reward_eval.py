"""Evaluation of judges on records whose right verdicts are known: the paper's Table 1."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from compeer_jax.data.cer_folder import cer_folder, view_file
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.judge_record import JudgeRecord, read_judge_records
from compeer_jax.data.policy_data import DataConfig, in_language, load_records, pictured, spread
from compeer_jax.dialogue.judging import Preference, swap_preference
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.errors import UserError, require_at_least, unknown
from compeer_jax.evaluation.estimates import Estimate, library
from compeer_jax.evaluation.judge_accuracy import differences, response_scores, step_scores
from compeer_jax.evaluation.judge_table import JudgeResults, JudgeRow, judge_tables, metric_headings
from compeer_jax.evaluation.published_figures import PERCENT, read_figures
from compeer_jax.evaluation.rated_judges import Candidate, RatedJudgeConfig, candidates
from compeer_jax.files import read_json, replacing, write_json, write_text
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.progress import Progress
from compeer_jax.report.table import tables_markdown
from compeer_jax.rewards.config import JudgeLoadConfig
from compeer_jax.rewards.conversation import SWAPPED, Verdict, ask_judge, rounds_with
from compeer_jax.rewards.generative_judge import OrderReport, order_report
from compeer_jax.structure import unstructured
from compeer_jax.training.reward_config import SilverJudgeConfig

COMMONEST = "commonest verdict"  # the row of who always says what is right most often, without looking

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RewardEvalConfig:
    """How often judges are right on records of known verdicts, as in the paper's Table 1.

    Weighted F1 and recall of False for each step, weighted F1 and accuracy for the response. A part without a readable
    verdict, after a second try, counts as wrong; a part whose right verdict the record doesn't hold is not counted.

    Args:
        records: JSONL in CER's format; without it, records are made from a split of `data`: silver ones, or where
            `data.path` is a CER dataset, those of its view "unifi".
        data: the dialogues, with the settings that the judges were trained with, so that no talk is in both.
        split: which part of the dialogues.
        silver: how silver records are made.
        limit: use at most this many records, spread over them (0: all).
        judges: those to rate, a row each, in their order: {NAME: {kind, directory}} for trained ones, {NAME: {kind:
            general, server: {url, model}}} or {NAME: {kind: general, directory}} for general models.
        models: how judges in this process are loaded.
        against: name of a judge, or of the row "commonest verdict", that the other rows are compared with, on the same
            records ("": none).
        both_orders: show each pair of answers in both orders, to see how much their place matters. The scores are those
            of one order, drawn for each record.
        batch_size: records judged at once.
        resamples: of the bootstrap over records, for 95 % intervals.
        published: figures to print beside: "paper" for the paper's Table 1, or a YAML file of yours, in percent: row ->
            metric -> figure, for example {UnifiReward: {history_f1: 90.0, response_accuracy: 80.0}}. Figures of a judge
            that is rated stand below it, matched by its name to the letter.
        mesh: where judges with weights live.
        seed: of all that is random.
        output: folder for accuracy.json, accuracy.md and verdicts.jsonl (default: only the tables are printed). Each
            judge's verdicts are kept in it once it has been asked about all records, and not asked for again.
    """

    records: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    split: Literal["train", "valid", "test"] = "test"
    silver: SilverJudgeConfig = field(default_factory=SilverJudgeConfig)
    limit: int = 0
    judges: dict[str, RatedJudgeConfig] = field(default_factory=dict)
    models: JudgeLoadConfig = field(default_factory=JudgeLoadConfig)
    against: str = ""
    both_orders: bool = True
    batch_size: int = 32
    resamples: int = 2000
    published: str = ""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    seed: int = 0
    output: str = ""

    def __post_init__(self):
        require_at_least(1, self, "", "batch_size", "resamples")
        require_at_least(0, self, "", "limit")
        if COMMONEST in self.judges:
            raise UserError(f"a judge is named {COMMONEST!r}, as the first row of the table is; give it another name.")
        if self.against and self.against not in (COMMONEST, *self.judges):
            raise unknown("judge", self.against, (COMMONEST, *self.judges), where="against")


def evaluate_judges(config: RewardEvalConfig) -> JudgeResults:
    """Verdicts of every judge on every record.

    Raises:
        UserError: anything in the settings, the records, the judges or the server that does not fit; or no judge gave a
            verdict on anything.
    """
    library("sklearn.metrics")
    records, source = judge_records(config)
    format = format_of(records)
    metrics = dict.fromkeys(metric_headings(format.tags), PERCENT)
    published = read_figures(config.published, metrics) if config.published else {}
    output = Path(config.output).expanduser() if config.output else None
    judges = candidates(config.judges, format, config.models, make_mesh(config.mesh), output and output / "answers")
    swapped = (np.random.default_rng(config.seed).random(len(records)) < 0.5).tolist()
    drawn: dict[str, list[dict[str, Verdict]]] = {}
    said, rows = {COMMONEST: _commonest(records, format)}, []
    orders: dict[str, OrderReport] = {}
    for candidate in judges:
        shown, other = _asked_once(candidate, records, swapped, format, config, output)
        drawn[candidate.name] = shown
        said[candidate.name] = [_as_kept(one, swap) for one, swap in zip(shown, swapped, strict=True)]
        if RESPONSE in shown[0]:
            others = other and [verdicts[RESPONSE] for verdicts in other]
            orders[candidate.name] = order_report([verdicts[RESPONSE] for verdicts in shown], others)
    for name, verdicts in said.items():
        row = _row(name, records, verdicts, config)._replace(order=orders.get(name))
        if config.against not in ("", name):
            row = row._replace(differences=_differences(records, verdicts, said[config.against], config))
        rows.append(row if name in drawn else row._replace(unparsed=None))
        if rows[-1].unparsed == 1:
            log.warning("%s gave no verdict that can be read, so its scores of 0 say nothing of its judgement.", name)
    title = f"{len(records)} {source}: percent, with 95 % bootstrap intervals"
    table = JudgeResults(title, format.tags, rows, published, config.against)
    if output:
        _write(output, config, table, records, drawn)
    if drawn and all(row.unparsed == 1 for row in rows if row.name in drawn):
        kept = f"; what they say is in {output}" if output else ""
        raise UserError(
            f"None of {', '.join(drawn)} gave a verdict that can be read, so there is nothing to rate{kept}: look at "
            "how they are asked, and how long they may be."
        )
    return table


def judge_records(config: RewardEvalConfig) -> tuple[list[JudgeRecord], str]:
    """The records, and what they are in words."""
    cer = None if config.records else cer_folder(config.data.path)
    path = config.records or (cer and view_file(cer, "unifi", config.split))
    if path:
        records, source = read_judge_records(path), f"records of {path}"
        if config.data.pictures.most:
            records = pictured(records, cer or Path(path).expanduser().parent)
    else:
        data = config.data
        records = config.silver.make(getattr(load_records(data), config.split), data)
        source = f"silver {config.split} records of {data.path}"
    return spread(in_language(records, config.data.language), config.limit), source


def format_of(records: Sequence[JudgeRecord]) -> ReasoningFormat:
    """The one format of the records; UserError when there are two."""
    formats = {format.tags: format for format in FORMATS.values()}
    first = next(format for tags, format in formats.items() if set(tags[:-1]) == records[0].steps.keys())
    for record in records:
        if record.steps.keys() != set(first.tags[:-1]):
            raise UserError(
                f"record {record.id!r} has not the steps of {records[0].id!r}, {', '.join(first.tags[:-1])}; keep one "
                "format's records to a file."
            )
    return first


def _asked_once(
    candidate: Candidate,
    records: Sequence[JudgeRecord],
    swapped: Sequence[bool],
    format: ReasoningFormat,
    config: RewardEvalConfig,
    output: Path | None,
) -> tuple[list[dict[str, Verdict]], list[dict[str, Verdict]] | None]:
    """`_ask`, unless the folder has what the same judge said of the same records, asked in the same way."""
    if output is None or candidate.identity is None:
        return _ask(candidate, records, swapped, format, config)
    way = {name: getattr(config, name) for name in ("seed", "both_orders", "batch_size")}
    asked = {"judge": candidate.identity, "records": [unstructured(record) for record in records], **way}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    path = output / "said" / f"{digest[:16]}.json"
    if path.is_file():
        log.info("%s: what it said of these records is in %s.", candidate.name, path)
        kept = read_json(path, "what a judge said", dict, mend="remove it, and the judge is asked again")
        return kept["shown"], kept["other"]
    shown, other = _ask(candidate, records, swapped, format, config)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"shown": shown, "other": other}), encoding="utf-8")
    return shown, other


def _ask(
    candidate: Candidate,
    records: Sequence[JudgeRecord],
    swapped: Sequence[bool],
    format: ReasoningFormat,
    config: RewardEvalConfig,
) -> tuple[list[dict[str, Verdict]], list[dict[str, Verdict]] | None]:
    """Verdicts on each record as shown in the order drawn, and in the other order if that is asked, too."""
    respond, key = candidate.load(), jax.random.key(config.seed)
    rounds = rounds_with(respond, candidate.kind, format)
    verdicts: list[dict[str, Verdict]] = []
    steps = -(-len(records) // config.batch_size)
    with Progress(steps, candidate.name) as progress:
        for step in range(steps):
            rows = range(step * config.batch_size, min(len(records), (step + 1) * config.batch_size))
            # One compiled shape for the last batch too.
            filled = [*rows, *[rows[0]] * (config.batch_size - len(rows))] if steps > 1 else rows
            cases = [records[row].case(bool(swapped[row])) for row in filled]
            judged = ask_judge(respond, rounds, cases, jax.random.fold_in(key, step), both_orders=config.both_orders)
            verdicts += judged.verdicts[: len(rows)]
            progress.update(step + 1, {"unparsed": sum(None in said.values() for said in verdicts)})
    other = [{RESPONSE: said.pop(SWAPPED)} for said in verdicts] if SWAPPED in verdicts[0] else None
    return verdicts, other


def _row(
    name: str, records: Sequence[JudgeRecord], said: Sequence[Mapping[str, Verdict]], config: RewardEvalConfig
) -> JudgeRow:
    """What verdicts are worth, responses in the order that they are kept in."""
    scores, counted = {}, []
    for tag, truth, verdicts in _rated(records, said):
        score = response_scores if tag == RESPONSE else step_scores
        part = score(truth, verdicts, resamples=config.resamples, seed=config.seed)
        scores |= {f"{tag}_{metric}": estimate for metric, estimate in part.items()}
        counted += [verdict is None for verdict in verdicts]
    return JudgeRow(name, scores, sum(counted) / len(counted) if counted else None)


def _differences(
    records: Sequence[JudgeRecord],
    said: Sequence[Mapping[str, Verdict]],
    other: Sequence[Mapping[str, Verdict]],
    config: RewardEvalConfig,
) -> dict[str, Estimate]:
    """Scores of the one minus those of the other, of what both rate."""
    found, others = {}, {tag: verdicts for tag, _, verdicts in _rated(records, other)}
    for tag, truth, verdicts in _rated(records, said):
        if tag in others:
            part = differences(truth, verdicts, others[tag], resamples=config.resamples, seed=config.seed)
            found |= {f"{tag}_{metric}": estimate for metric, estimate in part.items()}
    return found


def _rated(
    records: Sequence[JudgeRecord], said: Sequence[Mapping[str, Verdict]]
) -> Iterator[tuple[str, list[bool | Preference], list[Verdict]]]:
    """Each part that is rated, with the right verdicts and those given, of the records where the right one is known."""
    for tag in said[0]:
        known = [(record.verdict(tag), verdicts[tag]) for record, verdicts in zip(records, said, strict=True)]
        known = [(right, verdict) for right, verdict in known if right is not None]
        if known:
            truth, verdicts = map(list, zip(*known, strict=True))
            yield tag, truth, verdicts


def _as_kept(verdicts: Mapping[str, Verdict], swapped: bool) -> dict[str, Verdict]:
    """Verdicts as shown, the preference turned to the order that the answers are kept in."""
    preference = verdicts.get(RESPONSE)
    return {**verdicts, **({RESPONSE: swap_preference(preference)} if swapped and preference else {})}


def _commonest(records: Sequence[JudgeRecord], format: ReasoningFormat) -> list[dict[str, Verdict]]:
    """The verdicts of who says of every part what is right most often: what a judge has to beat."""
    said = {}
    for tag in format.tags:
        truth = [right for record in records if (right := record.verdict(tag)) is not None]
        if truth:
            said[tag] = max(dict.fromkeys(truth), key=truth.count)
    return [said] * len(records)


def _write(
    folder: Path,
    config: RewardEvalConfig,
    table: JudgeResults,
    records: Sequence[JudgeRecord],
    drawn: Mapping[str, Sequence[Mapping[str, Verdict]]],
) -> None:
    """accuracy.json, accuracy.md, and each record's verdicts as they were given."""
    rows = [
        {
            "name": row.name,
            "unparsed": row.unparsed,
            **(row.order._asdict() if row.order else {}),
            "scores": row.scores,
            "differences": row.differences,
        }
        for row in table.rows
    ]
    content = {"settings": config, "title": table.title, "rows": rows}
    write_json(folder / "accuracy.json", content | {"against": table.against, "published": table.published})
    write_text(folder / "accuracy.md", tables_markdown(judge_tables(table)))
    verdicts = (
        {
            "id": record.id,
            "truth": {**record.labels, RESPONSE: record.preference},
            "said": {name: verdicts[index] for name, verdicts in drawn.items()},
        }
        for index, record in enumerate(records)
    )
    write_jsonl(folder / "verdicts.jsonl", verdicts)
