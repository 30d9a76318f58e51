"""Rows of labels: what annotators agree on of a candidate, who said what, and where that comes from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compeer_jax.curation.annotation.consensus import Outcome
from compeer_jax.curation.annotation.items import Task
from compeer_jax.curation.annotation.votes import MODEL, Vote, Votes
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import file_hash
from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.dialogue.taxonomy import LANGUAGES

LABELS = "labels.jsonl"


class LabelRows:
    """Makes the rows.

    Args:
        config: of the pipeline.
        imports: files that annotators have filled in.
        models: chat models that judge, in their order -> digest of their settings.
    """

    def __init__(self, config: BuildConfig, imports: Sequence[Path], models: Mapping[str, str]):
        self._seed, self._models = config.seed, models
        self._files = {path.name: file_hash(path) for path in imports}
        prompt = config.annotation.prompt
        self._prompts = {language: f"{prompt} v{load_judge_prompt(prompt, language).version}" for language in LANGUAGES}

    def row(self, task: Task, outcomes: Mapping[str, Outcome], votes: Votes) -> dict[str, Any]:
        """The row of a candidate with an outcome for each item.

        Of the models that are right by the verdict, the first one's critique is kept.
        """
        candidate = task.candidate
        settled = {tag: outcome for tag, outcome in outcomes.items() if outcome.state == "settled"}
        given = {tag: votes.on(candidate.id, tag) for tag in outcomes}
        order = {MODEL + name: place for place, name in enumerate(self._models)}
        critiques: dict[str, str] = {}
        critics: dict[str, str] = {}
        for tag, outcome in settled.items():
            for vote in sorted((vote for vote in given[tag] if vote.by_model), key=lambda vote: order[vote.annotator]):
                if vote.value == outcome.value and vote.critique and tag not in critiques:
                    critiques[tag], critics[tag] = vote.critique, vote.annotator
        preference = {"preference": settled[RESPONSE].value} if RESPONSE in settled else {}
        cast = [vote for cast in given.values() for vote in cast]
        return {
            "id": candidate.id,
            "labels": {tag: outcome.value for tag, outcome in settled.items() if tag != RESPONSE},
            **preference,
            "critiques": critiques,
            "votes": {tag: {vote.annotator: vote.value for vote in cast} for tag, cast in given.items() if cast},
            "drafts": any(outcome.drafted for outcome in settled.values()),
            "provenance": [*candidate.provenance, self._provenance(cast, candidate.language, critics)],
        }

    def _provenance(self, votes: Sequence[Vote], language: str, critics: Mapping[str, str]) -> dict[str, Any]:
        """What these votes say of this stage, and whose critiques are kept (tag -> model)."""
        names = {vote.annotator.removeprefix(MODEL) for vote in votes if vote.by_model}
        files = {vote.file for vote in votes if vote.file}
        entry: dict[str, Any] = {"stage": "annotation", "seed": self._seed}
        if files:
            entry["files"] = [{"file": name, "sha256": self._files[name]} for name in sorted(files)]
        if names:
            entry["models"] = {name: self._models[name] for name in self._models if name in names}
            entry["prompt"] = self._prompts[language]
        if critics:
            entry["critics"] = dict(critics)
        return entry
