"""The candidates stage: each sampled round goes to each chat model, for reasoning and a reply in our format."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compeer_jax.data.build.candidate_rows import CANDIDATES, Candidate
from compeer_jax.data.build.config import BuildConfig
from compeer_jax.data.build.pipeline import STAGES
from compeer_jax.data.build.stage import Stage, StageWriter, Workspace
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import history_field
from compeer_jax.dialogue.prompts import chat_messages, load_prompt
from compeer_jax.dialogue.reasoning import FORMATS, ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError
from compeer_jax.generation.chat_models import ChatModel, Malformed, Parsed, SetAside, Spent, ask_each

ROUNDS = "rounds.jsonl"


def inputs(work: Workspace) -> list[Path]:
    """The sampled rounds."""
    return [work.file("rounds", ROUNDS)]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the candidates depend on beside the rounds."""
    return {
        **asdict(config.candidates),
        "prompts": {language: load_prompt(config.candidates.prompt, language).version for language in LANGUAGES},
        "chat_models": {name: answer_settings(config, name) for name in config.candidates.models},
    }


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Asks one model after the other about all rounds, so that no two need be in memory; rounds are streamed."""
    names = list(dict.fromkeys(work.config.candidates.models))
    out.begin(CANDIDATES)
    if not names:
        work.say("candidates: candidates.models names no chat model, so no round is answered.")
    counts = {"rounds": work.rows("rounds", ROUNDS), "models": {}}
    for name in names:
        counts["models"][name] = _ask(work.models[name], name, work, out)
    return counts


def parse_output(format: ReasoningFormat, text: str) -> ReasonedTurn:
    """The reasoned turn in a chat model's output.

    Raises:
        Malformed: the output is not wholly in the format; the first thing that is wrong with it.
    """
    if not text.strip():
        raise Malformed("an empty answer")
    turn = format.parse(text)
    if turn.problems:
        raise Malformed(f"not in the format ({turn.problems[0].replace(':', ' ')})")
    return turn


def answer_settings(config: BuildConfig, name: str) -> dict[str, Any]:
    """What the answers of chat model `name` depend on, as far as the pipeline's settings say, and their prices: no
    waiting times, nothing of how many requests go at once.
    """
    model = config.models[name]
    prices = {"prompt_price": model.prompt_price, "completion_price": model.completion_price}
    if model.path:
        return {"path": model.path, **asdict(model.local), **prices}
    kept = ("url", "model", "temperature", "max_tokens", "seed", "extra")
    return {name: getattr(model.server, name) for name in kept} | prices


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

    def messages(row: Mapping) -> list[dict[str, str]]:
        history = history_field(row, row["id"])
        return chat_messages(history, prompt=config.prompt, language=row["language"])

    model.check()
    rounds = _rounds(work.file("rounds", ROUNDS))
    answered = ask_each(model, rounds, messages, lambda _, text: parse_output(format, text), tries=config.tries)
    for row, answer in answered:
        id = f"{row['id']}/{name}"
        if isinstance(answer, SetAside):
            set_aside[answer.reason] += 1
            out.reject(id, answer.reason, {"text": answer.text})
            continue
        made = {
            "stage": "candidates",
            "model": model.name,
            "settings_sha": digest,
            "prompt": f"{config.prompt} v{load_prompt(config.prompt, row['language']).version}",
            "draw": answer.draw,
        }
        out.add(CANDIDATES, _candidate(row, id, answer, made).to_json())
        counts["candidates"] += 1
        counts["asked_again"] += answer.draw > 0
    return {
        "candidates": counts["candidates"],
        "asked_again": counts["asked_again"],
        "set_aside": dict(sorted(set_aside.items())),
        "settings": dict(model.settings),
        "settings_sha": digest,
        "spent": spent_counts(model.spent - before),
    }


def _candidate(row: Mapping, id: str, answer: Parsed[ReasonedTurn], made: Mapping) -> Candidate:
    turn = answer.value
    more = {
        "id": id,
        "steps": dict(turn.steps),
        "labels": dict(turn.labels),
        "response": turn.response,
        "provenance": [*row.get("provenance", []), made],
    }
    return Candidate.from_json({**row, **more}, id)


def _rounds(path: Path) -> Iterator[dict]:
    if not path.stat().st_size:
        return
    for where, row in read_jsonl(path):
        if not isinstance(row.get("id"), str) or row.get("language") not in LANGUAGES:
            raise UserError(f"{where}: a round needs an id and a language; run `compeer data rounds` again.")
        yield row


STAGE = Stage("candidates", STAGES["candidates"], inputs, settings, make)
