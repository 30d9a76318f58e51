"""Any corpus, told by its content: tolerant, one dialogue after the other, or strict, all at once."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from compeer_jax.data.build.config import CorpusConfig
from compeer_jax.data.corpora.draft import Draft
from compeer_jax.data.corpora.forms import FORMS, Form, form_of, is_own, require_form, unwrapped
from compeer_jax.data.corpora.hub import hub_rows, parquet_rows
from compeer_jax.data.corpora.licences import UNKNOWN, published_licence
from compeer_jax.data.corpora.places import PARQUET, SAMPLE, corpus_files, dialogue_id, plain_name, shown
from compeer_jax.data.corpora.read_report import ReadReport
from compeer_jax.data.corpora.rejected import Rejected, rejected
from compeer_jax.data.corpora.rows import Fault, Row, file_rows
from compeer_jax.data.sample import sample_dialogues
from compeer_jax.dialogue.schema import Dialogue, Turn, merge_adjacent
from compeer_jax.dialogue.taxonomy import check_language
from compeer_jax.errors import UserError


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
    seen = set() if seen is None else seen
    form, count = None, 0
    for item in _rows(config):
        if isinstance(item, Fault):
            yield rejected(item)
            continue
        value = unwrapped(item.value)
        form = named or form_of(value) or form  # what looks like nothing is read as what came before it
        try:
            dialogue = _dialogue(form, item, value, config)
            if dialogue.id in seen:
                raise UserError(f"{item.where}: id {dialogue.id!r} was given before; ids must differ.")
        except UserError as error:
            yield rejected(Fault(item.where, error, item.value))
            continue
        seen.add(dialogue.id)
        yield dialogue
        count += 1
        if count == config.limit:
            return


def check_corpus(config: CorpusConfig) -> Form | None:
    """The form that a corpus's settings name, None for "auto"; UserError if there is no such form or language."""
    where = f"corpora: {config.path}"
    if config.language:
        check_language(config.language, where)
    return require_form(config.form, where)


def merged(dialogue: Dialogue) -> tuple[Dialogue, int]:
    """The dialogue with neighbouring turns of one role joined, and how many joins that took (`merge_adjacent`)."""
    turns, joins = merge_adjacent(dialogue.turns)
    return (replace(dialogue, turns=turns) if joins else dialogue), joins


def read_corpus(path: str | Path, *, form: str = "auto") -> tuple[list[Dialogue], ReadReport]:
    """The dialogues of a file, all of the form that its first row has; "sample" names the bundled ones.

    Adjacent turns of one role are merged; the report says how many. For folders, the Hub, several forms in one file,
    and files that may have faults, see `iter_corpus`.

    Raises:
        UserError: naming file and record, for a file that can't be read, is of no form that we read, or repeats an id.
    """
    if str(path) == SAMPLE:
        return _reported(SAMPLE, sample_dialogues())
    rows = map(_sound, file_rows(Path(path), str(path)))
    first = next(rows)
    first = replace(first, value=unwrapped(first.value))
    read = require_form(form, str(path)) or form_of(first.value)
    if read is None:
        raise _of_no_form(first.where)
    name = read.name if read.corpus else Path(path).stem
    licence = published_licence(name) if read.corpus else UNKNOWN
    places: dict[str, str] = {}
    dialogues = []
    for number, row in enumerate(chain([first], rows)):
        draft = read.read(unwrapped(row.value), row.where)
        said = {field: value for field, value in draft.fields.items() if value is not None}
        settled = {"source": name, "licence": licence, "language": read.language or _language(draft.turns)}
        if not is_own(row.value):
            settled["id"] = f"{name}-{said.pop('id', f'{number:04d}')}"
        dialogue = _filled(replace(draft, fields={**settled, **said}), row.where)
        if dialogue.id in places:
            raise UserError(f"{row.where}: id {dialogue.id!r} is that of {places[dialogue.id]}; ids must differ.")
        places[dialogue.id] = row.where
        dialogues.append(dialogue)
    return _reported(name, dialogues)


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


def _rows(config: CorpusConfig) -> Iterator[Row | Fault]:
    files = corpus_files(config.path)
    if config.path == SAMPLE:
        for number, dialogue in enumerate(sample_dialogues()):
            yield Row(f"{SAMPLE}, row {number}", dialogue.to_json(), SAMPLE, number, "")
    elif not files:
        yield from hub_rows(config.path, config.split)
    for file in files:
        read = parquet_rows if file.suffix.lower() == PARQUET else file_rows
        yield from read(file, shown(file, config.path))


def _dialogue(form: Form | None, row: Row, value: object, config: CorpusConfig) -> Dialogue:
    if form is None:
        raise _of_no_form(row.where)
    draft = form.read(value, row.where)
    roles = {turn.role for turn in draft.turns}
    if len(roles) < 2:
        speaks = f"only the {roles.pop()} speaks" if roles else "nobody speaks"
        raise UserError(f"{row.where}: {speaks}; a dialogue needs both sides.")
    said = draft.fields
    source = config.name or said.get("source") or (form.name if form.corpus else plain_name(config.path))
    origin = {"file": row.file, "sha256": row.sha256, "record": row.record, "form": form.name}
    step = {"stage": "corpora"} | {name: value for name, value in origin.items() if value not in (None, "")}
    settled = {
        "id": dialogue_id(source, config.path, row.file, row.record, said.get("id")),
        "source": source,
        "licence": config.licence or said.get("licence") or (published_licence(form.name) if form.corpus else UNKNOWN),
        "language": config.language or said.get("language") or form.language or _language(draft.turns),
        "provenance": [*said.get("provenance", ()), step],
    }
    return _filled(replace(draft, fields={**said, **settled}), row.where)


def _filled(draft: Draft, where: str) -> Dialogue:
    """The dialogue of a draft that has all fields. The turns are checked already, so one stands in for them."""
    fields = {name: value for name, value in draft.fields.items() if value is not None}
    dialogue = Dialogue.from_json(fields | {"turns": [{"role": "seeker", "content": "-"}]}, where)
    return replace(dialogue, turns=draft.turns)


def _language(turns: tuple[Turn, ...]) -> str:
    """Chinese if more than a fifth of the letters are its characters, else English."""
    letters = [character for turn in turns for character in turn.content if character.isalpha()]
    return "zh" if sum("\u4e00" <= letter <= "\u9fff" for letter in letters) > len(letters) / 5 else "en"
