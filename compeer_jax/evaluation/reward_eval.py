"""Judges, examined on records whose right verdicts are known: the paper's Table 1."""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np

from compeer_jax.data.cer.folder import cer_folder, view_file
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.judge_record import JudgeRecord, read_judge_records
from compeer_jax.data.records import DataConfig, load_records, spread
from compeer_jax.data.silver_judging import silver_judge_records
from compeer_jax.dialogue.judging import JudgeKind, conversations, swap_preference
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.judge_accuracy import order_report, response_scores, sklearn_metrics, step_scores
from compeer_jax.evaluation.judge_table import JudgeRow, JudgeTable, accuracy_markdown, metric_headings
from compeer_jax.evaluation.published_figures import PERCENT, read_figures
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.progress import Progress
from compeer_jax.rewards.config import JudgeModelsConfig
from compeer_jax.rewards.generative_judge import Respond, Verdict, hear
from compeer_jax.rewards.in_process import InProcessJudge
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.remote_config import RemoteJudgeConfig
from compeer_jax.rewards.remote_judge import RemoteJudge
from compeer_jax.training.reward_config import SilverJudgeConfig
from compeer_jax.training.run_folder import replacing

COMMONEST = "commonest verdict"  # the row of who always says what is right most often, without looking
JUDGE_NAMES: Mapping[JudgeKind, str] = {"prm": "PRM", "orm": "ORM", "unifi": "UnifiReward"}  # in the paper's order

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
        models: the judges to rate: directories of unifi, prm and orm, any of them.
        remote: a general model to rate, behind a chat server; none unless `remote.model` or `general` names one.
        general: names of several models at that server, a row each.
        both_orders: show each pair of answers in both orders, to see how much their place matters. The scores are those
            of one order, drawn for each record.
        batch_size: records judged at once.
        resamples: of the bootstrap over records, for 95 % intervals.
        published: figures to print beside: "paper" for the paper's Table 1, or a YAML file of yours, in percent: row ->
            metric -> figure, for example {UnifiReward: {history_f1: 90.0, response_accuracy: 80.0}}. Figures of a judge
            that is rated stand below it, matched by its name to the letter.
        mesh: where judges with weights live.
        seed: of all that is random.
        output: folder for accuracy.json, accuracy.md and verdicts.jsonl (default: only the tables are printed).
    """

    records: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    split: Literal["train", "valid", "test"] = "test"
    silver: SilverJudgeConfig = field(default_factory=SilverJudgeConfig)
    limit: int = 0
    models: JudgeModelsConfig = field(default_factory=JudgeModelsConfig)
    remote: RemoteJudgeConfig = field(default_factory=RemoteJudgeConfig)
    general: list[str] = field(default_factory=list)
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


class Candidate(NamedTuple):
    """A judge to be rated, not loaded yet."""

    name: str
    kind: JudgeKind
    load: Callable[[], Respond]


def evaluate_judges(config: RewardEvalConfig) -> JudgeTable:
    """Asks every judge about every record.

    Raises:
        UserError: anything in the settings, the records, the judges or the server that does not fit.
    """
    sklearn_metrics()
    records, source = judge_records(config)
    format = format_of(records)
    metrics = dict.fromkeys(metric_headings(format.tags), PERCENT)
    published = read_figures(config.published, metrics) if config.published else {}
    judges = candidates(config, format)
    swapped = np.random.default_rng(config.seed).random(len(records)) < 0.5
    rows, drawn = [_commonest(records, format, config)], {}
    for candidate in judges:
        drawn[candidate.name], other = _ask(candidate, records, swapped, format, config)
        rows.append(_row(candidate.name, records, drawn[candidate.name], other, swapped, config))
    title = f"{len(records)} {source}: percent, with 95 % bootstrap intervals"
    table = JudgeTable(title, format.tags, rows, published)
    if config.output:
        _write(Path(config.output).expanduser(), config, table, records, drawn)
    return table


def judge_records(config: RewardEvalConfig) -> tuple[list[JudgeRecord], str]:
    """The records, and what they are in words."""
    cer = None if config.records else cer_folder(config.data.path)
    path = config.records or (cer and view_file(cer, "unifi", config.split))
    if path:
        records, source = read_judge_records(path), f"records of {path}"
    else:
        data = config.data
        silver = {"seed": data.silver_seed, **vars(config.silver)}
        records = silver_judge_records(getattr(load_records(data), config.split), data.reasoning, **silver)
        source = f"silver {config.split} records of {data.path}"
    return spread(records, config.limit), source


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


def candidates(config: RewardEvalConfig, format: ReasoningFormat) -> list[Candidate]:
    """The judges in the paper's order, general models first.

    Each is loaded when its turn comes, so that one at a time takes memory; what can be checked is checked now.

    Raises:
        UserError: none is named, a directory is no judge, or the server can't be used.
    """
    general = config.general or [name for name in [config.remote.model] if name]
    directories = {kind: getattr(config.models, kind) for kind in JUDGE_NAMES if getattr(config.models, kind)}
    if not general and not directories:
        raise UserError("name a judge to rate: models.unifi, models.prm, models.orm, or remote.model for a server's.")
    for directory in directories.values():
        JudgeCard.read(directory)
    mesh = make_mesh(config.mesh)
    answers = Path(config.output).expanduser() / "answers" if config.output else None
    found = []
    for name in general:
        remote = RemoteJudge(replace(config.remote, model=name), say=log.warning, folder=answers)
        remote.check()
        found.append(Candidate(name, "unifi", lambda remote=remote: remote))
    for kind, directory in directories.items():
        load = partial(InProcessJudge, directory, kind, format, config.models, mesh)
        found.append(Candidate(JUDGE_NAMES[kind], kind, load))
    return found


def _ask(
    candidate: Candidate,
    records: Sequence[JudgeRecord],
    swapped: Sequence[bool],
    format: ReasoningFormat,
    config: RewardEvalConfig,
) -> tuple[list[dict[str, Verdict]], list[dict[str, Verdict]] | None]:
    """Verdicts on each record as shown in the order drawn, and in the other order if that is asked, too."""
    rounds = conversations(candidate.kind, format)
    orders = 2 if config.both_orders and any(RESPONSE in tags for tags in rounds) else 1
    respond, key = candidate.load(), jax.random.key(config.seed)
    verdicts: list[dict[str, Verdict]] = []
    steps = -(-len(records) // config.batch_size)
    with Progress(steps, candidate.name) as progress:
        for step in range(steps):
            rows = range(step * config.batch_size, min(len(records), (step + 1) * config.batch_size))
            # One compiled shape for the last batch too.
            filled = [*rows, *[rows[0]] * (config.batch_size - len(rows))] if steps > 1 else rows
            cases = [
                records[row].case(bool(swapped[row]) ^ other) for row in filled for other in (False, True)[:orders]
            ]
            heard = hear(respond, rounds, cases, jax.random.fold_in(key, step), group_size=orders)
            verdicts += heard.verdicts[: len(rows) * orders]
            progress.update(step + 1, {"unparsed": sum(None in said.values() for said in verdicts)})
    return verdicts[::orders], verdicts[1::2] if orders == 2 else None


def _row(
    name: str,
    records: Sequence[JudgeRecord],
    drawn: Sequence[Mapping[str, Verdict]],
    other: Sequence[Mapping[str, Verdict]] | None,
    swapped: Sequence[bool],
    config: RewardEvalConfig,
) -> JudgeRow:
    """What the verdicts in the order drawn are worth."""
    bootstrap = {"resamples": config.resamples, "seed": config.seed}
    scores, order, counted = {}, None, []
    for tag in drawn[0]:
        shown = [verdicts[tag] for verdicts in drawn]
        said = shown
        if tag == RESPONSE:
            said = [_kept(verdict, swap) for verdict, swap in zip(shown, swapped, strict=True)]
            order = order_report(shown, other and [verdicts[tag] for verdicts in other])
        rated = [(record.verdict(tag), verdict) for record, verdict in zip(records, said, strict=True)]
        rated = [(right, verdict) for right, verdict in rated if right is not None]
        if rated:
            part = (response_scores if tag == RESPONSE else step_scores)(*zip(*rated, strict=True), **bootstrap)
            scores |= {f"{tag}_{metric}": estimate for metric, estimate in part.items()}
            counted += [verdict is None for _, verdict in rated]
    return JudgeRow(name, scores, sum(counted) / len(counted) if counted else None, order)


def _kept(verdict: Verdict, swap: bool) -> Verdict:
    """A preference as shown, in the order the answers are kept in."""
    return swap_preference(verdict) if swap and verdict is not None else verdict


def _commonest(records: Sequence[JudgeRecord], format: ReasoningFormat, config: RewardEvalConfig) -> JudgeRow:
    """The row of who says of every part what is right most often: what a judge has to beat."""
    said = {}
    for tag in format.tags:
        truth = [right for record in records if (right := record.verdict(tag)) is not None]
        if truth:
            said[tag] = max(dict.fromkeys(truth), key=truth.count)
    row = _row(COMMONEST, records, [said] * len(records), None, [False] * len(records), config)
    return row._replace(unparsed=None, order=None)


def _write(
    folder: Path,
    config: RewardEvalConfig,
    table: JudgeTable,
    records: Sequence[JudgeRecord],
    drawn: Mapping[str, Sequence[Mapping[str, Verdict]]],
) -> None:
    """accuracy.json, accuracy.md, and each record's verdicts as they were given."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "settings": dataclasses.asdict(config),
        "title": table.title,
        "rows": [
            {
                "name": row.name,
                "unparsed": row.unparsed,
                **(row.order._asdict() if row.order else {}),
                "scores": {metric: estimate._asdict() for metric, estimate in row.scores.items()},
            }
            for row in table.rows
        ],
        "published": table.published,
    }
    with replacing(folder / "accuracy.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    with replacing(folder / "accuracy.md") as temporary:
        temporary.write_text(accuracy_markdown(table), encoding="utf-8")
    rows = (
        {
            "id": record.id,
            "truth": {**record.labels, RESPONSE: record.preference},
            "said": {name: verdicts[index] for name, verdicts in drawn.items()},
        }
        for index, record in enumerate(records)
    )
    write_jsonl(folder / "verdicts.jsonl", rows)
