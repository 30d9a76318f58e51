"""SAGE's seeker: a person with an emotion that each reply moves, as a state machine.

    The agent opens the talk; the emotion is 40. Then, round by round:
      the tested model replies;
      the planner says by how much that changed the emotion: at most 10 up or down, and never above 100;
      the agent speaks, knowing the emotion and why it changed.
    It ends when the emotion is at least 100 ("success") or below 10 ("failure"), when the seeker says goodbye, or
    after the last round ("rounds").

The seeker has the last word, also where the emotion has ended the talk. What can't be read, or is not whole, is asked
for once more; if that doesn't help, the dialogue ends with "no reply" and has no result, unless only the last word is
missing. A second reply of the tested model stands even if it is not whole.

In the official flavour, as in the released code, the profile's first talk opens, and the talk ends with the reply of
the last round, which is not judged. What can't be read is asked for up to `TRIES` times; the released code never stops.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compeer_jax.benchmarks.config import Flavour
from compeer_jax.benchmarks.dialogues import BenchTurn, Ending
from compeer_jax.benchmarks.lockstep import Wanted
from compeer_jax.benchmarks.sage.goodbye import says_goodbye
from compeer_jax.benchmarks.sage.profiles import Profile
from compeer_jax.benchmarks.sage.prompts import SagePrompts, shown
from compeer_jax.benchmarks.sage.replies import (
    Appraisal,
    Words,
    read_appraisal,
    read_official_appraisal,
    read_official_words,
    read_words,
)
from compeer_jax.benchmarks.tested_model import TestedModel
from compeer_jax.chat.models import Malformed
from compeer_jax.chat.types import Answer, ChatRequest, Message
from compeer_jax.dialogue.prompts import TaskPrompt
from compeer_jax.dialogue.taxonomy import Language

START = 40  # the emotion before the first reply
STEP = 10  # most that one reply changes it
HIGHEST = 100
SUCCESS = 100  # from here on the talk has helped
FAILURE = 10  # below, the seeker has had enough
TRIES: dict[Flavour, int] = {"strict": 2, "official": 5}  # times that a side is asked before it counts as missing
READERS = {
    "strict": (read_appraisal, read_words),
    "official": (read_official_appraisal, read_official_words),
}  # of the planner and of the agent

Who = Literal["tested", "planner", "role"]


def moved(emotion: int, change: int) -> int:
    """The emotion after a change: the change is cut to `STEP` up or down, the emotion to `HIGHEST`."""
    return min(HIGHEST, emotion + max(-STEP, min(STEP, change)))


def ending_of(emotion: int, rounds: int, most: int, *, goodbye: bool = False) -> Ending | None:
    """How a talk ends here, if it does; what the emotion says goes before all else.

    Args:
        emotion: as it is now.
        rounds: replies of the tested model so far.
        most: after which the talk ends in any case.
        goodbye: whether the seeker has just said it.
    """
    if emotion >= SUCCESS:
        return "success"
    if emotion < FAILURE:
        return "failure"
    if goodbye:
        return "goodbye"
    return "rounds" if rounds >= most else None


@dataclass(frozen=True)
class SageRules:
    """What all dialogues of a run have in common.

    Attributes:
        language: of the prompts and the talk.
        rounds: after which a talk ends.
        flavour: strict or official.
        prompts: of planner and agent (default: ours).
    """

    language: Language = "zh"
    rounds: int = 20
    flavour: Flavour = "strict"
    prompts: SagePrompts | None = None

    @property
    def official(self) -> bool:
        return self.flavour == "official"

    @property
    def told(self) -> SagePrompts:
        """The prompts."""
        return self.prompts or SagePrompts.ours(self.language)


class SageTalk:
    """One dialogue: a `Player` of `lockstep.play`, with the models "tested", "planner" and "role".

    Args:
        profile: the seeker.
        tested: whom they talk with.
        rules: of the run.

    Attributes:
        turns: what was said.
        emotion: the seeker's, now.
        ending: why it is over; None while it goes on.
        missing: who gave nothing that can be read, and what was wrong with it last, where that ended the talk.
        faults: "who: what was wrong" -> how often, those included that a second try mended.
    """

    def __init__(self, profile: Profile, tested: TestedModel, rules: SageRules):
        self.profile, self.tested, self.rules = profile, tested, rules
        self.turns: list[BenchTurn] = []
        self.emotion = START
        self.ending: Ending | None = None
        self.missing: tuple[Who, str] | None = None
        self.faults: Counter[str] = Counter()
        self._appraisal: Appraisal | None = None
        self._change: int | None = None
        self._turn_of: Who = "role"
        self._draw = 0
        self._messages: Sequence[Message] = ()
        if profile.first_talk:
            self._add_seeker(profile.first_talk, "")
            self._ask("tested", self.tested.request(self.turns, rules.language).messages)
        else:
            self._messages = self._speak()

    @property
    def rounds(self) -> int:
        """Replies of the tested model so far."""
        return sum(turn.role == "supporter" for turn in self.turns)

    def wants(self) -> Wanted | None:
        """Its next request; None once it is over."""
        if self.ending:
            return None
        return Wanted(self._turn_of, ChatRequest(self._messages, self._draw))

    def receive(self, answer: Answer | None) -> None:
        """The answer to what it wanted; None where there is none to be had."""
        planned, spoken = READERS[self.rules.flavour]
        if self._turn_of == "tested":
            self._hear_reply(answer)
        elif self._turn_of == "planner":
            self._read(answer, planned, self._hear_appraisal)
        else:
            self._read(answer, spoken, self._hear_words)

    def _hear_reply(self, answer: Answer | None) -> None:
        if answer is None:
            self._retry_or_end("no reply")
            return
        if not answer.whole and not self._draw:  # the second stands as it is: what it says is what is measured
            self._retry_or_end(answer.fault)
            return
        self.turns.append(self.tested.read(answer))
        if self.rules.official and self.rounds >= self.rules.rounds:
            self.ending = "rounds"
        else:
            self._ask("planner", self._messages_of(self.rules.told.planner))

    def _hear_appraisal(self, appraisal: Appraisal) -> None:
        before, self.emotion = self.emotion, moved(self.emotion, appraisal.change)
        self._appraisal, self._change = appraisal, self.emotion - before
        self._ask("role", self._speak())

    def _hear_words(self, words: Words) -> None:
        opening = not self.turns
        self._add_seeker(words.response, words.thinking)
        goodbye = not opening and says_goodbye(words.response, anywhere=self.rules.official)
        self.ending = ending_of(self.emotion, self.rounds, self.rules.rounds, goodbye=goodbye)
        if not self.ending:
            self._ask("tested", self.tested.request(self.turns, self.rules.language).messages)

    def _add_seeker(self, content: str, thinking: str) -> None:
        analysis = self._appraisal.analysis if self._appraisal else None
        self.turns.append(
            BenchTurn(
                "seeker",
                content,
                emotion=self.emotion,
                change=self._change,
                analysis=analysis or None,
                thinking=thinking or None,
            )
        )

    def _read(self, answer: Answer | None, parse: Callable[[str], Any], go_on: Callable[[Any], None]) -> None:
        try:
            if answer is None or not answer.whole:
                raise Malformed(answer.fault if answer else "no reply")
            value = parse(answer.text)
        except Malformed as fault:
            self._retry_or_end(str(fault))
        else:
            go_on(value)

    def _retry_or_end(self, fault: str) -> None:
        self.faults[f"{self._turn_of}: {fault}"] += 1
        self._draw += 1
        if self._draw < TRIES[self.rules.flavour]:
            return
        settled = ending_of(self.emotion, self.rounds, self.rules.rounds) if self._turn_of == "role" else None
        if settled:
            self._add_seeker("", "")
        else:
            self.missing = self._turn_of, fault
        self.ending = settled or "no reply"

    def _ask(self, who: Who, messages: Sequence[Message]) -> None:
        self._turn_of, self._messages, self._draw = who, messages, 0

    def _speak(self) -> Sequence[Message]:
        """What the agent is asked."""
        return self._messages_of(self.rules.told.agent, self._appraisal)

    def _messages_of(self, prompt: TaskPrompt, appraisal: Appraisal | None = None) -> Sequence[Message]:
        return prompt.messages(**shown(self.profile, self.turns, self.emotion, appraisal, self._change, prompt))
