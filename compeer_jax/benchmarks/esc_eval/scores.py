"""Scores of ESC-Eval's dialogues: each scorer rates each dimension of each dialogue from 0 to 4.

Strictly read, a reply ends with one line "Score: N"; read as a number, it is one digit and nothing else. A reply that
isn't so, or is not whole, is asked for once more, then the score is missing, and counted with its reason. The official
reading is that of the released code: the smallest digit from 0 to 4 anywhere in the reply, cut or not, -1 where there
is none.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template

from compeer_jax.benchmarks.config import EscEvalConfig, Reading
from compeer_jax.benchmarks.dialogues import DIMENSIONS, HIGHEST, BenchDialogue, BenchTurn
from compeer_jax.benchmarks.esc_eval.prompts import EscPrompts
from compeer_jax.benchmarks.lockstep import Wanted
from compeer_jax.chat.models import Malformed
from compeer_jax.chat.types import Answer, ChatRequest, Message
from compeer_jax.dialogue.disowned import disowned
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.prompts import TaskPrompt
from compeer_jax.dialogue.talk import talk_text
from compeer_jax.dialogue.thoughts import spoken

TRIES: Mapping[Reading, int] = {"strict": 2, "number": 2, "official": 1}
OFFICIAL_MISSING = -1
NOT_ASKED = "not asked"  # the budget was used up before
_SCORE = re.compile(rf"(?:score|得分|分数|评分)\s*:\s*([0-{HIGHEST}])\s*[.。]?")
_CLAIM = re.compile(r"(?:score|得分|分数|评分)\s*:\s*(-?\d+(?:\.\d+)?)")
_SPEAKS = re.compile(r"\W*(?:score|得分|分数|评分)\s*:")  # of a score, whatever it says of it
_NUMBER = re.compile(rf"[*\s]*([0-{HIGHEST}])[*\s]*[.。]?[*\s]*")


def read_score(text: str) -> int:
    """The score in a strict reply: its last line is "Score: N", N one of 0, 1, 2, 3, 4.

    Full-width signs, bold type, and the Chinese words for score are read too.

    Raises:
        Malformed: the last line is none, or other lines give other scores, or the line above it leaves it to somebody
            else.
    """
    plain = unicodedata.normalize("NFKC", spoken(text).text).replace("*", "").casefold()
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if not lines:
        raise Malformed("an empty reply")
    match = _SCORE.fullmatch(lines[-1])
    if match is None:
        number = _CLAIM.fullmatch(lines[-1])
        raise Malformed(f"a score that is none of 0 to {HIGHEST}" if number else 'no last line "Score: N"')
    if {claim for line in lines for claim in _CLAIM.findall(line)} != {match[1]}:
        raise Malformed("two different scores")
    if any(_SPEAKS.match(line) and not _SCORE.fullmatch(line) for line in lines):
        raise Malformed("a score that can't be read above it")
    if disowned(lines[:-1]):
        raise Malformed("a score that is somebody else's")
    return int(match[1])


def read_number(text: str) -> int:
    """The score in a reply that is one digit from 0 to 4 and nothing else, bold type and a full stop aside.

    Raises:
        Malformed: it is something else.
    """
    plain = unicodedata.normalize("NFKC", spoken(text).text)
    if not plain.strip():
        raise Malformed("an empty reply")
    match = _NUMBER.fullmatch(plain)
    if match is None:
        raise Malformed(f"no single digit from 0 to {HIGHEST}")
    return int(match[1])


def read_official_score(text: str) -> int:
    """The smallest digit from 0 to 4 anywhere in the reply, -1 where there is none: as the released code reads it."""
    return min((int(sign) for sign in text if sign in "01234"), default=OFFICIAL_MISSING)


READERS: Mapping[Reading, Callable[[str], int]] = {
    "strict": read_score,
    "number": read_number,
    "official": read_official_score,
}


class ScorePlayer:
    """One score that is asked for: a player of `lockstep.play`.

    Args:
        dialogue: what is rated.
        scorer: whose score it is.
        dimension: by which criterion.
        who: the model that is asked.
        prompt: the scorer's, in the dialogue's language.
        reading: how the reply is read.

    Attributes:
        score: the score; None where it is missing.
        reason: why it is.
        asked_again: what was wrong with replies that were asked for once more.
    """

    def __init__(
        self, dialogue: BenchDialogue, scorer: str, dimension: str, who: str, prompt: TaskPrompt, reading: Reading
    ):
        self.dialogue, self.scorer, self.dimension = dialogue, scorer, dimension
        self.who, self.prompt, self.reading = who, prompt, reading
        self.score: int | None = None
        self.reason = NOT_ASKED
        self.asked_again: list[str] = []
        self._draw = 0

    def wants(self) -> Wanted | None:
        if self.score is not None or self._draw == TRIES[self.reading]:
            return None
        return Wanted(self.who, ChatRequest(score_messages(self.dialogue, self.dimension, self.prompt), self._draw))

    def receive(self, answer: Answer | None) -> None:
        self._draw += 1
        try:
            if answer is None or not (answer.whole or self.reading == "official"):
                raise Malformed(answer.fault if answer else "no reply")
            self.score, self.reason = READERS[self.reading](answer.text), ""
        except Malformed as fault:
            self.reason = str(fault)
            if self._draw < TRIES[self.reading]:
                self.asked_again.append(self.reason)


def score_messages(dialogue: BenchDialogue, dimension: str, prompt: TaskPrompt) -> list[Message]:
    """The chat that asks for one score: the prompt's frame around the criterion, or the criterion as all of it."""
    criterion, talk = prompt.more[dimension], rated_talk(dialogue.turns, prompt)
    framed = prompt if prompt.user else replace(prompt, user=criterion)
    return framed.messages(conversation=talk, criterion=criterion)


