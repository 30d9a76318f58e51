"""The annotation stage: tasks for people, drafts by models, and what they agree on.

It is run more than once. The first time it writes what is given to annotators; once what they have filled in is named
in the settings, it reads that, and writes what a third annotator is to be asked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compeer_jax.chat.models import SetAside
from compeer_jax.curation import STAGES
from compeer_jax.curation.annotation.agreement import agreement
from compeer_jax.curation.annotation.consensus import Outcome, consensus
from compeer_jax.curation.annotation.dealing import deal_all, deal_third
from compeer_jax.curation.annotation.drafts import draft_votes, identities, too_few, written_by
from compeer_jax.curation.annotation.items import Task, Tasks
from compeer_jax.curation.annotation.label_studio import labelling_config, read_export, task_json, write_tasks
from compeer_jax.curation.annotation.labels import LABELS, LabelRows
from compeer_jax.curation.annotation.pictures import picture_view, task_pictures, view_name
from compeer_jax.curation.annotation.table import read_table, write_table
from compeer_jax.curation.annotation.votes import MODEL, Vote, Votes, read_votes
from compeer_jax.curation.annotation.wording import PROMPT, guidelines
from compeer_jax.curation.asking import StageModel, answer_settings
from compeer_jax.curation.candidates.rows import CANDIDATES
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import PICTURES, Stage, StageWriter, Workspace, read_card
from compeer_jax.data.pictures import pictures_of
from compeer_jax.dialogue.danger.withheld import VERSION
from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

AGREEMENT = "agreement.json"
TASKS, TABLE, LABELLING_CONFIG = "tasks.json", "annotations.csv", "labelling_config.xml"
THIRD_TASKS, THIRD_TABLE, THIRD_CONFIG = "third.json", "third.csv", "third_labelling_config.xml"
PEOPLE = "people"
_TABLES = (".csv", ".tsv")


def inputs(work: Workspace) -> list[Path]:
    """The candidates, and what annotators have filled in.

    Raises:
        UserError: two of the latter have one name, or one is where this stage writes.
    """
    imports = _imports(work.config)
    for path in imports:
        if path.resolve().parent == (work.folder / "annotation").resolve():
            raise UserError(f"{path} is where the annotation stage writes; keep filled-in copies in another folder.")
        if [other.name for other in imports].count(path.name) > 1:
            raise UserError(f"annotation.imports: two files are called {path.name}; give each a name of its own.")
    return [work.file("candidates", CANDIDATES), *imports]


def settings(config: BuildConfig) -> dict[str, Any]:
    """What the labels depend on beside those files."""
    annotation = config.annotation
    return {
        **asdict(annotation),
        "withheld": VERSION,
        "imports": [path.name for path in _imports(config)],
        "format": config.candidates.format,
        "seed": config.seed,
        "prompts": {
            f"{name} {language}": load_judge_prompt(name, language).version
            for name in dict.fromkeys([annotation.prompt, PROMPT])
            for language in LANGUAGES
        },
        "chat_models": {name: answer_settings(config, name) for name in annotation.drafts},
    }


def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
    """Writes the tasks, reads the votes, and writes the labels, the agreement and what a third is asked."""
    config, format = work.config, FORMATS[work.config.candidates.format]
    tasks = Tasks(work.file("candidates", CANDIDATES), config.seed)
    out.begin(LABELS)
    for id, why in tasks.withheld.items():
        out.reject(id, why)
    people, annotators = config.annotation.people, config.annotation.annotators
    dealt = deal_all(sorted(tasks.ids), people, annotators, config.seed)
    seen = _Seen(tasks, work)
    _write_tasks(tasks, dealt, people, format, seen, out)
    votes = Votes()
    for path in _imports(config):
        forms = read_table(path) if path.suffix.lower() in _TABLES else read_export(path)
        for fault in read_votes(forms, tasks.ids, format.tags, config.seed, votes):
            out.reject(fault.where, fault.reason, fault.row)
    drafts = list(dict.fromkeys(config.annotation.drafts))
    own = _own(drafts, tasks, work)
    models = {name: _draft(name, own[name], tasks, votes, work, out) for name in drafts}

    items: dict[str, list[tuple[Sequence[Vote], Sequence[Vote]]]] = defaultdict(list)
    states: dict[str, Counter[str]] = {tag: Counter() for tag in format.tags}
    third: dict[str, list[str]] = {}
    label_rows = LabelRows(config, _imports(config), {name: model["settings_sha"] for name, model in models.items()})
    rows = Counter()
    for task in tasks:
        outcomes = {}
        for tag in format.tags:
            given = votes.on(task.candidate.id, tag)
            outcome = consensus(given, models=drafts, annotators=annotators)
            outcomes[tag] = outcome
            states[tag][_state(outcome)] += 1
            items[tag].append((given, outcome.votes))
            if outcome.state == "third":
                third.setdefault(task.key, []).append(tag)
        if any(outcome.state == "settled" for outcome in outcomes.values()):
            row = label_rows.row(task, outcomes, votes)
            rows.update(all=1, drafted=row["drafts"])
            out.add(LABELS, row)

    voted = {key: {vote.annotator for tag in third[key] for vote in votes.on(tasks.ids[key], tag)} for key in third}
    asked = deal_third(sorted(third), dealt, voted, people, config.seed)
    _write_third(tasks, third, asked, people, format, seen, out)
    _write_agreement(items, format, annotators, out)
    all_votes = Counter("models" if vote.by_model else "people" for vote in votes)
    _tell(work, len(tasks), all_votes, rows["all"], third)
    return {
        "candidates": len(tasks),
        "votes": {"people": all_votes["people"], "models": all_votes["models"], "repeated": votes.repeated},
        "annotators": len({vote.annotator for vote in votes if not vote.by_model}),
        "items": {tag: dict(sorted(count.items())) for tag, count in states.items()},
        "tasks_for_a_third": len(third),
        "dealt": {name: sum(name in given for given in dealt.values()) for name in people},
        "drafted_rows": rows["drafted"],
        "models": models,
    }


def _imports(config: BuildConfig) -> list[Path]:
    return [Path(path).expanduser() for path in config.annotation.imports]


def _own(drafts: Sequence[str], tasks: Tasks, work: Workspace) -> dict[str, frozenset[str]]:
    """Draft model -> those candidates' models that it is, as far as can be told, and says so."""
    if not drafts:
        return {}
    written = Counter(task.candidate.model for task in tasks)
    cards = (read_card(work.folder / "candidates") or {}).get("counts", {}).get("models", {})

    def known(name: str) -> frozenset[str]:
        """By the card of the stage that asked it, or else by what is now called so."""
        settings = cards.get(name, {}).get("settings") or (work.models[name].settings if name in work.models else {})
        return identities(settings, name)

    authors = {name: known(name) for name in written}
    own = {name: written_by(identities(work.models[name].settings, name), authors) for name in drafts}
    for name, is_it in own.items():
        if count := sum(written[author] for author in is_it):
            work.say(f"annotation: {name} wrote {count:,} of the candidates, and doesn't judge these.")
    if not work.config.annotation.imports:
        for author in too_few(written, own, work.config.annotation.annotators):
            work.say(
                f"annotation: too few of annotation.drafts are other models than {author}, so what it wrote gets no "
                f"label; it takes {work.config.annotation.annotators}. Add other models, or have people judge."
            )
    return own


