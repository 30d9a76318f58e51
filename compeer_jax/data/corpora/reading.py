"""Readers of any corpus, its form found in its content: tolerant, a dialogue at a time, or strict, all at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from itertools import chain
from pathlib import Path

from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.draft import Draft
from compeer_jax.data.corpora.forms import FORMS, Form, form_of, is_own, require_form, unwrapped
from compeer_jax.data.corpora.identity import settled
from compeer_jax.data.corpora.places import (
    PARQUET,
    SAMPLE,
    SAMPLE_FACES,
    SAMPLES,
    corpus_files,
    dialogue_id,
    plain_name,
    shown,
)
from compeer_jax.data.corpora.rejected import Rejected, rejected
from compeer_jax.data.corpora.roles import Roles, roles_with
from compeer_jax.data.corpora.rows import Fault, Row, file_rows
from compeer_jax.data.corpora.tables import hub_rows, parquet_rows
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.sample_faces import with_faces
from compeer_jax.dialogue.schema import Dialogue, merge_adjacent
from compeer_jax.dialogue.taxonomy import LANGUAGES, check_language
from compeer_jax.errors import UserError

MOST_WRONG = 10_000  # rows of a file, one after the other, that are no dialogues; a small file can have millions


@dataclass(frozen=True)
class ReadReport:
    """Counts of one reading.

    Attributes:
        source: the corpus, e.g. "esconv".
        dialogues: how many there are.
        utterances: as written in the file.
        merged: adjacent pairs of one speaker that became one turn; turns = utterances - merged.
        strategies: utterances with each strategy, before merging, most frequent first.
    """

    source: str
    dialogues: int
    utterances: int
    merged: int
    strategies: Mapping[str, int]

    @classmethod
    def of(cls, source: str, dialogues: int, strategies: Iterable[str | None], merged: int) -> "ReadReport":
        """The report on `dialogues` dialogues whose utterances have `strategies` (None: without)."""
        counts = Counter(strategies)
        named = Counter({name: count for name, count in counts.items() if name is not None})
        return cls(source, dialogues, counts.total(), merged, dict(named.most_common()))

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.dialogues:,} dialogues, {self.utterances:,} utterances, "
            f"{self.merged:,} merged with the one before by the same speaker"
        )


def iter_corpus(config: CorpusConfig, *, seen: set[str] | None = None) -> Iterator[Dialogue | Rejected]:
    """The dialogues of a corpus, one at a time, in the order of its files; turns as written, so not yet `merged`.

    Ids begin with the source's name. Memory holds one row, and the ids that were given.

    Args:
        config: which corpus, and what its form doesn't settle.
        seen: ids that were given before, by other corpora; the corpus's own are added.

    Raises:
        UserError: the corpus as a whole can't be read: no such file, folder, form or data set.
    """
    named = check_corpus(config)
    roles = roles_with(config.roles, f"corpora: {config.path}")
    seen = set() if seen is None else seen
    settle = partial(
        settled,
        data_set="" if corpus_files(config.path) else config.path,
        name=plain_name(config.path),
        given={"name": config.name, "licence": config.licence, "language": config.language},
    )
    form, count = None, 0
    for rows in _files(config):
        wrong = 0
        for item in rows:
            if isinstance(item, Row):
                value = unwrapped(item.value)
                form = named or form_of(value) or form  # what looks like nothing is read as what came before it
                try:
                    dialogue = _dialogue(form, item, value, config.path, roles, settle)
                    if dialogue.id in seen:
                        raise UserError(f"{item.where}: id {dialogue.id!r} was given before; ids must differ.")
                except UserError as error:
                    item = Fault(item.where, error, item.value)
            if isinstance(item, Fault):
                wrong += 1
                yield rejected(item)
                if wrong == MOST_WRONG:
                    yield Rejected(item.where, f"too many faults: {wrong:,} rows in sequence; the rest is left.")
                    break
                continue
            wrong = 0
            seen.add(dialogue.id)
            yield dialogue
            count += 1
            if count == config.limit:
                return


def check_corpus(config: CorpusConfig) -> Form | None:
    """The form that a corpus's settings name, None for "auto"; UserError for no such form, language or side."""
    where = f"corpora: {config.path}"
    if config.language:
        check_language(config.language, where)
    roles_with(config.roles, where)
    return require_form(config.form, where)


def merged(dialogue: Dialogue) -> tuple[Dialogue, int]:
    """The dialogue with neighbouring turns of one role joined, and how many joins that took (`merge_adjacent`)."""
    turns, joins = merge_adjacent(dialogue.turns)
    return (replace(dialogue, turns=turns) if joins else dialogue), joins