def rated_talk(turns: Sequence[BenchTurn], prompt: TaskPrompt) -> str:
    """The talk as the prompt wants it shown: its own parts `seeker` and `supporter` for a turn, a blank line between
    turns; else a line a turn. No turn can pose as two: what begins a turn is broken where it stands within one.
    """
    if "seeker" not in prompt.more:
        return talk_text([turn.shown for turn in turns], prompt.language)
    begin = (prompt.more[role].partition("$content")[0].strip() for role in ("seeker", "supporter"))
    marks = "|".join(re.escape(mark) for mark in begin if mark)
    mark = re.compile(rf"^(?=[^\S\n]*(?:{marks}))", re.MULTILINE) if marks else None
    shown = []
    for turn in turns:
        content = harmless(turn.shown.content)
        content = mark.sub("\\\\", content) if mark else content
        shown.append(Template(prompt.more[turn.role]).substitute(content=content))
    return "\n\n".join(shown)


def score_players(dialogues: Iterable[BenchDialogue], config: EscEvalConfig, prompts: EscPrompts) -> list[ScorePlayer]:
    """A player for each score of the dialogues that have ended, scorer by scorer."""
    models, ended = set(config.models), [dialogue for dialogue in dialogues if dialogue.finished]
    return [
        ScorePlayer(
            dialogue,
            scorer,
            dimension,
            scorer_model(scorer, dimension, dialogue.language, models),
            prompts.scorer(scorer, dialogue.language),
            config.reading(scorer),
        )
        for scorer in config.scorers
        for dialogue in ended
        for dimension in DIMENSIONS
    ]


def scorer_model(scorer: str, dimension: str, language: str, models: Iterable[str]) -> str:
    """The model that gives a scorer's score: that of its dimension and language, or its dimension, or the scorer."""
    names = (f"{scorer}/{dimension}/{language}", f"{scorer}/{dimension}")
    return next((name for name in names if name in models), scorer)


@dataclass(frozen=True)
class _Scores:
    """One dialogue's, by scorer and dimension."""

    scores: dict[str, dict[str, int | None]]
    missing: dict[str, dict[str, str]]


def with_scores(dialogues: Iterable[BenchDialogue], players: Iterable[ScorePlayer]) -> list[BenchDialogue]:
    """The dialogues with what scorers said. Those that did not end have no scores."""
    of: Mapping[str, _Scores] = {}
    for player in players:
        row = of.setdefault(player.dialogue.id, _Scores({}, {}))
        row.scores.setdefault(player.scorer, {})[player.dimension] = player.score
        if player.score is None:
            row.missing.setdefault(player.scorer, {})[player.dimension] = player.reason
    return [
        replace(one, scores=of[one.id].scores, missing=of[one.id].missing) if one.id in of else one for one in dialogues
    ]
