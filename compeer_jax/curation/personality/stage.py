"""The personality stage: how the sides of each talk speak, who speaks alike, and labelled records in other manners.

    traits.jsonl     of each dialogue with a labelled candidate: the traits and the cluster of either side
    clusters.json    the clusters of each language and side, and the curves of SSE they were chosen by
    elbow.png        these curves
    rewrites.jsonl   labelled candidates rewritten: variant "r" as they are, variant "p" to somebody else's manner

A persona comes from another dialogue of the same language and cluster, for each side apart, and is drawn once a
dialogue. It tells of a manner only, never of what somebody has said.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compeer_jax.chat.models import SetAside
from compeer_jax.curation import STAGES
from compeer_jax.curation.annotation.labels import LABELS
from compeer_jax.curation.asking import StageModel, answer_settings, task_prompt
from compeer_jax.curation.candidates.rows import CANDIDATES, Candidate
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.personality import steps, traits
from compeer_jax.curation.personality.elbow_picture import draw_elbows
from compeer_jax.curation.personality.likeness import (
    MODEL_LEAST,
    NGRAMS_LEAST,
    NGRAMS_SHORTEST,
    Embed,
    Likeness,
    model_embedder,
    ngram_embedder,
)
from compeer_jax.curation.personality.people import Described, People, find_people
from compeer_jax.curation.personality.rewriting import PROMPTS, STRATEGY_PROMPT, Rewritten, Talk
from compeer_jax.curation.personality.variants import Checks, Rewrite, VariantMaker
from compeer_jax.curation.rows import DIALOGUES, json_rows, read_dialogues, read_rows
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
from compeer_jax.dialogue.danger.withheld import VERSION
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language
from compeer_jax.errors import UserError

TRAITS, REWRITES, CLUSTERS, ELBOW = "traits.jsonl", "rewrites.jsonl", "clusters.json", "elbow.png"


def inputs(work: Workspace) -> list[Path]:
    """The dialogues, the candidates, and which of them are labelled."""
    return [
        work.file("filter", DIALOGUES),
        work.file("candidates", CANDIDATES),
        work.file("annotation", LABELS),
    ]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the traits and the rewrites depend on beside the rows."""
    name = config.personality.model
    prompts = (traits.PROMPT, *PROMPTS.values(), STRATEGY_PROMPT, *[steps.PROMPT] * config.personality.rewrite_steps)
    return {
        **asdict(config.personality),
        "seed": config.seed,
        "withheld": VERSION,
        "prompts": {
            f"{prompt} {language}": load_task_prompt(prompt, language).version
            for prompt in prompts
            for language in LANGUAGES
        },
        "chat_models": {name: answer_settings(config, name)} if name else {},
    }


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Describes, clusters and rewrites. Candidates are streamed; of dialogues, only their traits are kept."""
    config = work.config.personality
    for name in (TRAITS, REWRITES):
        out.begin(name)
    labelled = _labelled(work.file("annotation", LABELS))
    if not config.model or not labelled:
        why = "personality.model names no chat model" if not config.model else "no candidate has a label yet"
        work.say(f"personality: {why}, so nothing is rewritten.")
        _write_clusters(People((), {}), out)
        return {"labelled": len(labelled), "described": 0, "variants": {}, "with_both": 0, "models": {}}
    asker = StageModel(work, "personality", config.model, tries=config.tries)
    embedders = _Embedders(work, labelled)
    wanted = {candidate.dialogue for candidate in _candidates(work, labelled)}
    described = _describe(work, out, asker, wanted)
    people = find_people(
        described,
        lambda texts, language: embedders.of_descriptions(texts, language)(texts),
        most=config.max_clusters,
        clusters=config.clusters,
        seed=work.config.seed,
    )
    for row in people.rows():
        out.add(TRAITS, row)
    _write_clusters(people, out)
    checks = Checks(
        embedders.of_lines, config.similarity, config.check_strategy, config.tries, steps=config.rewrite_steps
    )
    maker = VariantMaker(asker.model, people, checks, seed=work.config.seed)
    progress = work.progress(f"rewriting, {asker.model.name}", len(labelled) * len(PROMPTS))
    for rewrite in maker.rewrites(_candidates(work, labelled), progress):
        _write(rewrite, asker, out)
    return {
        "labelled": len(labelled),
        "dialogues": len(wanted),
        "described": len(described),
        "traits_set_aside": dict(sorted(asker.set_aside.items())),
        "clusters": {name: clustering.clusters for name, clustering in people.clusterings.items()},
        "variants": maker.counts(),
        "with_both": maker.with_both,
        "models": {config.model: asker.cost()},
    }


class _Embedders:
    """What texts are compared by: the sentence-embedding model if there is one, else n-grams of each language."""

    def __init__(self, work: Workspace, labelled: frozenset[str]):
        self.work, self.labelled = work, labelled
        path = work.config.personality.encoder
        self.model = model_embedder(path) if path else None
        self.ngrams: dict[Language, Likeness] = {}

    def of_descriptions(self, texts: list[str], language: Language) -> Embed:
        return self.model or ngram_embedder(texts, language)

    def of_lines(self, language: Language) -> Likeness:
        if self.model is not None:
            return Likeness(self.model, MODEL_LEAST)
        if language not in self.ngrams:
            talks = (Talk.of(candidate) for candidate in _candidates(self.work, self.labelled))
            lines = (line for talk in talks if talk.language == language for line in talk.lines)
            embed = ngram_embedder(lines, language)
            self.ngrams[language] = Likeness(embed, NGRAMS_LEAST, NGRAMS_SHORTEST[language])
        return self.ngrams[language]


def _describe(work: Workspace, out: StageWriter, asker: StageModel, wanted: set[str]) -> list[Described]:
    """The traits of the wanted dialogues, where they could be told."""
    described = []

    def dialogues() -> Iterator[Dialogue]:
        for dialogue in read_dialogues(work, "filter", out):
            if dialogue.id in wanted and not traits.both_speak(dialogue):
                out.reject(dialogue.id, "one side says nothing that could be described")
            elif dialogue.id in wanted:
                yield dialogue

    answers = asker.ask(
        dialogues(),
        traits.traits_messages,
        lambda _, text: traits.parse_traits(text),
        title=f"traits, {asker.model.name}",
        total=len(wanted),
    )
    for dialogue, answer in answers:
        if isinstance(answer, SetAside):
            out.reject(f"{dialogue.id}, traits", answer.reason, {"text": answer.text})
            continue
        entry = asker.provenance(task_prompt(traits.PROMPT, dialogue.language), answer.draw)
        provenance = (*dialogue.provenance, entry)
        described.append(Described(dialogue.id, dialogue.language, answer.value, provenance))
    return described


def _write(rewrite: Rewrite, asker: StageModel, out: StageWriter) -> None:
    """One rewrite, or why it isn't used."""
    candidate, variant = rewrite.candidate, rewrite.variant
    if rewrite.reason is not None:
        out.reject(f"{candidate.id}, variant {variant}", rewrite.reason, rewrite.shown)
        return
    prompt = task_prompt(PROMPTS[variant], candidate.language)
    entry = asker.provenance() | {"variant": variant, "prompt": prompt, "draw": rewrite.draw}
    if rewrite.steps is not None:
        entry["steps_prompt"] = task_prompt(steps.PROMPT, candidate.language)
    entry["cosine"] = round(rewrite.cosine, 3)
    persona = rewrite.persona and {
        side: {"dialogue": other.id, **asdict(other.traits[side])} for side, other in rewrite.persona.items()
    }
    row = Rewritten(
        id=candidate.id,
        variant=variant,
        persona=persona,
        history=rewrite.talk.history,
        responses=rewrite.talk.responses,
        steps=rewrite.steps,
        provenance=(*candidate.provenance, entry),
    )
    out.add(REWRITES, row)


def _write_clusters(people: People, out: StageWriter) -> None:
    """The clusters and their curves, as numbers and, if there are any, as a picture."""
    numbers = {
        name: {"clusters": c.clusters, "elbow": c.elbow, "sizes": list(c.sizes), "sse": list(c.sse)}
        for name, c in people.clusterings.items()
    }
    path = out.path(CLUSTERS)
    try:
        path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}.") from error
    if numbers:
        draw_elbows(people.clusterings, out.path(ELBOW))


def _labelled(path: Path) -> frozenset[str]:
    """The ids of candidates with labels."""
    ids = set()
    for where, row in json_rows(path):
        if not isinstance(row.get("id"), str):
            raise UserError(f"{where}: a row of labels needs an id; run `compeer data annotation` again.")
        ids.add(row["id"])
    return frozenset(ids)


def _candidates(work: Workspace, labelled: frozenset[str]) -> Iterator[Candidate]:
    """The labelled candidates, one at a time."""
    return (c for c in read_rows(work.file("candidates", CANDIDATES), Candidate) if c.id in labelled)


STAGE = Stage("personality", STAGES["personality"], inputs, settings, make)
