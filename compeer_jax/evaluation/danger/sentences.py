"""Sentences with the kinds of danger that each tells of: those of the package, and files of the same form.

A file holds JSON lines, `{"text", "language", "kinds", "form", "topic"?}`; `kinds` are names of those in
`dialogue.danger.kinds`, none where the sentence is harmless.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.taxonomy import Language, check_language
from compeer_jax.errors import UserError, unknown

Form = Literal["explicit", "indirect", "harmless"]
FORMS: tuple[Form, ...] = get_args(Form)
DANGEROUS: tuple[Form, ...] = ("explicit", "indirect")

FIELDS = ("text", "language", "kinds", "form", "topic")


@dataclass(frozen=True)
class Sentence:
    """What somebody writes in one message.

    Attributes:
        kinds: of danger that it tells of.
        form: explicit names the danger outright, indirect only lets it be seen, harmless has none.
        topic: a note.
    """

    text: str
    language: Language
    kinds: frozenset[str]
    form: Form
    topic: str = ""


def bundled() -> Path:
    """The file of the package. Nothing may be trained or tuned on it."""
    return Path(str(resources.files(__package__).joinpath("sentences.jsonl")))


def read_sentences(path: str | Path) -> list[Sentence]:
    """The sentences of a file.

    Raises:
        UserError: naming the line, for what `read_jsonl` refuses, a field that is missing, unknown or of the wrong
            type, an unknown language, form or kind, kinds that don't fit the form, a text that stands there twice.
    """
    sentences, places = [], {}
    for where, row in read_jsonl(path):
        sentence = _sentence(row, where)
        if sentence.text in places:
            raise UserError(
                f"{where}: the same text as {places[sentence.text]}; leave it out, as it would count twice."
            )
        places[sentence.text] = where
        sentences.append(sentence)
    return sentences


def _sentence(row: dict, where: str) -> Sentence:
    for name in row:
        if name not in FIELDS:
            raise unknown("field", name, FIELDS, where)
    for name in FIELDS[:-1]:
        if name not in row:
            raise UserError(f"{where}: field {name!r} is missing.")
    for name in ("text", "language", "form", "topic"):
        value = row.get(name, "")
        if not isinstance(value, str) or (name == "text" and not value.strip()):
            raise UserError(f"{where}: field {name!r} must be text{', not empty' * (name == 'text')}.")
    kinds, form = row["kinds"], row["form"]
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise UserError(f"{where}: field 'kinds' must be a list of names, empty for a harmless sentence.")
    if form not in FORMS:
        raise unknown("form", form, FORMS, where)
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind of danger", kind, KINDS, where)
    if bool(kinds) != (form in DANGEROUS):
        wrong = "is harmless and has kinds of danger" if kinds else f"is {form} and has no kind of danger"
        raise UserError(f"{where}: the sentence {wrong}; mend 'form' or 'kinds'.")
    language = check_language(row["language"], where)
    return Sentence(row["text"], language, frozenset(kinds), form, row.get("topic", ""))
