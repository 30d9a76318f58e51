"""Judges of single outputs in a live talk, where no reference and no annotation is at hand.

A judge with weights rates the reasoning steps as it rates them in training: it reads the talk, then each step, and says
True or False. The reply itself it can't rate, as it has only learned to compare a reply with another one. Rules can say
less: whether the form is kept, and whether the reply repeats what was said before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.talk.config import ChatConfig
from compeer_jax.talk.session import Output

if TYPE_CHECKING:
    from compeer_jax.rewards.conversation import JudgeModel

NO_VERDICT = "no verdict"
COMPARED = "not rated: the judge has only learned to compare a reply with another"


@dataclass(frozen=True)
class Finding:
    """Finding of a judge on one part of an output.

    Attributes:
        part: tag of a step, "response", or "form".
        verdict: "right", "wrong", "no verdict", or why there is none.
        critique: the judge's words.
    """

    part: str
    verdict: str
    critique: str = ""


TurnJudge = Callable[[Sequence[Turn], Output], list[Finding]]
"""What is to be said of an output after a talk that ends with the seeker."""


def open_judge(config: ChatConfig) -> TurnJudge:
    """The judge that a config names. One with weights loads them when it is first asked.

    Raises:
        UserError: the directory holds no judge, or none that rates steps of the talk's format.
    """
    return _StepJudge(config) if config.judge else rule_findings


def rule_findings(history: Sequence[Turn], output: Output) -> list[Finding]:
    """What rules say: the form of the output, and whether its reply repeats an earlier turn, word for word."""
    from compeer_jax.rewards.rules import word_list

    form = Finding("form", "wrong" if output.problems else "right", ", ".join(output.problems))
    if not output.turn.response:
        return [form, Finding(RESPONSE, "wrong", "there is none")]
    words = word_list(output.turn.response)
    repeated = next((turn.role for turn in history if word_list(turn.content) == words), None)
    if repeated:
        return [form, Finding(RESPONSE, "wrong", f"it repeats a turn of the {repeated}")]
    return [form, Finding(RESPONSE, NO_VERDICT, "it repeats no earlier turn; rules know no more of it")]


def rate_steps(model: "JudgeModel", rounds: Sequence[tuple[str, ...]], case: JudgeCase, seed: int = 0) -> list[Finding]:
    """What a judge says of each step of a case, asked a second time where it gave no verdict.

    Args:
        model: the judge.
        rounds: of each conversation with it, which together ask about every step.
        case: what is rated.
        seed: of what is random in the replies.
    """
    import jax

    from compeer_jax.rewards.conversation import ask_judge

    result = ask_judge(model, rounds, [case], jax.random.key(seed), group_size=1)
    shown, verdicts, replies = result.shown[0], result.verdicts[0], result.replies[0]

    def finding(tag: str) -> Finding:
        if not case.steps[tag].strip():
            return Finding(tag, "wrong", "it is missing")
        if not shown.steps[tag].strip():
            return Finding(tag, "wrong", "it is too long for the judge")
        if not replies[tag].whole:
            return Finding(tag, NO_VERDICT, f"the judge gave {replies[tag].fault}")
        verdict = {True: "right", False: "wrong", None: NO_VERDICT}[verdicts[tag]]
        return Finding(tag, verdict, replies[tag].text.strip())

    return [*map(finding, case.steps), Finding(RESPONSE, COMPARED)]


class _StepJudge:
    """A UnifiReward judge or a process reward model in this process, asked about the steps alone."""

    def __init__(self, config: ChatConfig):
        from compeer_jax.rewards.judge_card import JudgeCard

        self._config, self._format = config, config.data.reasoning
        card = JudgeCard.read(config.judge)
        if card.kind == "orm":
            raise UserError(
                f"{config.judge} is a judge of kind 'orm', which compares two replies, but a talk has one; name a "
                "judge of kind 'unifi' or 'prm', or none."
            )
        if card.format != config.data.format:
            raise UserError(
                f"the judge in {config.judge} reads {card.format!r} outputs, but data.format is "
                f"{config.data.format!r}; name another judge, or none."
            )
        self._kind, steps = card.kind, self._format.tags[:-1]
        together = card.kind == "unifi" or card.prm_calls == "together"
        self._rounds = [steps] if together else [(tag,) for tag in steps]

    def __call__(self, history: Sequence[Turn], output: Output) -> list[Finding]:
        steps = {tag: self._format.section(output.turn, tag, self._config.language) for tag in self._format.tags[:-1]}
        case = JudgeCase(self._config.language, tuple(history), steps, ("", output.turn.response))
        return rate_steps(self._model, self._rounds, case, self._config.seed)

    @cached_property
    def _model(self) -> "JudgeModel":
        from compeer_jax.parallel.mesh import make_mesh
        from compeer_jax.rewards.config import JudgeModelsConfig
        from compeer_jax.rewards.in_process import InProcessJudge

        models = JudgeModelsConfig(dtype=self._config.model.dtype, scan_layers=self._config.model.scan_layers)
        return InProcessJudge(self._config.judge, self._kind, self._format, models, make_mesh(self._config.mesh))