class _Seen:
    """Pictures as annotators see them.

    Attributes:
        any: whether a talk shows one.
    """

    def __init__(self, tasks: Tasks, work: Workspace):
        self._tasks, self._work = tasks, work
        self.any = any(pictures_of(task.candidate.history) for task in tasks)

    def of(self, task: Task) -> str | None:
        """Those of a task; None where no talk shows any."""
        return task_pictures(self._talk(task), task.candidate.id) if self.any else None

    def write(self, out: StageWriter) -> None:
        """Writes them as files, for those who fill in tables."""
        written = set()
        for task in self._tasks if self.any else ():
            for path in pictures_of(self._talk(task)):
                name = f"{PICTURES}/{view_name(path, task.candidate.id)}"
                if name not in written:
                    out.path(name).write_bytes(picture_view(path, task.candidate.id))
                    written.add(name)

    def _talk(self, task: Task) -> tuple[Turn, ...]:
        return self._work.pictured(task.candidate.history, task.candidate.id)


def _write_tasks(
    tasks: Tasks,
    dealt: Mapping[str, Sequence[str]],
    people: Sequence[str],
    format: ReasoningFormat,
    seen: "_Seen",
    out: StageWriter,
) -> None:
    for language in LANGUAGES:
        out.path(f"guidelines.{language}.md").write_text(guidelines(language), encoding="utf-8")
    config = labelling_config(format, pictures=seen.any)
    out.path(LABELLING_CONFIG).write_text(config, encoding="utf-8")
    seen.write(out)
    write_tasks(out.path(TASKS), (task_json(task, format, pictures=seen.of(task)) for task in tasks.shuffled()))
    write_table(out.path(TABLE), ((task, None) for task in tasks.shuffled()), format)
    for name in people:
        own = {key for key, given in dealt.items() if name in given}
        rows = (task_json(one, format, None, name, seen.of(one)) for one in tasks.shuffled(own))
        write_tasks(out.path(_of(name, TASKS)), rows)
        write_table(out.path(_of(name, TABLE)), ((task, None) for task in tasks.shuffled(own)), format, name)


