"""The closed lists of labels: stages, sentiments, emotions, intensities and strategies, in English and Chinese.

The words themselves are in `taxonomy.yaml`. A label's English name is canonical: it is what datasets, parsed outputs
and rewards hold, whatever language or spelling it was written in.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Literal

import yaml

from compeer_jax.errors import unknown

Language = Literal["en", "zh"]
LANGUAGES: tuple[str, ...] = ("en", "zh")


def check_language(language: str, where: str = "") -> str:
    """`language` itself, or the UserError that lists the languages we have."""
    if language not in LANGUAGES:
        raise unknown("language", language, LANGUAGES, where)
    return language


@dataclass(frozen=True)
class Label:
    """One label. The mappings are keyed by language."""

    name: str
    names: Mapping[str, str]
    definitions: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]]
    sentiment: str | None = None  # of an emotion: the sentiment it belongs to


@dataclass(frozen=True)
class Category:
    """A closed list of labels of one kind, such as "emotion"."""

    kind: str
    titles: Mapping[str, str]  # what the kind is called in each language, as in "Emotion: sadness"
    labels: tuple[Label, ...]
    before: tuple[str, ...] = ()  # words that may stand before a label, such as "a sense of", and change nothing of it
    after: tuple[str, ...] = ()

    def names(self, language: str = "en") -> tuple[str, ...]:
        """The labels' names in `language`, in the order of the taxonomy."""
        check_language(language)
        return tuple(label.names[language] for label in self.labels)

    def canonical(self, text: str) -> str | None:
        """The canonical name that `text` spells, in either language or by an alias; None if it spells none.

        Only letters and digits count: case, spacing, punctuation and full-width forms do not. Of the words that may
        stand around a label, at most one on each side does not count either.
        """
        spelled = _letters(text)
        begins = [0, *(len(word) for word in self._around[0] if spelled.startswith(word))]
        ends = [len(spelled), *(len(spelled) - len(word) for word in self._around[1] if spelled.endswith(word))]
        found = (self._spellings.get(spelled[begin:end]) for begin in begins for end in ends)
        return next((label.name for label in found if label), None)

    def require(self, text: str, where: str = "") -> str:
        """As `canonical`, but an unknown label raises a UserError that begins with `where`."""
        name = self.canonical(text) if isinstance(text, str) else None
        if name is None:
            raise unknown(self.kind, text, self.names("en"), where)
        return name

    def label(self, name: str) -> Label:
        """The whole label that `name` spells; UserError if it spells none."""
        name = self.require(name)
        return next(label for label in self.labels if label.name == name)

    def display(self, name: str, language: str) -> str:
        """What `name` is called in `language`."""
        check_language(language)
        return self.label(name).names[language]

    def describe(self, language: str) -> str:
        """Every label with its definition, a line each: the list that prompts show."""
        check_language(language)
        colon = "：" if language == "zh" else ": "
        return "\n".join(f"- {label.names[language]}{colon}{label.definitions[language]}" for label in self.labels)

    @cached_property
    def _around(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(map(_letters, self.before)), tuple(map(_letters, self.after))

    @cached_property
    def _spellings(self) -> Mapping[str, Label]:
        spellings: dict[str, Label] = {}
        for label in self.labels:
            for language in LANGUAGES:
                for text in (label.names[language], *label.aliases[language]):
                    if spellings.setdefault(_letters(text), label) is not label:
                        raise ValueError(f"taxonomy.yaml: {text!r} spells two labels of kind {self.kind!r}")
        return spellings


def _letters(text: str) -> str:
    """What is compared: the letters and digits of `text`, half-width and caseless."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())


def _read() -> dict[str, Category]:
    text = resources.files(__package__).joinpath("taxonomy.yaml").read_text(encoding="utf-8")
    return {
        kind: Category(
            kind,
            entry["title"],
            tuple(_label(label) for label in entry["labels"]),
            *(tuple(entry.get("around", {}).get(side, ())) for side in ("before", "after")),
        )
        for kind, entry in yaml.safe_load(text).items()
    }


def _label(entry: dict) -> Label:
    return Label(
        name=entry["en"]["name"],
        names={language: entry[language]["name"] for language in LANGUAGES},
        definitions={language: entry[language]["definition"] for language in LANGUAGES},
        aliases={language: tuple(entry[language]["aliases"]) for language in LANGUAGES},
        sentiment=entry.get("sentiment"),
    )


_CATEGORIES = _read()
STAGES = _CATEGORIES["stage"]
SENTIMENTS = _CATEGORIES["sentiment"]
EMOTIONS = _CATEGORIES["emotion"]
INTENSITIES = _CATEGORIES["intensity"]
STRATEGIES = _CATEGORIES["strategy"]
