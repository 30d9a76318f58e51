"""The text of silver reasoning steps: templates of `silver_text.yaml`, filled for one place in one dialogue."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS

Choose = Callable[[Sequence[str]], str]

QUOTED_WORDS, QUOTED_CHARACTERS = 9, 16  # the longest quote, in English and in Chinese
TOLD_WORDS, TOLD_CHARACTERS = 10, 12  # a seeker who has said less than this has told nothing yet

_CLAUSE = {"en": re.compile(r"[^.!?;\n]+\??"), "zh": re.compile(r"[^。！？；，…—,.!?;\s]+[？?]?")}
_LEADING = re.compile(r"^(and|but|so|or|because|then|well)\b[ ,]+", re.IGNORECASE)
_QUOTES = str.maketrans("", "", '"“”«»「」')


@dataclass(frozen=True)
class StepWriter:
    """Writes the steps of a record, each for the label it is given, so that the wrong one can be given too.

    Attributes:
        language: "en" or "zh".
        history: the turns so far, the seeker's last.
        problem_type: as the corpus calls it; None if it doesn't say.
    """

    language: str
    history: tuple[Turn, ...]
    problem_type: str | None

    def write(self, tag: str, labels: dict[str, str], choose: Choose) -> str:
        """The free text of step `tag` (of any format) under `labels`; `choose` picks among the templates."""
        texts = _texts()[self.language]
        emotion = EMOTIONS.display(labels["emotion"], self.language)
        if tag in ("history", "context"):
            opening = labels["stage"] == "exploration" and not self.has_told()
            templates = texts["history"]["opening" if opening else labels["stage"]]
        elif tag == "cognition":
            templates = texts["cognition"][labels["stage"]]
        elif tag == "emotion":
            painful = EMOTIONS.label(labels["emotion"]).sentiment == "negative"
            templates = texts["emotion"][labels["intensity"]] if painful else texts["pleasant"]
        else:
            templates = texts["strategy"][labels["strategy"]]
        problem = self.problem()
        return choose(templates).format(
            quote=self.quote(),
            problem=problem,
            Problem=problem[:1].upper() + problem[1:],
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

    def quote(self) -> str:
        """A clause of the seeker's last message: the longest that fits, the first of equals; or the start of one."""
        message = self.history[-1].content.translate(_QUOTES)
        clauses = [_LEADING.sub("", clause.strip(" ,:-")) for clause in _CLAUSE[self.language].findall(message)]
        clauses = [clause for clause in clauses if clause] or [message.strip()[:QUOTED_CHARACTERS] or "..."]
        fitting = [clause for clause in clauses if _size(clause, self.language) <= _limit(self.language)]
        if fitting:
            return max(fitting, key=lambda clause: _size(clause, self.language))
        if self.language == "zh":
            return clauses[-1][:QUOTED_CHARACTERS] + "…"
        return " ".join(clauses[-1].split()[:QUOTED_WORDS]).rstrip(",:-") + "..."


def _size(clause: str, language: str) -> int:
    return len(clause.split()) if language == "en" else len(clause)


def _limit(language: str) -> int:
    return QUOTED_WORDS if language == "en" else QUOTED_CHARACTERS


@functools.cache
def _texts() -> dict:
    return yaml.safe_load(resources.files(__package__).joinpath("silver_text.yaml").read_text(encoding="utf-8"))