def _write_third(
    tasks: Tasks,
    third: Mapping[str, Sequence[str]],
    asked: Mapping[str, str],
    people: Sequence[str],
    format: ReasoningFormat,
    seen: "_Seen",
    out: StageWriter,
) -> None:
    """What is open: all of it, and for each person what they are asked."""
    config = labelling_config(format, third=True, pictures=seen.any)
    out.path(THIRD_CONFIG).write_text(config, encoding="utf-8")
    parts = {"": set(third), **{name: {key for key, one in asked.items() if one == name} for name in people}}
    for name, keys in parts.items():
        if name and not keys:
            continue
        rows = (task_json(task, format, third[task.key], name, seen.of(task)) for task in tasks.shuffled(keys))
        write_tasks(out.path(_of(name, THIRD_TASKS)), rows)
        rows = ((task, third[task.key]) for task in tasks.shuffled(keys))
        write_table(out.path(_of(name, THIRD_TABLE)), rows, format, name)


def _of(person: str, file: str) -> str:
    """Where a person's file is, within the stage's folder."""
    return f"{PEOPLE}/{person}/{file}" if person else file


def _write_agreement(
    items: Mapping[str, list[tuple[Sequence[Vote], Sequence[Vote]]]],
    format: ReasoningFormat,
    annotators: int,
    out: StageWriter,
) -> None:
    """For each kind of item, and for all steps together; see `agreement`."""
    kinds: dict[str, Iterable] = {tag: items[tag] for tag in format.tags}
    kinds["steps"] = [item for tag in format.tags if tag != RESPONSE for item in items[tag]]
    found = {kind: agreement(of_kind, annotators) for kind, of_kind in kinds.items()}
    text = json.dumps(found, ensure_ascii=False, indent=2)
    out.path(AGREEMENT).write_text(text + "\n", encoding="utf-8")


def _draft(
    name: str, own: Collection[str], tasks: Tasks, votes: Votes, work: Workspace, out: StageWriter
) -> dict[str, Any]:
    """Adds a model's votes on what others wrote, and returns its counts."""
    config, format, cast = work.config, FORMATS[work.config.candidates.format], 0
    asker = StageModel(work, "annotation", name, tries=config.annotation.tries)
    others = sum(task.candidate.model not in own for task in tasks)
    shown = (task for task in tasks if task.candidate.model not in own)
    for item, vote in draft_votes(asker, name, shown, format, prompt=config.annotation.prompt, count=others):
        if isinstance(vote, SetAside):
            where = f"{item.task.candidate.id}, {item.tag}, {MODEL}{name}"
            out.reject(where, f"a draft without a verdict: {vote.reason}", {"text": vote.text})
        else:
            votes.add(vote)
            cast += 1
    return {"votes": cast, "wrote": sorted(own), **asker.counts()}


def _state(outcome: Outcome) -> str:
    """An item's state, for counting: with the label, where there is one."""
    if outcome.state == "settled":
        return str(outcome.value)
    return "unjudged" if not outcome.votes else outcome.state


def _tell(work: Workspace, tasks: int, votes: Mapping[str, int], rows: int, third: Mapping) -> None:
    """Says what is to be done next."""
    people = work.config.annotation.people
    if tasks and not votes and people:
        work.say(
            f"annotation: nobody has judged the {tasks:,} tasks. Give each of the {len(people)} annotators their "
            f"folder in {PEOPLE}/, for Label Studio with {LABELLING_CONFIG} or as a table, with the guidelines; then "
            "name what comes back in annotation.imports."
        )
    elif tasks and not votes:
        work.say(
            f"annotation: nobody has judged the {tasks:,} tasks. Import {TASKS} with {LABELLING_CONFIG} into Label "
            f"Studio, or give copies of {TABLE} to annotators, with the guidelines; then name what comes back in "
            "annotation.imports. Chat models in annotation.drafts can annotate, too."
        )
    elif votes and not rows:
        work.say(
            "annotation: no item has enough votes yet, so there are no labels; it takes annotation.annotators "
            f"({work.config.annotation.annotators}) of people or models on an item."
        )
    if third:
        whom = f"those in {PEOPLE}/ who have one" if people else "somebody who hasn't judged them"
        work.say(
            f"annotation: on {len(third):,} tasks annotators differ; give {THIRD_TASKS} with {THIRD_CONFIG}, or "
            f"{THIRD_TABLE}, to {whom}, and add what comes back to annotation.imports."
        )


STAGE = Stage("annotation", STAGES["annotation"], inputs, settings, make)
