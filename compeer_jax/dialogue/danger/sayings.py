"""Patterns over the sentences of a reply, read from files, with what makes each of them harmless."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compeer_jax.dialogue.danger.normal import simplified

_APOSTROPHES = re.compile("['’‘ʼ`´]")
_NO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_MARKS = re.compile(r"[*_\s]+")
_SENTENCE = re.compile(r"[^.!?。…;\n]+[.!?。…]*")
_CLAUSE = re.compile(r"[^,、:—–()]+")


@dataclass(frozen=True)
class Saying:
    """Something that is said where `pattern` is found in a sentence.

    Attributes:
        pattern: over `sentences`, so in small half-width letters without apostrophes.
        also: must be found in the same sentence, too.
        unless: found in the same sentence, it makes it harmless.
        by_clause: the three are looked for in parts of sentences, between commas.
    """

    pattern: re.Pattern
    also: re.Pattern | None = None
    unless: re.Pattern | None = None
    by_clause: bool = False

    def in_any(self, sentences: Sequence[str]) -> bool:
        """Whether one of the `sentences` says it."""
        parts = (part for sentence in sentences for part in clauses(sentence)) if self.by_clause else sentences
        return any(
            self.pattern.search(part)
            and (self.also is None or self.also.search(part))
            and (self.unless is None or not self.unless.search(part))
            for part in parts
        )


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of `text` with their end marks, in small half-width letters, without apostrophes and markup.

    Traditional characters are simplified, and those that have no width are left out.
    """
    plain = simplified(unicodedata.normalize("NFKC", _NO_WIDTH.sub("", text).replace("\n", "。")).casefold())
    plain = _MARKS.sub(" ", _APOSTROPHES.sub("", plain))
    return tuple(part.strip() for part in _SENTENCE.findall(plain))


def clauses(sentence: str) -> Iterator[str]:
    """The parts of a sentence between commas, colons, dashes and brackets."""
    return (part.strip() for part in _CLAUSE.findall(sentence))


def sayings(entries: Mapping[str, Sequence[Mapping]], words: Mapping[str, str]) -> dict[str, tuple[Saying, ...]]:
    """The sayings under each code, with `words` in the place of <their names>."""
    return {
        code: tuple(
            Saying(
                pattern=one_of(entry["any"], words),
                also=one_of(entry["also"], words) if "also" in entry else None,
                unless=one_of(entry["unless"], words) if "unless" in entry else None,
                by_clause=entry.get("by_clause", False),
            )
            for entry in listed
        )
        for code, listed in entries.items()
    }


def one_of(patterns: Sequence[str], words: Mapping[str, str]) -> re.Pattern:
    """The pattern that is found where one of `patterns` is."""
    joined = "|".join(patterns)
    for word, stands_for in words.items():
        joined = joined.replace(f"<{word}>", stands_for)
    return re.compile(joined)
