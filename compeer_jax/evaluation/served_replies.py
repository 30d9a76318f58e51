"""Replies of a model behind a server to the dialogues that others are rated on, in the files of `compeer eval`."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.chat.types import Answer, ChatRequest
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records, spread
from compeer_jax.data.record import Record
from compeer_jax.dialogue.prompts import check_prompt
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.evaluate import records_answered
from compeer_jax.files import read_json, write_json
from compeer_jax.runs.binding import check_same, short_json


@dataclass(frozen=True)
class RepliesConfig:
    """Lets a model behind a server reply to held-out dialogues, by a prompt and in a format of ours.

    Thoughts are taken off. What it writes is kept as it is; a reply in broken format is counted, and is no reply to
    `compeer eval pairs`, `study` and `generation` unless they take what can be found.

    Args:
        server: the server, the model there and how it draws.
        output: folder for outputs.jsonl and report.json, as `compeer eval` leaves them, and for the server's answers.
        data: the dialogues, the format, and the prompt; lengths play no part here, and pictures are the server's.
        split: which part of the dialogues.
        records: use at most this many records, spread over the split (0: all).
        records_of: folder of another model's outputs, to reply to the records that these answer ("": `records`
            chooses).
        tries: how often the model is asked before a malformed output stands. Models that are compared should have as
            many; those in this process have one.
    """

    output: str
    server: ServerConfig = field(default_factory=ServerConfig)
    data: DataConfig = field(default_factory=DataConfig)
    split: Literal["train", "valid", "test"] = "test"
    records: int = 0
    records_of: str = ""
    tries: int = 1

    def __post_init__(self):
        require_at_least(0, self, "", "records")
        require_at_least(1, self, "", "tries")
        if not self.server.model:
            raise UserError("server.model names no model; give its name there, and server.url.")


@dataclass(frozen=True)
class ServedReplies:
    """Replies that came back.

    Attributes:
        count: outputs.
        well_formed: those in the format, whole.
        silent: those without words: none came, a refusal, or thoughts without an end.
        problems: what is wrong with the others -> how often, most frequent first.
    """

    count: int
    well_formed: int
    silent: int
    problems: Mapping[str, int]


def write_replies(config: RepliesConfig, say: Callable[[str], None]) -> ServedReplies:
    """Folder of a served model's replies, one a record. Answers are stored as they come: it goes on where it was.

    Args:
        config: the settings.
        say: told a line when the server goes away or comes back.

    Raises:
        UserError: anything in the settings, the data or the server that does not fit, no answer at all, or the folder
            holds outputs that were made otherwise.
    """
    check_prompt(config.data.prompt, config.data.format, "data")
    folder = Path(config.output).expanduser()
    model = open_chat_model("replies", ChatModelConfig(server=config.server), folder=folder, say=say)
    settings = asdict(config) | {"server": dict(model.settings)}
    del settings["output"]
    settings = json.loads(json.dumps(settings))
    report = folder / "report.json"
    if report.exists():
        held = read_json(report, "the settings", dict, mend="name another output folder").get("settings", {})
        check_same(folder, held, settings, choose="name another output folder", shown=short_json)
    data = replace(config.data, pictures=config.server.pictures)
    records = getattr(load_records(data, "rl"), config.split)
    if config.records_of:
        records = records_answered(config.records_of, records, f"the {config.split} split of {config.data.path}")
    else:
        records = spread(records, config.records)
    try:
        model.check()
        rows = _replies(model, records, config)
    finally:
        model.close()
    silent = sum(not row["text"].strip() for row in rows)
    if silent == len(rows):
        raise UserError(f"{config.server.model} answered none of {len(rows)} records; see what the server says of it.")
    whole = [row for row in rows if not _is_faulty(row)]
    problems = Counter(problem for row in rows if row["text"].strip() for problem in row["problems"])
    problems.update({"cut off": cut} if (cut := sum("truncated" in row for row in rows)) else {})
    found = ServedReplies(len(rows), len(whole), silent, dict(problems.most_common()))
    write_jsonl(folder / "outputs.jsonl", rows)
    write_json(report, {"settings": settings, "replies": found})
    return found


def _replies(model, records: list[Record], config: RepliesConfig) -> list[dict]:
    """A row for each record: the last output that the model was asked for."""
    asked = {
        record.id: chat_messages(record.history, prompt=config.data.prompt, language=record.language, pictures=True)
        for record in records
    }
    rows: dict[str, dict] = {}
    waiting = list(records)
    for draw in range(config.tries):
        answers = model.answer([ChatRequest(asked[record.id], draw) for record in waiting])
        for record, answer in zip(waiting, answers, strict=True):
            rows[record.id] = _row(record, answer, config)
        waiting = [record for record in waiting if _is_faulty(rows[record.id])]
    return [rows[record.id] for record in records]


def _row(record: Record, answer: Answer | None, config: RepliesConfig) -> dict:
    said = answer is not None and answer.ending in ("whole", "cut")
    text = answer.text if said else ""
    row = {"id": record.id, "member": 0, "text": text, "problems": list(config.data.reasoning.parse(text).problems)}
    return row | ({"truncated": True} if said and answer.ended == "cut" else {})


def _is_faulty(row: dict) -> bool:
    return bool(row["problems"]) or "truncated" in row
