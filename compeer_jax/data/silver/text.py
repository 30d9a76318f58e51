"""Text of silver reasoning steps: templates of `text.yaml`, with a short quote of what the seeker said."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS

Choose = Callable[[Sequence[str]], str]

LONGEST = {"en": 9, "zh": 16}  # words, or characters in Chinese
LEAST = {"en": 4, "zh": 5}  # what is shorter ("Thank you", "Not a plan") says little by itself

_SENTENCE = {"en": re.compile(r"[^.!?;\n]+\??"), "zh": re.compile(r"[^。！？；…!?;\n]+[？?]?")}
_COMMA = {"en": re.compile(r"[,:]| - | but | because "), "zh": re.compile(r"[，、：—,:\s]+")}
_CONJUNCTION = {
    "en": re.compile(r"^(and|but|so|or|because|then|well)\b[ ,]+", re.IGNORECASE),
    "zh": re.compile("^(然后|可是|但是|不过|而且|所以)"),
}
_MARKS = str.maketrans("", "", '"“”«»「」')
TOLD_WORDS, TOLD_CHARACTERS = 10, 12  # a seeker who has said less than this has told nothing yet


@dataclass(frozen=True)
class StepWriter:
    """Writes the steps of a record, each for the label it is given, so that the wrong one can be given too.

    Attributes:
        language: "en" or "zh".
        history: the turns so far, the seeker's last.
        problem_type: as the corpus calls it; None if it doesn't say.
        quotes: whether the first step quotes the seeker; without, it is also shorter.
    """

    language: str
    history: tuple[Turn, ...]
    problem_type: str | None
    quotes: bool = True

    def write(self, tag: str, labels: dict[str, str], choose: Choose) -> str:
        """The free text of step `tag` (of any format) under `labels`; `choose` picks among the templates."""
        texts = _texts()[self.language]
        emotion = EMOTIONS.display(labels["emotion"], self.language)
        if tag in ("history", "context"):
            opening = labels["stage"] == "exploration" and not self.has_told()
            by_stage = texts["history"] if self.quotes else texts["history"]["plain"]
            templates = by_stage["opening" if opening else labels["stage"]]
        elif tag == "cognition":
            templates = texts["cognition"][labels["stage"]]
        elif tag == "emotion":
            painful = EMOTIONS.label(labels["emotion"]).sentiment == "negative"
            templates = texts["emotion"][labels["intensity"]] if painful else texts["pleasant"]
        else:
            templates = texts["strategy"][labels["strategy"]]
        return choose(templates).format(
            quote=quote_clause(self.history[-1].content, self.language),
            problem=self.problem(),
            emotion=emotion,
            Emotion=emotion[:1].upper() + emotion[1:],
        )

    def has_told(self) -> bool:
        """Whether the seeker has said enough so far for the problem to be known."""
        said = " ".join(turn.content for turn in self.history if turn.role == "seeker")
        return len(said.split()) >= TOLD_WORDS if self.language == "en" else len(said) >= TOLD_CHARACTERS

    def problem(self) -> str:
        """What the talk is about, as part of a sentence."""
        name = (self.problem_type or "").lower()
        known = _texts()["problems"].get(name)
        if known:
            return known[self.language]
        return name if name and self.language == "en" else _texts()[self.language]["no_problem"]


def quote_clause(message: str, language: str) -> str:
    """A sentence of `message`, or a clause of one that is too long, without quotation marks in it.

    Of those between `LEAST` and `LONGEST`, it is the longest; without one, the start of a longer clause, marked as
    cut; without that, whatever there is.
    """
    clauses = []
    for sentence in _SENTENCE[language].findall(message.translate(_MARKS)):
        parts = [sentence] if _size(sentence, language) <= LONGEST[language] else _COMMA[language].split(sentence)
        clauses += [_CONJUNCTION[language].sub("", part.strip(" \t,，:-—")) for part in parts]
    clauses = [clause for clause in clauses if clause.strip()] or [" ".join(message.split())[: LONGEST["zh"]]]
    best = max(clauses, key=lambda clause: _worth(_size(clause, language), language))
    if _size(best, language) <= LONGEST[language]:
        return best
    if language == "zh":
        return best[: LONGEST["zh"]] + "…"
    return " ".join(best.split()[: LONGEST["en"]]) + "..."


def _worth(size: int, language: str) -> tuple[int, int]:
    if size > LONGEST[language]:
        return 1, 0
    return (2 if size >= LEAST[language] else 0), size


def _size(clause: str, language: str) -> int:
    return len(clause.split()) if language == "en" else len(clause)


@functools.cache
def _texts() -> dict:
    return yaml.safe_load(resources.files(__package__).joinpath("text.yaml").read_text(encoding="utf-8"))
