"""Sentences labelled with kinds of danger: those of the package, and files of the same form.

A file holds JSON lines, `{"text", "language", "kinds", "form", "topic"?}`; `kinds` are names of those in
`dialogue.danger.kinds`, none where the sentence is harmless.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, get_args

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, one_of, structured

Form = Literal["explicit", "indirect", "harmless"]
FORMS: tuple[Form, ...] = get_args(Form)
DANGEROUS: tuple[Form, ...] = ("explicit", "indirect")

Kind = Annotated[str, Check(lambda name: one_of("kind of danger", name, KINDS))]
"""A name of those in `dialogue.danger.kinds`."""


@dataclass(frozen=True)
class Sentence:
    """What somebody writes in one message.

    Attributes:
        kinds: of danger that it tells of.
        form: explicit names the danger outright, indirect only lets it be seen, harmless has none.
        topic: a note.
    """

    text: Text
    language: Language
    kinds: frozenset[Kind]
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
        sentence = structured(Sentence, row, where)
        _check_form(sentence, where)
        if sentence.text in places:
            raise UserError(
                f"{where}: the same text as {places[sentence.text]}; leave it out, as it would count twice."
            )
        places[sentence.text] = where
        sentences.append(sentence)
    return sentences


def _check_form(sentence: Sentence, where: str) -> None:
    if bool(sentence.kinds) != (sentence.form in DANGEROUS):
        has = (
            "is harmless and has kinds of danger" if sentence.kinds else f"is {sentence.form} and has no kind of danger"
        )
        raise UserError(f"{where}: the sentence {has}; mend 'form' or 'kinds'.")