def read_corpus(
    path: str | Path, *, form: str = "auto", roles: Mapping[str, str] | None = None
) -> tuple[list[Dialogue], ReadReport]:
    """The dialogues of a file, all of the form that its first row has; those of `SAMPLES` name bundled ones.

    Adjacent turns of one role are merged; the report says how many. For folders, the Hub, several forms in one file,
    and files that may have faults, see `iter_corpus`.

    Args:
        form: or corpus that it is; "auto" looks at the first row.
        roles: name of a role -> "seeker", "supporter" or "none", beside those that we know.

    Raises:
        UserError: naming file and record, for a file that can't be read, is of no form that we read or in a third
            language, or repeats an id.
    """
    if str(path) in SAMPLES:
        return _reported(str(path), sample_dialogues(str(path)))
    known, stem = roles_with(roles or {}, "roles"), plain_name(str(path))
    rows = map(_sound, _file_rows(Path(path).expanduser(), str(path)))
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} has no row; it needs at least one dialogue.")
    first = replace(first, value=unwrapped(first.value))
    read = require_form(form, str(path)) or form_of(first.value)
    if read is None:
        raise _of_no_form(first.where)
    places: dict[str, str] = {}
    dialogues = []
    for number, row in enumerate(chain([first], rows)):
        value = unwrapped(row.value)
        draft = read.read(value, row.where, known)
        said = {field: value for field, value in draft.fields.items() if value is not None}
        about = settled(draft.turns, said, read, data_set="", name=stem, given={}, where=row.where)
        if not is_own(value):
            said["id"] = f"{about['source']}-{said.get('id', f'{number:04d}')}"
        dialogue = _filled(replace(draft, fields={**said, **about}), row.where)
        if dialogue.id in places:
            raise UserError(f"{row.where}: id {dialogue.id!r} is that of {places[dialogue.id]}; ids must differ.")
        places[dialogue.id] = row.where
        dialogues.append(dialogue)
    sources = {dialogue.source for dialogue in dialogues}
    return _reported(sources.pop() if len(sources) == 1 else stem, dialogues)


def _sound(item: Row | Fault) -> Row:
    if isinstance(item, Fault):
        raise item.error
    return item


def _of_no_form(where: str) -> UserError:
    return UserError(f"{where}: of no form that we read; name its form, one of: {', '.join(FORMS)}.")


def _reported(name: str, dialogues: list[Dialogue]) -> tuple[list[Dialogue], ReadReport]:
    strategies = [turn.strategy for dialogue in dialogues for turn in dialogue.turns]
    pairs = [merged(dialogue) for dialogue in dialogues]
    report = ReadReport.of(name, len(pairs), strategies, sum(joins for _, joins in pairs))
    return [dialogue for dialogue, _ in pairs], report


def _files(config: CorpusConfig) -> Iterator[Iterator[Row | Fault]]:
    """The rows of each file of a corpus; those of a data set, and the bundled ones, are as one file."""
    files = corpus_files(config.path)
    if config.path in SAMPLES:
        rows = (dialogue.to_json() for dialogue in sample_dialogues(config.path))
        yield (Row(f"{config.path}, row {number}", row, config.path, number, "") for number, row in enumerate(rows))
    elif not files:
        yield hub_rows(config.path, config.split)
    for file in files:
        yield _file_rows(file, shown(file, config.path))


def _file_rows(file: Path, shown: str) -> Iterator[Row | Fault]:
    return (parquet_rows if file.suffix.lower() == PARQUET else file_rows)(file, shown)


def _dialogue(
    form: Form | None, row: Row, value: object, path: str, roles: Roles, settle: Callable[..., dict[str, str]]
) -> Dialogue:
    if form is None:
        raise _of_no_form(row.where)
    draft = form.read(value, row.where, roles)
    sides = {turn.role for turn in draft.turns}
    if len(sides) < 2:
        speaks = f"only the {sides.pop()} speaks" if sides else "nobody speaks"
        raise UserError(f"{row.where}: {speaks}; a dialogue needs both sides.")
    said = draft.fields
    about = settle(draft.turns, said, form, where=row.where)
    origin = {"file": row.file, "sha256": row.sha256, "record": row.record, "form": form.name}
    step = {"stage": "corpora"} | {name: value for name, value in origin.items() if value not in (None, "")}
    more = {
        "id": dialogue_id(about["source"], path, row.file, row.record, said.get("id")),
        "provenance": [*said.get("provenance", ()), step],
    }
    return _filled(replace(draft, fields={**said, **about, **more}), row.where)


def _filled(draft: Draft, where: str) -> Dialogue:
    """The dialogue of a draft that has all fields. The turns are checked already, so one stands in for them."""
    fields = {name: value for name, value in draft.fields.items() if value is not None}
    dialogue = Dialogue.from_json(fields | {"turns": [{"role": "seeker", "content": "-"}]}, where)
    return replace(dialogue, turns=draft.turns)


def sample_dialogues(name: str = SAMPLE) -> list[Dialogue]:
    """The bundled dialogues: our own writing, English first; as "sample_faces", with a picture of each seeker."""
    dialogues = []
    for language in LANGUAGES:
        with resources.as_file(resources.files("compeer_jax.data") / "sample" / f"{language}.jsonl") as path:
            dialogues += [Dialogue.from_json(obj, where) for where, obj in read_jsonl(path)]
    return with_faces(dialogues) if name == SAMPLE_FACES else dialogues
