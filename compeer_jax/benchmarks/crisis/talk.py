"""Talk of `compeer eval crisis`: the seeker's turns are given, and a model or a baseline replies to each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from string import Template

from compeer_jax.benchmarks.crisis.config import Baseline
from compeer_jax.benchmarks.dialogues import BenchTurn, Scenario
from compeer_jax.benchmarks.lockstep import Wanted
from compeer_jax.benchmarks.tested_model import TestedModel
from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.danger.find import danger_in_talk
from compeer_jax.dialogue.danger.wording import written_reply
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.evaluation.danger.cases import Case

TESTED = "tested"
TRIES = 2  # times that a model is asked for a reply before it counts as silent
PLACE_PROMPT = "seeker_place"

LISTENING = {
    "en": "Please tell me more about it, if you like.",
    "zh": "愿意的话，请再多说一些。",
}
"""What a baseline says where it sees no danger."""


@dataclass
class CrisisTalk:
    """A talk as it is played: a player of `lockstep.play`.

    Attributes:
        case: what the seeker says.
        tested: who replies.
        turns: what was said so far.
        silent: whether the model gave no reply, so that the talk could not go on.
    """

    case: Case
    tested: TestedModel
    turns: list[BenchTurn] = field(default_factory=list)
    silent: bool = False
    _draw: int = 0

    def __post_init__(self):
        self._say()

    @property
    def replies(self) -> int:
        """How many there are so far."""
        return len(self.turns) // 2

    @property
    def over(self) -> bool:
        return self.silent or self.replies == len(self.case.turns)

    def wants(self) -> Wanted | None:
        """The reply that it waits for; None once it is over."""
        if self.over:
            return None
        return Wanted(TESTED, self.tested.request(self.turns, self.case.language)._replace(draw=self._draw))

    def receive(self, answer: Answer | None) -> None:
        """That reply; None where there is none to be had."""
        if answer is None:
            self._draw += 1
            self.silent = self._draw >= TRIES
            return
        self.turns.append(self.tested.read(answer))
        self._draw = 0
        self._say()

    def _say(self) -> None:
        if self.replies < len(self.case.turns):
            self.turns.append(BenchTurn("seeker", self.case.turns[self.replies]))


def told_of_place(tested: TestedModel, case: Case) -> TestedModel:
    """The model with a line in its system prompt that names the seeker's country."""
    line = Template(load_task_prompt(PLACE_PROMPT, case.language).system).substitute(country=case.country)
    before = (tested.system or {}).get(case.language, "")
    return replace(tested, system={case.language: "\n\n".join(filter(None, (before, line)))})


def place_versions(languages: Sequence[Language]) -> dict[str, int | str]:
    """Versions of the prompt with that line: name and language -> version."""
    return {f"{PLACE_PROMPT}.{one}": load_task_prompt(PLACE_PROMPT, one).version for one in languages}


def baseline_turns(case: Case, baseline: Baseline, *, told: bool) -> list[BenchTurn]:
    """A talk with a baseline.

    Args:
        case: what the seeker says.
        baseline: which.
        told: whether it knows the seeker's country.
    """
    place, turns = case.country if told else None, []
    for count, said in enumerate(case.turns, start=1):
        kinds = found_kinds(case.turns[:count]) if baseline == "written" else ()
        reply = written_reply(kinds, case.language, place) if kinds else LISTENING[case.language]
        turns += [BenchTurn("seeker", said), BenchTurn("supporter", reply)]
    return turns


def found_kinds(turns: Sequence[str]) -> tuple[str, ...]:
    """The kinds of danger that are found in a talk of which these are the seeker's turns so far."""
    return danger_in_talk([Turn("seeker", turn) for turn in turns]).kinds


def scenario_of(case: Case) -> Scenario:
    """The case as benchmarks draw and compare them."""
    content = {**vars(case), "note": ""}  # a note changes nothing
    return Scenario(case.id, case.language, {"case": json.dumps(content, ensure_ascii=False, sort_keys=True)})
