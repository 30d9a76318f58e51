"""Identification of published corpora: what the user says, who publishes it, or its very words. Never its form."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from compeer_jax.data.corpora.forms import Form
from compeer_jax.data.corpora.licences import UNKNOWN, published_at, published_licence
from compeer_jax.dialogue.language import language_of
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

DIGITS = 16  # of a fingerprint, hexadecimal: two talks in 10^9 have the same one by chance less than once in 10


def fingerprint(texts: Iterable[str]) -> str:
    """Fingerprint of a talk: a hash of its letters and digits, without case, white space and punctuation."""
    text = re.sub(r"[\W_]+", "", "".join(texts).casefold())
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def known_corpus(turns: Iterable[Turn]) -> str | None:
    """The corpus whose dialogue has these words; None for those that we don't know.

    We know all of ESConv's 1,300 and CPsyCounE's 45.
    """
    return _fingerprints().get(fingerprint(turn.content for turn in turns))


def settled(
    turns: tuple[Turn, ...],
    said: Mapping,
    form: Form,
    *,
    data_set: str,
    name: str,
    given: Mapping[str, str],
    where: str,
) -> dict[str, str]:
    """The source, licence and language of a dialogue.

    Args:
        turns: what is said in it.
        said: what its row says of itself.
        form: that it was read in.
        data_set: on the Hub that it is in; "" for files.
        name: what the file is called, a source's name where nothing better is known.
        given: what the user says: "name", "licence" and "language", each "" or absent if nothing.
        where: the dialogue's place, for messages.

    Raises:
        UserError: its letters or words are of a third language, or not of the corpus's that the user names.
    """
    found = known_corpus(turns)
    corpus = found or form.corpus or published_at(data_set)
    source = given.get("name") or said.get("source") or corpus or name
    # A source's own name says that it isn't the published corpus, unless the very words are published ones.
    licence = published_licence(corpus) if corpus and corpus in (found, source) else UNKNOWN
    language = given.get("language") or said.get("language") or _language(turns, where)
    if form.language not in (None, language) and not given.get("language"):
        raise UserError(
            f"{where}: its language is {language!r} and that of {form.name} {form.language!r}, so it isn't of that "
            "corpus; name another form, or none, and its own name and licence."
        )
    return {
        "source": source,
        "licence": given.get("licence") or said.get("licence") or licence,
        "language": language,
    }


def _language(turns: tuple[Turn, ...], where: str) -> str:
    language = language_of(turn.content for turn in turns)
    if language not in LANGUAGES:
        raise UserError(
            f"{where}: in another language ({language}); dialogues are read in English and Chinese, so translate it or "
            "leave it out, and if this is wrong, name the corpus's language."
        )
    return language


@cache
def _fingerprints() -> dict[str, str]:
    text = resources.files(__package__).joinpath("fingerprints.json").read_text(encoding="utf-8")
    return {print_: corpus for corpus, prints in json.loads(text).items() for print_ in prints}
