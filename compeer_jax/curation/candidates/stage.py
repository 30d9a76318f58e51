"""The candidates stage: each sampled round goes to each chat model, for reasoning and a reply in our format."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compeer_jax.chat.models import Malformed, SetAside
from compeer_jax.chat.types import Message
from compeer_jax.curation import STAGES
from compeer_jax.curation.asking import StageModel, answer_settings
from compeer_jax.curation.candidates.rows import CANDIDATES, Candidate
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.rounds.rows import ROUNDS, Round
from compeer_jax.curation.rows import read_rows
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
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
        counts["models"][name] = _ask(name, work, out)
    return counts


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


def _ask(name: str, work: Workspace, out: StageWriter) -> dict[str, Any]:
    """One model's candidates, and its counts."""
    config, format, made = work.config.candidates, FORMATS[work.config.candidates.format], 0
    asker = StageModel(work, "candidates", name, tries=config.tries)

    def messages(asked: Round) -> list[Message]:
        talk = work.pictured(asked.history, asked.id)
        return chat_messages(talk, prompt=config.prompt, language=asked.language, pictures=True)

    answers = asker.ask(
        read_rows(work.file("rounds", ROUNDS), Round),
        messages,
        lambda _, text: parse_output(format, text),
        title=f"candidates, {name}",
        total=work.rows("rounds", ROUNDS),
    )
    for asked, answer in answers:
        id = f"{asked.id}/{name}"
        if isinstance(answer, SetAside):
            out.reject(id, answer.reason, {"text": answer.text})
            continue
        prompt = f"{config.prompt} v{load_prompt(config.prompt, asked.language).version}"
        turn, entry = answer.value, asker.provenance(prompt, answer.draw)
        own = {"id": id, "steps": turn.steps, "labels": turn.labels, "response": turn.response}
        out.add(CANDIDATES, Candidate(**{**vars(asked), **own, "provenance": (*asked.provenance, entry)}))
        made += 1
    if asker.set_aside and not made:
        reason, _ = asker.set_aside.most_common(1)[0]
        work.say(f"candidates: none of {name}'s answers could be used, most often for: {reason}; see rejected.jsonl.")
    return {"candidates": made, "asked_again": asker.asked_again, **asker.counts()}


STAGE = Stage("candidates", STAGES["candidates"], inputs, settings, make)
