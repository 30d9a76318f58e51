"""The candidates stage: each sampled round goes to each chat model, for reasoning and a reply in our format."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from compeer_jax.chat.models import Malformed, SetAside, ask_each
from compeer_jax.chat.types import ChatModel, Spent
from compeer_jax.curation.candidates.rows import CANDIDATES, Candidate
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.pipeline import STAGES
from compeer_jax.curation.rounds.rows import Round
from compeer_jax.curation.rounds.stage import ROUNDS
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.danger.withheld import VERSION, why_withheld
from compeer_jax.dialogue.prompts import load_prompt
from compeer_jax.dialogue.reasoning import FORMATS, ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.dialogue.taxonomy import LANGUAGES


def inputs(work: Workspace) -> list[Path]:
    """The sampled rounds."""
    return [work.file("rounds", ROUNDS)]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the candidates depend on beside the rounds."""
    return {
        **asdict(config.candidates),
        "withheld": VERSION,
        "prompts": {language: load_prompt(config.candidates.prompt, language).version for language in LANGUAGES},
        "chat_models": {name: answer_settings(config, name) for name in config.candidates.models},
    }


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Asks one model after the other about all rounds, which are streamed."""
    names = list(dict.fromkeys(work.config.candidates.models))
    out.begin(CANDIDATES)
    if not names:
        work.say("candidates: candidates.models names no chat model, so no round is answered.")
    counts = {"rounds": work.rows("rounds", ROUNDS), "models": {}}
    for name in names:
        counts["models"][name] = _ask(work.models[name], name, work, out)
    return counts


def read_rounds(path: Path) -> Iterator[Round]:
    """The rounds of a JSONL file, one a line; none if it is empty.

    Raises:
        UserError: naming file, line and field.
    """
    if not path.stat().st_size:
        return
    for where, row in read_jsonl(path):
        yield Round.from_json(row, where)


def parse_output(format: ReasoningFormat, text: str) -> ReasonedTurn:
    """The reasoned turn in a chat model's output.

    Raises:
        Malformed: the output is not wholly in the format, or says what no output may say; the first thing that is
            wrong with it.
    """
    if not text.strip():
        raise Malformed("an empty answer")
    turn = format.parse(text)
    if turn.problems:
        raise Malformed(f"not in the format ({re.sub('[:_]', ' ', turn.problems[0])})")
    if why := why_withheld(text):
        raise Malformed(why)
    return turn


def answer_settings(config: BuildConfig, name: str) -> dict[str, Any]:
    """What the answers of chat model `name` depend on, as far as the pipeline's settings say, and their prices: no
    waiting times, nothing of how many requests go at once.
    """
    model = config.models[name]
    prices = {"prompt_price": model.prompt_price, "completion_price": model.completion_price}
    if model.path:
        return {"path": model.path, **asdict(model.local), **prices}
    kept = ("model", "temperature", "max_tokens", "seed", "extra")
    url = urlsplit(model.server.url)
    address = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()  # a login is nothing to keep
    return {name: getattr(model.server, name) for name in kept} | {"url": address} | prices


def settings_digest(model: ChatModel) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a model's settings, for provenance."""
    text = json.dumps(dict(model.settings), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def spent_counts(spent: Spent) -> dict[str, int | float]:
    """What answers cost, as plain values for a stage's card."""
    return {**asdict(spent), "cost": round(spent.cost, 6)}


def _ask(model: ChatModel, name: str, work: Workspace, out: StageWriter) -> dict[str, Any]:
    """One model's candidates, and its counts."""
    config = work.config.candidates
    format, digest, before = FORMATS[config.format], settings_digest(model), model.spent
    counts: Counter[str] = Counter()
    set_aside: Counter[str] = Counter()

    def messages(asked: Round) -> list[dict[str, str]]:
        return chat_messages(asked.history, prompt=config.prompt, language=asked.language)

    def parse(asked: Round, text: str) -> ReasonedTurn:
        return parse_output(format, text)

    model.check()
    rounds = read_rounds(work.file("rounds", ROUNDS))
    heard = work.progress(f"candidates, {name}", work.rows("rounds", ROUNDS))
    for asked, answer in ask_each(model, rounds, messages, parse, tries=config.tries, progress=heard):
        id = f"{asked.id}/{name}"
        if isinstance(answer, SetAside):
            set_aside[answer.reason] += 1
            out.reject(id, answer.reason, {"text": answer.text})
            continue
        made = {
            "stage": "candidates",
            "model": model.name,
            "settings_sha": digest,
            "prompt": f"{config.prompt} v{load_prompt(config.prompt, asked.language).version}",
            "draw": answer.draw,
        }
        out.add(CANDIDATES, _candidate(asked, id, answer.value, made).to_json())
        counts["candidates"] += 1
        counts["asked_again"] += answer.draw > 0
    if set_aside and not counts["candidates"]:
        reason, _ = set_aside.most_common(1)[0]
        work.say(f"candidates: none of {name}'s answers could be used, most often for: {reason}; see rejected.jsonl.")
    return {
        "candidates": counts["candidates"],
        "asked_again": counts["asked_again"],
        "set_aside": dict(sorted(set_aside.items())),
        "settings": dict(model.settings),
        "settings_sha": digest,
        "spent": spent_counts(model.spent - before),
    }


def _candidate(asked: Round, id: str, turn: ReasonedTurn, made: Mapping) -> Candidate:
    own = {"id": id, "steps": turn.steps, "labels": turn.labels, "response": turn.response}
    return Candidate.from_json({**asked.to_json(), **own, "provenance": [*asked.provenance, made]}, id)


STAGE = Stage("candidates", STAGES["candidates"], inputs, settings, make)
