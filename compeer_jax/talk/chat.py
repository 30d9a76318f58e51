"""The loop of a terminal chat: lines in, what is to be shown out, the talk saved after every turn."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from compeer_jax.data.pictures import inspect_picture
from compeer_jax.dialogue.danger.guard import Guard
from compeer_jax.dialogue.danger.withheld import forbidden
from compeer_jax.errors import UserError
from compeer_jax.talk.config import ChatConfig
from compeer_jax.talk.judge import Finding, TurnJudge
from compeer_jax.talk.session import (
    Ask,
    AskJudge,
    Effect,
    Note,
    Output,
    Quit,
    Save,
    SaveCopy,
    Session,
    Show,
    ShowPicture,
    on_input,
    on_output,
)
from compeer_jax.talk.speakers import Speaker
from compeer_jax.talk.transcript import Transcript


@dataclass(frozen=True)
class ShowFindings:
    """What the judge says of the model's last output."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Trouble:
    """Something could not be done; the talk goes on."""

    text: str


Shown = Show | ShowFindings | Trouble


def converse(
    config: ChatConfig,
    lines: Iterable[str],
    *,
    speaker: Speaker,
    judge: TurnJudge,
    transcript: Transcript,
    show: Callable[[Shown], None],
    waiting: Callable[[str], AbstractContextManager[Any]] = lambda what: nullcontext(),
) -> Session:
    """Goes on until the person leaves or there are no more lines; returns where the talk was then.

    What goes wrong with one line is shown, and the talk goes on: the words stay, and can be said again or taken back.

    Args:
        config: `image`, `tries`, `reasoning`, `language` and `country` of it.
        lines: what the person types, a line at a time.
        speaker: who answers.
        judge: who rates, on request.
        transcript: where the talk is saved, after every change.
        show: shows one thing.
        waiting: a context in which somebody is waited for.
    """
    guard = Guard(language=config.language, country=config.country or None)
    pictures = tuple(map(str, config.image))
    session = Session(tries=config.tries, guard=guard, reasoning=config.reasoning, pictures=pictures)

    def answered(ask: Ask) -> Output | None:
        try:
            with waiting("The model writes"):
                return speaker.answer(ask.history, ask.draw, ask.instructions)
        except UserError as error:
            if not session.guard.kinds:
                raise
            show(Trouble(str(error)))  # and the program itself answers somebody in danger
            return None

    def carry_out(effect: Effect) -> tuple[Effect, ...]:
        """Does one thing; returns what follows from it."""
        nonlocal session
        provenance = _provenance(speaker, session)
        if isinstance(effect, Ask):
            session, effects = on_output(session, answered(effect))
            return effects
        if isinstance(effect, AskJudge):
            with waiting("The judge reads"):
                findings = tuple(map(_fit, judge(effect.history, effect.output)))
            show(ShowFindings(findings))
        elif isinstance(effect, Save):
            try:
                transcript.save(session.turns, provenance)
            except UserError as error:  # the talk matters more than its transcript
                show(Trouble(str(error)))
        elif isinstance(effect, ShowPicture):
            check_picture(effect.path, speaker)
            session = replace(session, pictures=(*session.pictures, effect.path))
            return (Note(f"{effect.path} goes with your next words."),)
        elif isinstance(effect, SaveCopy):
            show(Note(_saved(transcript, effect.path, session, provenance)))
        else:
            show(effect)
        return ()

    for line in lines:
        try:
            session, effects = on_input(session, line)
            while effects:
                if isinstance(effects[0], Quit):
                    return session
                effects = (*carry_out(effects[0]), *effects[1:])
        except UserError as error:
            show(Trouble(str(error)))
    return session


def check_picture(path: str, speaker: Speaker) -> None:
    """Raises UserError where the model can't be shown a picture, as it sees none or the file holds none."""
    if not speaker.sees:
        raise UserError(
            "the model is shown no pictures; start with one that sees, and with server.pictures.most above 0 (for a "
            "model in this process, data.pictures.most)."
        )
    inspect_picture(path, "your picture")


def _saved(transcript: Transcript, path: str, session: Session, provenance: Mapping) -> str:
    if path:
        return f"A copy is in {transcript.copy(path, session.turns, provenance)}."
    if transcript.path is None:
        raise UserError("this talk is not kept, as output is empty; name a file: /save FILE.")
    transcript.save(session.turns, provenance)
    return f"The talk is saved in {transcript.path}, after every turn."


def _fit(finding: Finding) -> Finding:
    """The finding without a critique that says what nothing here may say."""
    return replace(finding, critique="withheld") if forbidden(finding.critique) else finding


def _provenance(speaker: Speaker, session: Session) -> dict[str, Any]:
    """Who spoke; and where there was danger or something was withheld, what of it, by the supporter's turns from 1."""
    made = {**speaker.provenance, "malformed": session.malformed}
    if session.guard.kinds:
        made["danger"] = {"kinds": list(session.guard.kinds), "level": session.guard.level.name.lower()}
    outputs = enumerate(session.outputs, start=1)
    if held := [{"reply": number, **output.guarded.to_json()} for number, output in outputs if output.guarded]:
        made["held"] = held
    return made
